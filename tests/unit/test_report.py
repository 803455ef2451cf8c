"""What is printed: for people, for programs, and the exit code."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.build import BuiltImage
from flowyard.building.workshop import BuildOutcome
from flowyard.errors import (
    BuildFailed,
    CheckFailed,
    FlowyardError,
    LockError,
    OrderError,
    PrefectError,
    Unfinished,
)
from flowyard.images import Digest, ImageReference, PublishedImage, Repository
from flowyard.outcome import Outcome, Registered
from flowyard.plan import Action, FlowPlan, Plan
from flowyard.report import (
    build_json,
    build_text,
    error_text,
    exit_code,
    plan_json,
    plan_text,
    result_json,
    result_text,
    ship_json,
    ship_notes,
    ship_summary,
    ship_text,
)
from flowyard.reporting.account import of_ship
from flowyard.reporting.page_document import Seen, document
from flowyard.running.delay import Delay, Phase
from flowyard.running.run import Finished, Triggered
from tests.support import desire, lock, make_project

COMMANDS = Path(__file__).resolve().parents[2] / "docs/commands.md"
REPOSITORY = Repository("r.example", "etl")
IMAGE = PublishedImage(REPOSITORY, Digest(f"sha256:{'a' * 64}"))
UNCHANGED = FlowPlan("etl", Action.UNCHANGED, (), image=IMAGE)
BUILD = FlowPlan(
    "report", Action.BUILD, ("a changed", "b added", "c removed", "d changed", "e changed", "f added")
)
REGISTER = FlowPlan("x", Action.REGISTER, ("deployment daily added",), image=IMAGE)
REMOVE = FlowPlan("old", Action.REMOVE, ("flows/old is gone",))
FAILED = Outcome(BUILD, error=BuildFailed("RUN false failed", hint="Mend it.", log=Path("/logs/report.log")))
SHIPPED = Outcome(REGISTER, IMAGE, (Registered("1", "x/daily"),))
SAME = Outcome(UNCHANGED, IMAGE)


def test_a_plan_for_people() -> None:
    assert plan_text(Plan("local", (UNCHANGED, BUILD, REGISTER, REMOVE))) == (
        "target local\n"
        "  = etl     unchanged\n"
        "  + report  build  (a changed, b added, c removed, d changed and 2 more)\n"
        "  ~ x       register  (deployment daily added)\n"
        "  - old     remove  (flows/old is gone)\n"
        "3 of 4 flows would change."
    )


def test_a_plan_of_changes_only() -> None:
    plan = Plan("local", (UNCHANGED, REGISTER))
    assert plan_text(plan, changes_only=True) == (
        "target local\n  ~ x  register  (deployment daily added)\n1 of 2 flows would change."
    )
    assert [one["flow"] for one in json.loads(plan_json(plan, changes_only=True))["flows"]] == ["x"]


@pytest.mark.parametrize("flows", [(), (UNCHANGED,)])
def test_a_plan_without_changes(flows: tuple[FlowPlan, ...]) -> None:
    assert plan_text(Plan("local", flows)).splitlines()[-1] == "Nothing to do."


def test_a_plan_for_programs_has_every_reason() -> None:
    found = json.loads(plan_json(Plan("local", (BUILD, REGISTER))))
    assert found == {
        "version": 1,
        "target": "local",
        "flows": [
            {
                "flow": "report",
                "action": "build",
                "reasons": list(BUILD.reasons),
                "key": None,
                "image": None,
                "notes": [],
                "deployments": [],
                "error": None,
                "calls": [],
            },
            {
                "flow": "x",
                "action": "register",
                "reasons": ["deployment daily added"],
                "key": None,
                "image": str(IMAGE),
                "notes": [],
                "deployments": [],
                "error": None,
                "calls": [],
            },
        ],
    }


def test_a_ship_for_people() -> None:
    outcomes = (SAME, FAILED, SHIPPED)
    assert ship_text(outcomes) == f"etl  {IMAGE}\nx  {IMAGE}"
    assert ship_summary("local", outcomes) == "target local: 1 shipped, 1 unchanged, 1 failed"
    assert ship_summary("local", [SAME]) == "target local: nothing to do, 1 unchanged"
    stopped = outcome(Unfinished("not begun"))
    assert ship_summary("local", [FAILED, stopped]) == (
        "target local: 0 shipped, 0 unchanged, 1 failed, 1 not begun or stopped"
    )
    assert [one.changes for one in (SAME, FAILED, SHIPPED, stopped)] == [False, True, True, True]
    assert ship_summary("local", [SHIPPED, Outcome(REMOVE)]) == (
        "target local: 1 shipped, 0 unchanged, 0 failed, 1 removed"
    )


def test_what_a_plan_noted_is_said_of_what_was_shipped_and_not_of_what_failed(tmp_path: Path) -> None:
    root = make_project(tmp_path / "project")
    lock(root)
    noted = replace(SHIPPED.plan, desired=replace(desire(root), notes=("stays as it was for flows/y",)))
    assert ship_notes(replace(SHIPPED, plan=noted)) == ("x stays as it was for flows/y",)
    assert ship_notes(replace(FAILED, plan=noted)) == ()


def test_a_ship_for_programs() -> None:
    found = json.loads(ship_json("local", (FAILED, SHIPPED)))
    assert (found["version"], found["target"]) == (1, "local")
    assert [(one["flow"], one["image"], one["deployments"], one["error"]) for one in found["flows"]] == [
        (
            "report",
            None,
            [],
            {
                "type": "BuildFailed",
                "message": "RUN false failed",
                "notes": [],
                "hint": "Mend it.",
                "log": "/logs/report.log",
            },
        ),
        ("x", str(IMAGE), [{"id": "1", "name": "x/daily"}], None),
    ]


def test_a_flow_has_the_same_keys_wherever_a_program_reads_of_it() -> None:
    """In what is printed, in a page beside what only a page knows, and in the documentation."""
    (planned,) = json.loads(plan_json(Plan("local", (REGISTER,))))["flows"]
    (shipped,) = json.loads(ship_json("local", (SHIPPED,)))["flows"]
    (shown,) = document(of_ship("ship", "local", (SHIPPED,)), Seen("acme", 0.0, 1.0))["flows"]
    assert list(planned) == list(shipped)
    assert [key for key in shown if key not in ("steps", "layers")] == list(shipped)
    assert {key: shown[key] for key in shipped} == shipped
    said = COMMANDS.read_text("utf-8").partition(", each flow `{")[2].partition("}` |")[0]
    assert re.findall(r'"(\w+)"', re.sub(r"\[.*?\]", "", said)) == list(shipped)


def test_a_build_for_people_and_programs() -> None:
    reference = ImageReference(REPOSITORY, "key")
    built = BuiltImage("etl", reference, None, "sha256:1", 1.0, Path("log"), 2, 3)
    outcomes = (BuildOutcome("etl", built), BuildOutcome("x", error=BuildFailed("no")))
    assert build_text(outcomes) == "r.example/etl:key"
    assert json.loads(build_json(outcomes)) == {
        "version": 1,
        "flows": [
            {"flow": "etl", "reference": "r.example/etl:key", "image_id": "sha256:1", "error": None},
            {
                "flow": "x",
                "reference": None,
                "image_id": None,
                "error": {"type": "BuildFailed", "message": "no", "notes": [], "hint": "", "log": None},
            },
        ],
    }


def test_a_result() -> None:
    run = Triggered("1", "happy-cat", "etl/daily", str(IMAGE))
    finished = Finished("COMPLETED", "", None)
    assert result_text({"type": "dict", "json": {"a": [1]}}) == '{\n  "a": [\n    1\n  ]\n}'
    assert result_text({"type": "NoneType", "json": None}) == "null"
    assert result_text({"type": "DataFrame", "repr": "a b"}) == "a b"
    assert json.loads(result_json(run, finished, {"type": "int", "json": 3})) == {
        "version": 1,
        "run": {"id": "1", "name": "happy-cat", "image": str(IMAGE), "state": "COMPLETED"},
        "task": None,
        "delay": None,
        "result": {"type": "int", "json": 3},
    }
    delay = Delay(2.5, 2.25, (Phase("queue", 0.5), Phase("worker poll", 2.0)))
    assert json.loads(result_json(run, finished, {"type": "int", "json": 3}, delay))["delay"] == {
        "seconds": 2.5,
        "to_running": 2.25,
        "phases": [{"name": "queue", "seconds": 0.5}, {"name": "worker poll", "seconds": 2.0}],
    }


def outcome(error: FlowyardError | None) -> Outcome:
    return replace(SAME, error=error)


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], 0),
        ([None, None], 0),
        ([None, LockError("x")], 7),
        ([Unfinished("x"), PrefectError("y"), Unfinished("x")], 6),
        ([Unfinished("x")], 1),
        ([BuildFailed("x"), CheckFailed("y")], 1),
        ([PrefectError("x"), PrefectError("y")], 6),
        ([PrefectError("x"), OrderError("y")], 1),
    ],
)
def test_the_exit_code(errors: list[FlowyardError | None], code: int) -> None:
    assert exit_code(map(outcome, errors)) == code


def test_an_error_for_people() -> None:
    error = BuildFailed("It failed.", hint="Mend it.", log=Path("/l"))
    error.add_note("and more")
    assert (
        error_text(error, "etl") == "error: etl: It failed.\n  note: and more\n  hint: Mend it.\n  log:  /l"
    )
    assert error_text(PrefectError("No.")) == "error: No."
