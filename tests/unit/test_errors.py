"""The errors: every class is documented with its exit code, and every message is one that can be shown."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowyard
from flowyard import errors
from flowyard.errors import Defect, FlowyardError, Problem, Refused, expected

REPOSITORY = Path(__file__).resolve().parents[2]
PACKAGE = Path(flowyard.__file__).parent
CLASS = re.compile(r"^ *class (\w+)\(([^)]+)\)", re.MULTILINE)


def all_classes() -> set[type[FlowyardError]]:
    """Every error of the package: all of them are in one file."""
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type))
    return {kind for kind in kinds if issubclass(kind, FlowyardError)}


def defined_elsewhere() -> Iterator[str]:
    """Classes outside of errors.py that are made of an error in it. The runtime part knows none of them."""
    names = {kind.__name__ for kind in all_classes()}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place != "errors.py" and not place.startswith("runtime/"):
            for name, bases in CLASS.findall(path.read_text("utf-8")):
                if names & {base.rpartition(".")[2] for base in bases.split(", ")}:
                    yield f"{place} {name}"


def test_all_errors_are_in_one_file() -> None:
    assert list(defined_elsewhere()) == []


def test_every_class_is_documented_with_its_exit_code() -> None:
    text = (REPOSITORY / "docs/troubleshooting.md").read_text("utf-8").partition("## Errors by class")[2]
    documented = dict(re.findall(r"^\| `(\w+)` \| (\d+) \| .+ \|$", text, re.MULTILINE))
    assert documented == {kind.__name__: str(kind.exit_code) for kind in all_classes()}


def test_the_classes_are_found_at_all() -> None:
    names = {kind.__name__ for kind in all_classes()}
    assert {"FlowyardError", "StateError", "Busy", "Locked"} <= names


def test_an_error_that_is_retold_is_another_one_of_the_same_kind() -> None:
    error = Refused("no", status=503, hint="wait")
    error.add_note("seen twice")
    told = error.retold(f"shipped, but: {error}", hint="ship again")
    assert (type(told), str(told), told.message, told.status) == (
        Refused,
        "shipped, but: no",
        told.message,
        503,
    )
    assert (told.hint, told.args, told.__notes__) == ("wait", ("shipped, but: no",), ["seen twice"])
    assert (str(error), error.message) == ("no", "no")
    assert FlowyardError("no").retold("never", hint="try").hint == "try"


@pytest.mark.parametrize(
    ("problem", "shown"),
    [
        (Problem("f.toml", "a.b", "is wrong"), "f.toml: a.b: is wrong"),
        (Problem("f.toml", "", "is wrong"), "f.toml: is wrong"),
        (Problem("f.toml", "a\nb", "\x1b[31mred\ud800"), "f.toml: a\\u000ab: \\u001b[31mred\\ud800"),
    ],
)
def test_a_problem_is_one_line(problem: Problem, shown: str) -> None:
    assert str(problem) == shown


@pytest.mark.parametrize(
    ("error", "kind", "message"),
    [
        (
            PermissionError(13, "Permission denied", "x"),
            FlowyardError,
            "PermissionError: [Errno 13] Permission denied: 'x'",
        ),
        (KeyError("digest"), Defect, "KeyError: 'digest'"),
    ],
)
def test_an_error_of_somebody_else_becomes_one_of_ours(
    error: Exception, kind: type[FlowyardError], message: str
) -> None:
    found = expected(error)
    assert (type(found), found.message, bool(found.hint)) == (kind, message, True)
