"""What a CI job is told: summary, annotations, outputs, groups of flows, and the one comment."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from flowyard.build import BuiltImage
from flowyard.building.workshop import BuildOutcome
from flowyard.errors import (
    BuildFailed,
    CheckFailed,
    ConfigurationError,
    FlowyardError,
    LockError,
    Problem,
    Unfinished,
)
from flowyard.images import Digest, ImageReference, PublishedImage, Repository
from flowyard.outcome import Outcome, Registered
from flowyard.plan import Action, FlowPlan, Plan
from flowyard.reporting import github, gitlab
from flowyard.reporting.account import Account, FlowAccount, of_build, of_plan, of_ship
from flowyard.reporting.comment import keep
from flowyard.reporting.markdown import escaped, markdown
from flowyard.reporting.places import Annotation, line_of, places
from flowyard.reporting.split import split

REPOSITORY = Repository("r.example", "etl")
IMAGE = PublishedImage(REPOSITORY, Digest(f"sha256:{'a' * 64}"))
PLAN = Plan(
    "production",
    (
        FlowPlan("etl", Action.BUILD, ("flows/etl/flow.py changed",)),
        FlowPlan("report", Action.REGISTER, ("deployment daily added",), image=IMAGE),
        FlowPlan("same", Action.UNCHANGED, (), image=IMAGE),
        FlowPlan("old", Action.REMOVE, ("flows/old is gone",)),
    ),
)
REGISTRY = """#:schema x
[project]
name = "acme"

[targets.local]
registry = { type = "embedded" }
results = "nowhere"

[targets.local.ecs]
cluster = "c"
"""


def changed(name: str, calls: tuple[str, ...] = (), layer: str = "") -> FlowAccount:
    return FlowAccount(name, "build", calls=calls, layer=layer)


def test_a_plan_as_markdown() -> None:
    assert markdown(of_plan(PLAN), 10_000) == (
        "### Flowyard: plan for <code>production</code>\n\n"
        "**3 of 4 flows would change.**\n\n\n"
        "| | flow | what | why |\n|---|---|---|---|\n"
        "| + | <code>etl</code> | build | flows/etl/flow.py changed |\n"
        f"| ~ | <code>report</code> | register<br><code>r.example/etl&#64;sha256:{'a' * 64}</code>"
        " | deployment daily added |\n"
        "| - | <code>old</code> | remove | flows/old is gone |\n\n"
        "<details><summary>1 unchanged</summary>\n\n<code>same</code>\n\n</details>\n"
    )
    assert "**Nothing to do: 0 flows unchanged.**" in markdown(Account("plan", "x"), 10_000)


def test_a_ship_as_markdown_begins_with_what_failed() -> None:
    failed = Outcome(PLAN.flows[0], error=BuildFailed("no\n```\nwheel", hint="Look <here>"))
    shipped = Outcome(PLAN.flows[1], IMAGE, (Registered("1", "report/daily"),), notes=("kept | as is",))
    text = markdown(of_ship("ship", "production", (failed, shipped)), 10_000)
    assert "**1 shipped, 0 unchanged, 1 failed.**" in text
    stopped = Outcome(PLAN.flows[3], error=Unfinished("not begun"))
    behind = markdown(of_ship("ship", "production", (failed, shipped, stopped)), 10_000)
    assert "**1 shipped, 0 unchanged, 1 failed, 1 not begun or stopped.**" in behind
    assert "\n**<code>old</code> was not finished** (Unfinished)\n" in behind
    assert (
        "\n**<code>etl</code> failed** (BuildFailed)\n\n````text\nno\n```\nwheel\n````\n\n"
        "**Hint:** Look &#60;here&#62;\n"
    ) in text
    assert "deployment daily added<br>note: kept &#124; as is |" in text
    assert text.index("BuildFailed") < text.index("| ~ |")


def test_a_build_and_an_error_of_everything_as_markdown() -> None:
    built = BuiltImage("etl", ImageReference(REPOSITORY, "key"), None, "sha256:1", 1.0, Path("log"), 2, 3)
    account = of_build("local", [BuildOutcome("etl", built)])
    assert account.flows[0].key == "key"  # which is the image's tag
    text = markdown(account, 10_000)
    assert "**1 built, 0 unchanged, 0 failed.**" in text
    assert "| + | <code>etl</code> | built<br><code>r.example/etl:key</code> |  |" in text
    whole = markdown(Account("plan", "", error=LockError("images/locks/x is missing")), 10_000)
    assert whole.startswith("### Flowyard: plan\n\n**It ended with an error.**")
    assert "```text\nimages/locks/x is missing\n```" in whole


@pytest.mark.parametrize("most", [1000, 5000, 65_000, 1024 * 1024])
def test_markdown_has_at_most_so_many_bytes_and_says_what_it_leaves_out(most: int) -> None:
    flows = [FlowAccount(f"flow_{number}", "build", ("flöws/x changed",) * 5) for number in range(12_000)]
    huge = FlowAccount("huge", "build", error=BuildFailed("x" * 3_000_000))
    text = markdown(Account("ship", "production", (*flows, huge)), most)
    assert len(text.encode()) <= most
    assert "_Cut here: " in text
    if most > 30_000:
        assert len(text.encode()) > most * 0.95
        assert "huge</code> failed" in text


@pytest.mark.parametrize("text", ["a|b", "@team", "![x](y)", "<img src=x>", "`code`", "#12", "**b**", "$x$"])
def test_text_of_others_is_shown_as_it_is(text: str) -> None:
    shown = escaped(text)
    assert not set(shown.replace("&#", "").replace(";", "")) & set("|@[]<>`*!$")
    assert escaped("a\nb") == "a<br>b"


def test_a_command_cannot_become_another_one() -> None:
    assert github.command("error", "50%\n::add-mask::x", file="a,b:c.py", line=3) == (
        "::error file=a%2Cb%3Ac.py,line=3::50%25%0A::add-mask::x"
    )
    assert github.command("endgroup") == "::endgroup::"
    assert github.quoted("::set-env::\n", "t0") == "::stop-commands::t0\n::set-env::\n::t0::"


def test_annotations_are_as_many_as_github_shows() -> None:
    found = [("etl", Annotation("flows/etl/flow.py", number, "no")) for number in range(1, 11)]
    assert len(github.error_commands(found)) == 10
    assert github.error_commands(found[:1]) == ("::error file=flows/etl/flow.py,line=1,title=etl::no",)
    many = github.error_commands([*found, ("x", Annotation("", 1, "no"))])
    assert (len(many), many[-1]) == (10, "::error title=Flowyard::and 2 more errors; the summary has them")
    assert github.error_commands([("x", Annotation("", 1, "no"))]) == ("::error title=x::no",)


def test_outputs_for_later_jobs() -> None:
    outputs = github.outputs(of_plan(PLAN), 4)
    assert outputs == {
        "target": "production",
        "changes": "3",
        "builds": "1",
        "flows": '["etl", "report", "old"]',
        "failed": "[]",
        "images": json.dumps({"report": str(IMAGE), "same": str(IMAGE)}),
        "matrix": '{"include": [{"group": "1 of 1", "flows": "etl"}]}',
    }
    assert all("\n" not in value for value in outputs.values())
    assert github.output_lines({"a": "1", "b": "[]"}) == "a=1\nb=[]\n"
    assert github.outputs(Account("plan", "x"), 4)["matrix"] == '{"include": []}'


def test_outputs_of_a_build_and_of_registering_count_what_was_built() -> None:
    built = BuiltImage("etl", ImageReference(REPOSITORY, "key"), None, "sha256:1", 1.0, Path("log"), 2, 3)
    failed = BuildOutcome("report", error=BuildFailed("no"))
    build = github.outputs(of_build("local", [BuildOutcome("etl", built), failed]), 4)
    assert (build["builds"], build["changes"]) == ("1", "1")
    shipped = [Outcome(flow, IMAGE) for flow in PLAN.flows[:2]]
    assert github.outputs(of_ship("ship", "production", shipped), 4)["builds"] == "1"
    assert github.outputs(of_ship("register", "production", shipped[1:]), 4)["builds"] == "0"


def test_groups_are_of_nearly_the_same_size_and_hold_every_flow_once() -> None:
    flows = [changed(f"f{number:02}") for number in range(10)]
    groups = split(flows, 4)
    assert sorted(map(len, groups)) == [2, 2, 3, 3]
    assert sorted(name for group in groups for name in group) == [flow.flow for flow in flows]
    assert split(flows[:2], 4) == (("f00",), ("f01",))
    assert split([], 4) == ()
    assert split(flows, 1) == (tuple(flow.flow for flow in flows),)


def test_flows_that_call_each_other_stay_together_and_equal_dependencies_near() -> None:
    flows = [
        changed("a", calls=("z", "unknown")),
        changed("b", layer="2"),
        changed("c", layer="1"),
        changed("d", layer="2"),
        changed("e", layer="1"),
        changed("z"),
    ]
    assert split(flows, 3) == (("a", "z"), ("c", "e"), ("b", "d"))


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("project.name", 3),
        ("targets.local.results", 7),
        ("targets.local.registry.type", 6),
        ("targets.local.ecs.cluster", 10),
        ("targets.local.ecs.missing", 9),
        ("targets.local.missing", 5),
        ("other", 1),
        ("", 1),
    ],
)
def test_the_line_of_a_key(key: str, line: int) -> None:
    assert line_of(REGISTRY, key) == line


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (
            ConfigurationError(
                [
                    Problem("registry.toml", "targets.local.results", "is wrong"),
                    Problem("registry.toml", "", "is not valid TOML (at line 4, column 2)"),
                    Problem("flows/etl/flow.py, line 12", "", "does not say which"),
                    Problem("flows/gone", "", "has no flow.py"),
                ]
            ),
            (
                Annotation("registry.toml", 7, "registry.toml: targets.local.results: is wrong"),
                Annotation("registry.toml", 4, "registry.toml: is not valid TOML (at line 4, column 2)"),
                Annotation("flows/etl/flow.py", 12, "flows/etl/flow.py, line 12: does not say which"),
                Annotation("", 1, "flows/gone: has no flow.py"),
            ),
        ),
        (
            CheckFailed("flow.py cannot be imported: SyntaxError (flow.py, line 3: def f(:)"),
            (
                Annotation(
                    "flows/etl/flow.py",
                    3,
                    "flow.py cannot be imported: SyntaxError (flow.py, line 3: def f(:)",
                ),
            ),
        ),
        (
            LockError("flows/etl/requirements.lock is stale", hint="lock"),
            (Annotation("flows/etl/requirements.lock", 1, "flows/etl/requirements.lock is stale\nlock"),),
        ),
        (
            BuildFailed("RUN uv failed\n  | flow.py is fine\n  | at line 9 of something"),
            (
                Annotation(
                    "flows/etl/flow.py", 1, "RUN uv failed\n  | flow.py is fine\n  | at line 9 of something"
                ),
            ),
        ),
        (BuildFailed("RUN pip failed"), (Annotation("flows/etl/flow.py", 1, "RUN pip failed"),)),
    ],
)
def test_where_an_error_is_shown(error: FlowyardError, found: tuple[Annotation, ...]) -> None:
    files = {"registry.toml": REGISTRY, "flows/etl/flow.py": "", "flows/etl/requirements.lock": ""}
    assert places(error, "etl", files.get) == found
    assert places(BuildFailed("no"), "", files.get) == (Annotation("", 1, "no"),)


def test_what_gitlab_takes() -> None:
    account = of_plan(PLAN)
    assert gitlab.dotenv(account) == (
        "FLOWYARD_TARGET=production\nFLOWYARD_CHANGES=3\nFLOWYARD_FAILED=0\nFLOWYARD_FLOWS=etl report old\n"
    )
    many = Account("plan", "x", tuple(changed(f"a_flow_with_a_long_name_{number}") for number in range(300)))
    assert gitlab.dotenv(many) == "FLOWYARD_TARGET=x\nFLOWYARD_CHANGES=300\nFLOWYARD_FAILED=0\n"
    assert gitlab.groups(account, 4) == {"1": "etl\n"}
    assert json.loads(gitlab.outputs(account)) == {
        "version": 1,
        "target": "production",
        "changes": ["etl", "report", "old"],
        "unchanged": ["same"],
        "failed": [],
        "images": {"report": str(IMAGE), "same": str(IMAGE)},
    }
    (finding,) = json.loads(gitlab.code_quality([("etl", Annotation("flows/etl/flow.py", 3, "no"))]))
    assert (finding["description"], finding["severity"]) == ("etl: no", "blocker")
    assert finding["location"] == {"path": "flows/etl/flow.py", "lines": {"begin": 3}}
    assert gitlab.section("a b", "A", "x\x1b[0Ksection_end:1:a_b\r\n", 7) == (
        "\x1b[0Ksection_start:7:a_b[collapsed=true]\r\x1b[0KA\nx[0Ksection-end:1:a_b\n"
        "\x1b[0Ksection_end:7:a_b\r\x1b[0K"
    )


@dataclass
class FakeComments:
    """The comments of one pull request."""

    texts: dict[str, str] = field(default_factory=dict)

    def find(self, marker: str) -> str | None:
        """As Comments.find."""
        return next((name for name, text in self.texts.items() if text.startswith(marker)), None)

    def add(self, text: str) -> None:
        """As Comments.add."""
        self.texts[str(len(self.texts))] = text

    def change(self, identity: str, text: str) -> None:
        """As Comments.change."""
        assert identity in self.texts
        self.texts[identity] = text


def test_a_comment_is_changed_and_never_repeated() -> None:
    comments = FakeComments({"0": "hello"})
    for text in ("first", "second"):
        keep(comments, "plan production", text)
    keep(comments, "plan staging", "other")
    assert comments.texts == {
        "0": "hello",
        "1": "<!-- flowyard: plan production -->\nsecond",
        "2": "<!-- flowyard: plan staging -->\nother",
    }
