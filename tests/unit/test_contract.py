"""What a Dockerfile of a flow's own has to keep: every breach in its text, and every one inside the image."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.errors import ConfigurationError
from flowyard.planning.contract import Instruction, check_contract, instructions
from flowyard.runtime import contract as inside
from flowyard.runtime.contract import PART, Contract, Environment, breaches
from tests.support import REPOSITORY

PINNED = f"registry.example/base@sha256:{'1' * 64}"
HELP = "; images/README.md says what a Dockerfile of your own has to keep"
KEPT = f"""# escape=\\
ARG WHICH=one
FROM --platform=linux/amd64 {PINNED} AS Base
RUN --mount=type=bind,from=base,source=/a,target=/b \\
    # a remark
    echo FROM nowhere \\

    && true
COPY <<"ONE" <<-TWO /etc/
FROM one
ONE
	ENTRYPOINT two
	TWO
FROM scratch
COPY --from=0 /etc/passwd /etc/
COPY --from={PINNED} /etc/passwd /etc/
FROM base as source
CMD ["x"]
"""


def test_what_keeps_the_contract() -> None:
    check_contract("Dockerfile", KEPT)


def test_instructions_are_read_as_buildkit_reads_them() -> None:
    assert [(one.word, one.line) for one in instructions(KEPT)] == [
        *(("ARG", 2), ("FROM", 3), ("RUN", 4), ("COPY", 9), ("FROM", 14), ("COPY", 15), ("COPY", 16)),
        *(("FROM", 17), ("CMD", 18)),
    ]
    text = "run a \\\n# remark\n\n  b\\\n  c\ncopy <<X /\nFROM lost"
    assert list(instructions(text)) == [
        Instruction("RUN", "a b c", 1),
        Instruction("COPY", "<<X /", 6),
    ]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["line 1: there is no FROM; the last stage has to be `FROM ... AS source`" + HELP]),
        (
            "#escape=`\nFROM scratch AS source",
            ["line 1: escape=` is not supported: continue lines with \\" + HELP],
        ),
        (
            "FROM scratch",
            ["line 1: the last stage has no name; write `FROM ... AS source`" + HELP],
        ),
        (
            "FROM scratch AS source\nFROM source AS final",
            [
                "line 2: the last stage is called 'final'; write `FROM ... AS source`" + HELP,
                "line 1: another stage than the last is called 'source'; give it another name",
            ],
        ),
        (
            "FROM scratch AS check\nFROM check AS Image\nFROM image AS source",
            [
                "line 1: no stage may be called 'check': Flowyard adds one of that name; give it another",
                "line 2: no stage may be called 'image': Flowyard adds one of that name; give it another",
            ],
        ),
        (
            "FROM python:3.13 AS source\nCOPY --link --from=tools:1 /a /b\n"
            "RUN --mount=type=bind,from=other,target=/x true",
            [
                "line 1: python:3.13 is not pinned: a tag moves, and nothing would notice; write NAME@sha256:...",
                "line 2: tools:1 is not pinned: a tag moves, and nothing would notice; write NAME@sha256:...",
                "line 3: other is not pinned: a tag moves, and nothing would notice; write NAME@sha256:...",
            ],
        ),
        (
            'FROM scratch AS source\n\nentrypoint ["tini"]',
            [
                "line 3: the image's ENTRYPOINT is Flowyard's, which becomes the command it is given; leave it out"
            ],
        ),
    ],
)
def test_every_breach_of_the_text(text: str, found: list[str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        check_contract("flows/x/Dockerfile", text)
    assert [str(one) for one in caught.value.problems] == [f"flows/x/Dockerfile: {one}" for one in found]


CONTRACT = Contract("etl", 10001, "/opt/project", "/var/lib/flowyard/results", "/opt/venv/bin/python")
PATHS = ("/opt/flowyard/lib", "/opt/project", "/opt/project/flows/etl")


@pytest.fixture
def good(tmp_path: Path) -> Environment:
    """An image laid out as it has to be, below a folder of the test."""
    for folder in ("home/flow", "var/lib/flowyard/results", "opt/project/flows/etl"):
        (tmp_path / folder).mkdir(parents=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(PART / "flowyard", tmp_path / "opt/flowyard/lib/flowyard", ignore=ignored)
    return Environment(
        user=10001,
        working_directory="/opt/project/flows/etl",
        python_path=PATHS,
        home="/home/flow",
        python="/opt/venv/bin/python",
        prefect=True,
        root=tmp_path,
    )


def test_an_image_that_keeps_the_contract(good: Environment) -> None:
    assert breaches(CONTRACT, good) == ()
    assert breaches(CONTRACT, replace(good, python_path=(*PATHS[:2], "/more", PATHS[2], "/other"))) == ()


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"user": 0}, "it runs as root: end the stage with `USER 10001:10001`"),
        ({"user": 1000}, "it runs as user 1000: end the stage with `USER 10001:10001`"),
        (
            {"home": "/nowhere"},
            "HOME is /nowhere, which its user cannot write: `ENV HOME=` a folder of user 10001",
        ),
        (
            {"working_directory": "/"},
            "the working directory is /: `WORKDIR /opt/project/flows/etl`",
        ),
        (
            {"python_path": ()},
            "PYTHONPATH is not set: `ENV PYTHONPATH=/opt/flowyard/lib:/opt/project:/opt/project/flows/etl`, "
            "with others behind these three",
        ),
        (
            {"python_path": ("/mine", *PATHS)},
            "PYTHONPATH is /mine:/opt/flowyard/lib:/opt/project:/opt/project/flows/etl: `ENV "
            "PYTHONPATH=/opt/flowyard/lib:/opt/project:/opt/project/flows/etl`, with others behind these three",
        ),
        ({"python": None}, "`python` on PATH is missing: `ENV PATH=/opt/venv/bin:$PATH`"),
        (
            {"python": "/usr/bin/python"},
            "`python` on PATH is /usr/bin/python: `ENV PATH=/opt/venv/bin:$PATH`",
        ),
        (
            {"prefect": False},
            "/opt/venv/bin/python has no Prefect: install locks/prefect.lock, or a lock that has it",
        ),
    ],
)
def test_every_breach_of_the_environment(good: Environment, changes: dict[str, object], found: str) -> None:
    assert breaches(CONTRACT, replace(good, **changes)) == (found,)  # type: ignore[arg-type]


def test_where_results_go_to_a_bucket_its_library_is_needed(good: Environment) -> None:
    contract = replace(CONTRACT, storages=("s3",))
    assert breaches(contract, replace(good, storages=("s3",))) == ()
    assert breaches(contract, good) == (
        "/opt/venv/bin/python has no obstore, which writes results to s3: install locks/storage-s3.lock, or a lock "
        "that has it",
    )


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (
            "var/lib/flowyard/results",
            "/var/lib/flowyard/results is not a folder its user can write: "
            "`RUN install --directory --owner=10001 /var/lib/flowyard/results` as root",
        ),
        (
            "opt/flowyard/lib",
            "/opt/flowyard/lib is not this build's runtime part: `COPY lib /opt/flowyard/lib`",
        ),
        (
            "opt/project/flows/etl",
            "/opt/project/flows/etl is not there: `COPY project/flows/etl /opt/project/flows/etl`",
        ),
    ],
)
def test_every_folder_that_can_be_missing(good: Environment, path: str, found: str) -> None:
    shutil.rmtree(good.root / path)
    assert breaches(CONTRACT, good) == (found,)


def test_another_runtime_part_is_noticed(good: Environment) -> None:
    file = good.root / "opt/flowyard/lib/flowyard/runtime/start.py"
    file.write_text(file.read_text() + "# changed\n")
    assert breaches(CONTRACT, good) == (
        "/opt/flowyard/lib is not this build's runtime part: `COPY lib /opt/flowyard/lib`",
    )


def test_the_last_line_is_for_the_building_program(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    arguments = ("--name", "etl", "--user", "1", "--project", str(tmp_path), "--results", str(tmp_path))
    assert inside.main((*arguments, "--storage", "s3")) == 1
    *lines, last = capsys.readouterr().err.splitlines()
    document = json.loads(last.removeprefix("flowyard-check: "))
    assert (document["kind"], document["flow"]) == ("contract", "etl")
    assert document["message"].splitlines()[0] == "the image does not keep the contract:"
    assert document["message"] + "\n" + document["hint"] == "\n".join(lines)
    assert document["hint"] == "images/README.md says what an image has to keep, in `The contract`"
    assert "\n## The contract\n" in (REPOSITORY / "images/README.md").read_text("utf-8")
