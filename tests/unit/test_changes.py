"""Each change of an input alone, and exactly what `plan` says of it; and what must not matter, and that it does not.

One repository is shipped. Each test plans a clone of it in which one thing is different, with the Dockerfiles
that the ship remembered: what is remembered must neither hide a change nor be forgotten without one.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.configuration.platforms import with_platforms
from flowyard.errors import ConfigurationError
from flowyard.inputs import Inputs
from flowyard.load import load
from flowyard.plan import Plan
from flowyard.planning.render_memo import RenderMemo
from flowyard.render import render
from flowyard.report import plan_json, plan_text
from tests.support import make_project, write_files
from tests.unit.changes import DEPLOYMENTS, IMAGE, NOTHING
from tests.unit.changing import make_repository, replaced
from tests.yard_site import SECOND, Site

SIGNS = {"build": "+", "reuse image": "+", "register": "~", "unchanged": "="}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The repository, shipped once. Planning leaves it as it is."""
    folder = tmp_path_factory.mktemp("changes")
    site = Site(make_repository(folder / "first"), renderer=RenderMemo(folder / "rendered"))
    assert {name: one.error for name, one in site.ship().items()} == {"hello": None}
    return site


@pytest.fixture(scope="module")
def before(shipped: Site) -> Plan:
    """What is planned for the repository as it was shipped: nothing."""
    return shipped.plan()


@pytest.fixture
def cloned(shipped: Site, tmp_path: Path) -> Site:
    """A clone of the repository somewhere else, on the same services."""
    return replace(shipped, root=clone(shipped.root, tmp_path / "somewhere/else"))


def clone(source: Path, root: Path) -> Path:
    """The files as git makes them: whether they may be executed is kept, the rest is up to the umask."""
    root.mkdir(parents=True)
    for path in sorted(source.rglob("*")):
        copy = root / path.relative_to(source)
        if path.is_symlink():
            copy.symlink_to(os.readlink(path))
        elif path.is_dir():
            copy.mkdir()
        else:
            mode = 0o777 if path.stat().st_mode & 0o100 else 0o666
            with os.fdopen(os.open(copy, os.O_WRONLY | os.O_CREAT, mode), "wb") as stream:
                stream.write(path.read_bytes())
    return root


def said(plan: Plan) -> tuple[str, dict[str, object]]:
    """The plan's text and its JSON, but the key."""
    document = json.loads(plan_json(plan))
    del document["flows"][0]["key"]
    return plan_text(plan), document


def expected(action: str, reasons: tuple[str, ...], image: str | None) -> tuple[str, dict[str, object]]:
    """What has to be said of the one flow."""
    why = f"  ({', '.join(reasons)})" if reasons else ""
    end = "Nothing to do." if action == "unchanged" else "1 of 1 flows would change."
    nothing: dict[str, object] = {"notes": [], "deployments": [], "error": None, "calls": []}
    flow = {"flow": "hello", "action": action, "reasons": list(reasons), "image": image, **nothing}
    return (
        f"target local\n  {SIGNS[action]} hello  {action}{why}\n{end}",
        {"version": 1, "target": "local", "flows": [flow]},
    )


def key(plan: Plan) -> str:
    """The key of the one flow."""
    assert plan.flows[0].desired is not None
    return plan.flows[0].desired.key


def inputs(plan: Plan) -> Inputs:
    """The inputs of the one flow."""
    assert plan.flows[0].desired is not None
    return plan.flows[0].desired.inputs


def image(plan: Plan) -> str:
    """The image that was shipped."""
    return str(plan.flows[0].image)


def remembered(site: Site) -> dict[str, int]:
    """The Dockerfiles that the shipped repository's memory holds, and when each was written."""
    memo = site.root.parent / "rendered"
    return {path.name: path.stat().st_mtime_ns for path in memo.iterdir()}


def assert_nothing(shipped: Site, before: Plan, now: Site) -> None:
    """Nothing is seen, and no Dockerfile was rendered anew."""
    kept = remembered(shipped)
    plan = now.plan()
    assert said(plan) == expected("unchanged", (), image(before))
    assert (key(plan), inputs(plan)) == (key(before), inputs(before))
    assert remembered(shipped) == kept


@pytest.mark.parametrize("name", IMAGE)
def test_an_input_of_the_image_is_seen_and_named(
    shipped: Site, before: Plan, cloned: Site, name: str
) -> None:
    change, reasons = IMAGE[name]
    change(cloned.root)
    plan = cloned.plan()
    assert said(plan) == expected("build", reasons, None)
    assert key(plan) != key(before)
    # What was remembered is not what would be built.
    assert plan.flows[0].desired == replace(cloned, renderer=render).plan().flows[0].desired


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_an_input_of_the_deployments_is_seen_and_named(
    shipped: Site, before: Plan, cloned: Site, name: str
) -> None:
    change, reasons = DEPLOYMENTS[name]
    change(cloned.root)
    plan = cloned.plan()
    assert said(plan) == expected("register", reasons, image(before))
    assert key(plan) == key(before)


@pytest.mark.parametrize("name", NOTHING)
def test_what_must_not_matter_is_not_seen(shipped: Site, before: Plan, cloned: Site, name: str) -> None:
    NOTHING[name](cloned.root)
    assert_nothing(shipped, before, cloned)


@pytest.mark.parametrize("umask", [0o000, 0o027, 0o077])
def test_umask_and_path_of_the_clone_do_not_matter(
    shipped: Site, before: Plan, tmp_path: Path, umask: int
) -> None:
    usual = os.umask(umask)
    try:
        root = clone(shipped.root, tmp_path / f"clone {umask:o}")
        assert (root / "flows/hello/run.sh").stat().st_mode & 0o777 == 0o777 & ~umask
        assert_nothing(shipped, before, replace(shipped, root=root))
    finally:
        os.umask(usual)


SCANDIR = os.scandir


class Backwards:
    """os.scandir, in the opposite order of names."""

    def __init__(self, path: str | os.PathLike[str] = ".") -> None:
        with SCANDIR(path) as entries:
            self._entries = sorted(entries, key=lambda entry: str(entry.name), reverse=True)

    def __iter__(self) -> Iterator[os.DirEntry[str]]:
        return iter(self._entries)

    def __enter__(self) -> Backwards:
        return self

    def __exit__(self, *error: object) -> None:
        pass


def test_the_order_in_which_folders_are_listed_does_not_matter(
    shipped: Site, before: Plan, cloned: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "scandir", Backwards)
    monkeypatch.setattr(os, "listdir", lambda path=".": [str(entry.name) for entry in Backwards(path)])
    assert next(path.name for path in cloned.root.glob("*")) == "shared"
    assert_nothing(shipped, before, cloned)


@pytest.fixture
def surroundings() -> Iterator[pytest.MonkeyPatch]:
    """Sets variables of the environment. The time zone of before is taken again once they are undone."""
    with pytest.MonkeyPatch.context() as patch:
        yield patch
    time.tzset()


@pytest.mark.parametrize(
    "variables",
    [
        {"TZ": "Asia/Kolkata"},
        {"TZ": "America/St_Johns"},
        {"LC_ALL": "C", "LANG": "C", "LANGUAGE": "C"},
        {"LC_ALL": "tr_TR.UTF-8"},
        {"PREFECT_PROFILE": "other", "DOCKER_DEFAULT_PLATFORM": "linux/s390x", "SOURCE_DATE_EPOCH": "1"},
        {"USER": "ada", "LOGNAME": "ada", "HOSTNAME": "elsewhere", "CI": "true"},
    ],
    ids=lambda variables: next(iter(variables.items()))[1],
)
def test_locale_time_zone_and_other_surroundings_do_not_matter(
    shipped: Site,
    before: Plan,
    cloned: Site,
    surroundings: pytest.MonkeyPatch,
    variables: dict[str, str],
) -> None:
    for name, value in variables.items():
        surroundings.setenv(name, value)
    time.tzset()
    assert_nothing(shipped, before, cloned)


def test_another_commit_and_another_person_do_not_matter(shipped: Site, before: Plan, cloned: Site) -> None:
    assert_nothing(shipped, before, replace(cloned, commit=SECOND))
    assert_nothing(shipped, before, replace(cloned, commit=None))


def test_a_version_of_flowyard_with_the_same_runtime_part_does_not_matter(
    shipped: Site, before: Plan, cloned: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metadata = {"flowyard-99.0.dist-info/METADATA": "Metadata-Version: 2.1\nName: flowyard\nVersion: 99.0\n"}
    monkeypatch.syspath_prepend(str(write_files(tmp_path / "site", metadata)))
    assert importlib.metadata.version("flowyard") == "99.0"
    assert_nothing(shipped, before, cloned)


def test_what_is_remembered_of_dockerfiles_may_be_gone(before: Plan, cloned: Site, tmp_path: Path) -> None:
    plan = replace(cloned, renderer=RenderMemo(tmp_path / "empty")).plan()
    assert said(plan) == expected("unchanged", (), image(before))


def test_a_base_that_lies_elsewhere_under_the_same_digest_does_not_matter(before: Plan, cloned: Site) -> None:
    replaced("images/bases.lock", "docker.io/library", "mirror.example")(cloned.root)
    plan = cloned.plan()
    assert said(plan) == expected("unchanged", (), image(before))
    assert plan.flows[0].desired is not None
    assert "\nFROM mirror.example/python:3.13-slim@sha256:" in plan.flows[0].desired.dockerfile


def test_a_change_is_taken_in_and_its_revert_reuses_the_image(tmp_path: Path) -> None:
    site = Site(make_repository(tmp_path / "own"), renderer=RenderMemo(tmp_path / "rendered"))
    site.ship()
    first, source = image(site.plan()), (site.root / "flows/hello/flow.py").read_bytes()
    IMAGE["source byte"][0](site.root)
    DEPLOYMENTS["target's env"][0](site.root)
    reasons = ("flows/hello/flow.py changed", "targets.local.env changed")
    assert said(site.plan()) == expected("build", reasons, None)
    site.ship()
    assert said(site.plan()) == expected("unchanged", (), image(site.plan()))
    write_files(site.root, {"flows/hello/flow.py": source})
    assert said(site.plan()) == expected("reuse image", reasons[:1], first)


@pytest.mark.parametrize(
    ("machine", "platform"),
    [
        ("x86_64", "linux/amd64"),
        ("AMD64", "linux/amd64"),
        ("aarch64", "linux/arm64"),
        ("arm64", "linux/arm64"),
        ("armv7l", "linux/arm/v7"),
        ("i686", "linux/386"),
    ],
)
def test_the_platform_of_a_machine_is_an_input_where_none_is_named(
    tmp_path: Path, machine: str, platform: str
) -> None:
    settings = {"flows/other/flow.py": "", "flows/other/flow.toml": 'platforms = ["linux/s390x"]\n'}
    project = with_platforms(load(make_project(tmp_path / "p", settings)), machine)
    assert [flow.platforms for flow in project.flows] == [(platform,), ("linux/s390x",)]


def test_a_machine_that_is_not_known_has_to_be_told(tmp_path: Path) -> None:
    project = load(make_project(tmp_path / "p"))
    with pytest.raises(ConfigurationError) as caught:
        with_platforms(project, "abacus")
    assert [str(problem) for problem in caught.value.problems] == [
        'registry.toml: defaults.platforms: is needed on this machine, whose processor is called "abacus"; '
        'such as ["linux/amd64"]'
    ]
    named = make_project(tmp_path / "q", {"flows/hello/flow.toml": 'platforms = ["linux/s390x"]\n'})
    assert with_platforms(load(named), "abacus") == load(named)
