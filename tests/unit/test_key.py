"""The content key: a constant of its inputs, and what changed between two sets of them in words.

That each kind of change is seen, and what must not matter is not, stands in test_changes.py.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.fingerprints import fingerprint
from flowyard.inputs import Inputs
from flowyard.planning.key import differences, key_of
from tests.support import desire, lock, make_project, write_files

TAGS, ENV, JOB = (f"deployments.daily.{name}" for name in ("tags", "env", "mapped-job-variables"))
CALL = "docker task clean"
OTHER_ENV = "deployments.daily-too.env"
_RENDERED = ("Dockerfile changed", "images/x.j2 added")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = make_project(tmp_path / "clone")
    lock(root)
    return root


def test_every_file_of_the_runtime_part_is_an_input(root: Path) -> None:
    import flowyard

    package = Path(flowyard.__file__).parent
    files = {
        f"flowyard {path.relative_to(package).as_posix()}" for path in (package / "runtime").rglob("*.py")
    }
    named = {name for name in desire(root).inputs.image if name.startswith("flowyard ")}
    assert named == files | {"flowyard __init__.py"}


def test_the_kinds_of_inputs_are_told_apart(root: Path) -> None:
    """Where they are made, and again by the names that a release record keeps."""
    write_files(root, {"deployments.a/x.py": "", "flows/hello/flow.toml": 'include = ["deployments.a"]\n'})
    wanted = desire(root)
    inputs = replace(wanted.inputs, calls={"clean": "k/s"})
    assert wanted.key == key_of(inputs.image)
    assert inputs.image["deployments.a/x.py"]
    assert Inputs.of(inputs.by_name()) == inputs


def test_a_key_is_a_constant_of_its_inputs() -> None:
    expected = hashlib.sha256(b'{"a":"1","b":"2"}').hexdigest()
    assert key_of({"b": "2", "a": "1"}) == key_of({"a": "1", "b": "2"}) == expected[:32]
    assert fingerprint([1, {"b": None, "a": "x"}]) == hashlib.sha256(b'[1,{"a":"x","b":null}]').hexdigest()


@pytest.mark.parametrize(
    ("before", "now", "reasons"),
    [
        ({}, {}, ()),
        ({"a": "1"}, {"a": "1"}, ()),
        ({"a": "1"}, {"a": "2"}, ("a changed",)),
        ({"a": "1"}, {"b": "1"}, ("a removed", "b added")),
        ({"a": "1"}, {"a": "1 executable"}, ("a mode changed",)),
        ({"a": "1"}, {"a": "2 executable"}, ("a changed",)),
        ({"Dockerfile": "1"}, {"Dockerfile": "2"}, ("Dockerfile changed",)),
        ({"Dockerfile": "1", "a": "1"}, {"Dockerfile": "2", "a": "2"}, ("a changed",)),
        # What follows from something else is not said, whatever follows from it.
        ({"Dockerfile": "1", "a": "1"}, {"Dockerfile": "2", "a": "1", "images/x.j2": "1"}, _RENDERED),
        ({"Dockerfile": "1", "a": "1"}, {"Dockerfile": "2", "a": "2", "images/x.j2": "1"}, ("a changed",)),
        ({"images/x.j2": "1", "a": "1"}, {"a": "2"}, ("a changed",)),
        ({}, {"images/locks/storage-s3-3.13.lock": "1", "results in s3": "yes"}, ("results in s3 added",)),
        ({"images/locks/storage-s3-3.13.lock": "1", "results in s3": "yes"}, {}, ("results in s3 removed",)),
        (
            {"images/locks/storage-s3-3.13.lock": "1"},
            {"images/locks/storage-s3-3.13.lock": "2"},
            ("images/locks/storage-s3-3.13.lock changed",),
        ),
        (
            {"images/x.j2": "1", "a": "1"},
            {"images/x.j2": "2", "a": "2"},
            ("a changed", "images/x.j2 changed"),
        ),
        (
            {"Dockerfile": "1", TAGS: "1"},
            {"Dockerfile": "2", TAGS: "2"},
            ("Dockerfile changed", f"{TAGS} changed"),
        ),
        ({JOB: "1", TAGS: "1"}, {JOB: "2", TAGS: "2"}, (f"{JOB} changed", f"{TAGS} changed")),
        ({JOB: "1", ENV: "1"}, {JOB: "2", ENV: "2"}, (f"{ENV} changed",)),
        ({JOB: "1", "targets.a.env": "1"}, {JOB: "2", "targets.a.env": "2"}, ("targets.a.env changed",)),
        ({JOB: "1", "work pool": "1"}, {JOB: "2", "work pool": "2"}, ("work pool changed",)),
        ({JOB: "1", OTHER_ENV: "1"}, {JOB: "2", OTHER_ENV: "2"}, (f"{OTHER_ENV} changed", f"{JOB} changed")),
        ({TAGS: "1"}, {TAGS: "1", OTHER_ENV: "1"}, ("deployment daily-too added",)),
        # What is deployed is no reason why an image is another one: neither settings nor what is called.
        (
            {"Dockerfile": "1", CALL: "1"},
            {"Dockerfile": "2", CALL: "2"},
            ("Dockerfile changed", f"{CALL} changed"),
        ),
        ({"images/x.j2": "1", CALL: "1"}, {}, (f"{CALL} removed", "images/x.j2 removed")),
        ({JOB: "1", CALL: "1"}, {JOB: "2", CALL: "2"}, (f"{JOB} changed", f"{CALL} changed")),
        # A folder may be called like a key.
        ({}, {"deployments.a/x.py": "1"}, ("deployments.a/x.py added",)),
    ],
)
def test_differences(before: dict[str, str], now: dict[str, str], reasons: tuple[str, ...]) -> None:
    assert differences(Inputs.of(before), Inputs.of(now)) == reasons


def test_a_template_that_is_in_the_image_as_well_counts_with_its_mode(root: Path) -> None:
    write_files(root, {"flows/hello/flow.toml": 'include = ["images"]\n'})
    lock(root)
    before = desire(root).inputs
    (root / "images/Dockerfile.j2").chmod(0o755)
    assert differences(before, desire(root).inputs) == ("images/Dockerfile.j2 mode changed",)
