"""Rendering: what a template may do, and what is said when it cannot be rendered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.errors import ConfigurationError, LockError
from flowyard.load import load
from flowyard.render import Rendered, render
from flowyard.values import BaseImage
from tests.support import make_project, write_files

LOCKS = ("prefect.lock",)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_project(tmp_path / "p")


def rendered(root: Path, files: dict[str, str] | None = None) -> Rendered:
    write_files(root, files or {})
    return render(root, load(root).flows[0], LOCKS)


def test_the_templates_that_were_used_are_known(root: Path) -> None:
    own = '{% extends "Dockerfile.j2" %}\n{% block image %}{% include "mine.txt" %}{% endblock %}\n'
    found = rendered(root, {"flows/hello/Dockerfile.j2": own, "flows/hello/mine.txt": "LABEL a=b"})
    assert set(found.templates) == {
        Path("flows/hello/Dockerfile.j2"),
        Path("flows/hello/mine.txt"),
        Path("images/Dockerfile.j2"),
        Path("images/partials/check.j2"),
        Path("images/partials/end.j2"),
        Path("images/partials/install-lock.j2"),
    }
    before, _, _ = found.text.partition("# Imports the flow where it will run")
    assert before.endswith("\nUSER 10001:10001\nLABEL a=b\n")


def test_several_shared_folders_are_one_layer(root: Path) -> None:
    write_files(root, {"shared/a.py": "", "common/deep/b.py": ""})
    one = rendered(root, {"flows/hello/flow.toml": 'include = ["shared"]\n'}).text
    two = rendered(root, {"flows/hello/flow.toml": 'include = ["common/deep", "shared"]\n'}).text
    assert "COPY lib /opt/flowyard/lib\nCOPY project/shared /opt/project/shared\nCOPY --chown" in one
    assert (
        "FROM scratch AS shared\n"
        "COPY project/common/deep /opt/project/common/deep\n"
        "COPY project/shared /opt/project/shared\n"
        "\n"
        "FROM dependencies AS source\n"
        "COPY lib /opt/flowyard/lib\n"
        "COPY --from=shared /opt/project /opt/project\n"
        "COPY --chown"
    ) in two


END = """# Imports the flow where it will run, without network; an image that cannot do that is never made.
FROM source AS check
RUN --network=none \\
    --mount=type=bind,source=lib,target=/run/flowyard \\
    /opt/venv/bin/python -I /run/flowyard/flowyard/runtime/contract.py --name hello \\
    --user 10001 --project /opt/project --results /var/lib/flowyard/results \\
 && PYTHONHASHSEED=0 python -m flowyard.runtime.describe --name hello --python 3.13 \\
    --output /tmp/description.json flow.py

FROM source AS image
COPY --from=check /tmp/description.json /opt/flowyard/description.json
ENTRYPOINT ["/opt/venv/bin/python", "-I", "-S", "/opt/flowyard/lib/flowyard/runtime/start.py"]
"""


def test_a_dockerfile_is_taken_as_it_is_before_the_end_of_every_image(root: Path) -> None:
    text = "FROM scratch AS source\n# {{ nothing }} {% here %}\n"
    templates = ("flows/hello/Dockerfile", "images/partials/end.j2", "images/partials/check.j2")
    expected = Rendered(f"{text}\n{END}", tuple(map(Path, templates)))
    assert rendered(root, {"flows/hello/Dockerfile": text}) == expected


def test_every_template_ends_alike(root: Path) -> None:
    assert rendered(root).text.endswith(f"\n\n{END}")


def test_a_template_need_not_extend_the_common_one(root: Path) -> None:
    own = 'FROM {{ base }} AS source\n{% include "partials/end.j2" %}'
    base = load(root).flows[0].base.reference
    found = rendered(root, {"flows/hello/Dockerfile.j2": own})
    assert found.text.rstrip() == f"FROM {base} AS source\n{END}".rstrip()


def test_a_template_without_the_end_is_refused(root: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rendered(root, {"flows/hello/Dockerfile.j2": "FROM {{ base }} AS source\n"})
    assert [str(one) for one in caught.value.problems] == [
        "flows/hello/Dockerfile.j2: it does not end as every image does: begin with "
        '`{% extends "Dockerfile.j2" %}` and override blocks, or let `{% include "partials/end.j2" %}` be the '
        "last line"
    ]


def test_a_breach_in_a_block_is_told_with_the_line_it_renders_to(root: Path) -> None:
    own = '{% extends "Dockerfile.j2" %}\n{% block base %}\nENTRYPOINT ["mine"]\n{% endblock %}\n'
    with pytest.raises(ConfigurationError) as caught:
        rendered(root, {"flows/hello/Dockerfile.j2": own})
    assert [str(one) for one in caught.value.problems] == [
        "flows/hello/Dockerfile.j2: line 4 of what it renders to: the image's ENTRYPOINT is Flowyard's, which "
        "becomes the command it is given; leave it out"
    ]


@pytest.mark.parametrize(
    ("defaults", "own", "options"),
    [
        ("", "", ""),
        ("", "check-seconds = 300\n", " --seconds 300"),
        ("", 'check-seconds = 2.5\ncheck-memory = "4Gi"\n', " --seconds 2.5 --memory 4Gi"),
        ('check-memory = "1Gi"\ncheck-seconds = 60\n', "check-seconds = 5\n", " --seconds 5 --memory 1Gi"),
    ],
)
def test_the_bounds_of_the_check(root: Path, defaults: str, own: str, options: str) -> None:
    registry = (root / "registry.toml").read_text()
    (root / "registry.toml").write_text(
        registry.replace("[targets.local]", f"[defaults]\n{defaults}[targets.local]")
    )
    text = rendered(root, {"flows/hello/flow.toml": own}).text
    python = load(root).flows[0].base.python
    assert f"--name hello --python {python}{options} \\\n" in text


def test_a_template_counts_more_than_a_dockerfile_beside_it(root: Path) -> None:
    own = '# {{ flow }}\nFROM scratch AS source\n{% include "partials/end.j2" %}'
    files = {"flows/hello/Dockerfile": "FROM x\n", "flows/hello/Dockerfile.j2": own}
    assert rendered(root, files).text.startswith("# hello\nFROM scratch AS source\n")


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (
            {"flows/hello/Dockerfile.j2": "FROM {{ bsae }}\n"},
            "flows/hello/Dockerfile.j2: 'bsae' is undefined",
        ),
        (
            {"flows/hello/Dockerfile.j2": "FROM x\n{% if %}\n"},
            "flows/hello/Dockerfile.j2: line 2: Expected an expression, got 'end of statement block'",
        ),
        (
            {"images/partials/check.j2": "\n\n{% endblock %}\n"},
            "images/partials/check.j2: line 3: Encountered unknown tag 'endblock'.",
        ),
    ],
)
def test_what_cannot_be_rendered_is_told_with_its_place(
    root: Path, files: dict[str, str], problem: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        rendered(root, files)
    assert [str(one) for one in caught.value.problems] == [problem]


def test_a_template_that_is_missing_is_named(root: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nope\.j2") as caught:
        rendered(root, {"flows/hello/Dockerfile.j2": '{% include "nope.j2" %}\n'})
    assert caught.value.problems[0].file == "flows/hello/Dockerfile.j2"


def test_a_base_that_is_not_pinned_is_an_error(root: Path) -> None:
    flow = replace(load(root).flows[0], base=BaseImage("python:3.13-slim", None, "3.13"))
    with pytest.raises(LockError) as caught:
        render(root, flow, LOCKS)
    assert caught.value.message == "flow hello: base image python:3.13-slim is not pinned"
