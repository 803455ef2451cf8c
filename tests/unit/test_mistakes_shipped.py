"""Wrong input that only an image or a server can judge: what `ship` answers, exactly, and what it did before."""

from __future__ import annotations

import platform
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from flowyard.errors import FlowyardError
from flowyard.report import error_text, exit_code, ship_summary
from tests.fakes_builder import FakeBuilder
from tests.golden_files import GOLDEN
from tests.mistakes.checked import CheckingBuilder
from tests.mistakes.shipped import SERVED, SHIPPED, Shipped
from tests.mistakes.table import Mistake, change, entry, read, written
from tests.support import lock, make_project
from tests.yard_site import Site

FILE = GOLDEN / "mistakes" / "ship.txt"


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with nothing wrong in it."""
    root = make_project(tmp_path_factory.mktemp("sound") / "project")
    lock(root)
    return root


def site_of(sound: Path, root: Path, shipped: Shipped) -> Site:
    shutil.copytree(sound, root)
    site = Site(root)
    site.builder = FakeBuilder(site.registry, lambda flow: shipped.described)
    shipped.prepare(site)
    change(root, shipped.files)
    if shipped.checked:
        builder = CheckingBuilder(site.registry, lambda flow: shipped.described)
        builder.python = shipped.python
        site.builder = builder
    return site


def said(site: Site, built: bool) -> tuple[str, int]:
    """What the verb prints, and its exit code."""
    try:
        outcomes = tuple(site.ship(build=built).values())
    except FlowyardError as error:
        return error_text(error), error.exit_code
    errors = [error_text(one.error, one.plan.name) for one in outcomes if one.error is not None]
    return "\n".join([*errors, ship_summary("local", outcomes)]), exit_code(outcomes)


def answered(sound: Path, folder: Path, name: str) -> str:
    shipped = SHIPPED[name]
    site = site_of(sound, folder / name / "project", shipped)
    text, code = said(site, shipped.built)
    text = text.replace(str(site.root), "ROOT").replace(platform.python_version(), "RUNNING")
    text = re.sub(r"[0-9a-f]{64}", "DIGEST", text)  # they change with the runtime part of every image
    text = re.sub(r"[0-9a-f]{32}", "KEY", text)
    notes = f" ({shipped.prepare.__doc__})" if shipped.prepare.__doc__ != Shipped().prepare.__doc__ else ""
    words = ("ship",) if shipped.built else ("register",)
    return entry(f"{name}{notes}", Mistake(shipped.files, words), text, code)


@pytest.fixture
def ask(sound: Path, tmp_path: Path) -> Callable[[str], str]:
    return partial(answered, sound, tmp_path)


def test_every_mistake_has_its_answer(ask: Callable[[str], str], request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--update-golden"):
        FILE.write_text(written({name: ask(name) for name in SHIPPED}), "utf-8")
    assert [name.partition(" (")[0] for name in read(FILE)] == list(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_a_mistake_is_answered_exactly(ask: Callable[[str], str], name: str) -> None:
    kept = {key.partition(" (")[0]: text for key, text in read(FILE).items()}
    assert ask(name).splitlines() == kept[name].splitlines()


@pytest.mark.parametrize("name", [name for name in SERVED if "job variable" in name])
def test_a_job_variable_is_judged_before_anything_is_built(sound: Path, tmp_path: Path, name: str) -> None:
    site = site_of(sound, tmp_path / "project", SHIPPED[name])
    said(site, built=True)
    assert site.built() == []
    assert site.server.deployments == {}


def test_the_project_that_is_changed_ships(sound: Path, tmp_path: Path) -> None:
    site = site_of(sound, tmp_path / "project", Shipped(checked=True))
    assert said(site, built=True) == ("target local: 1 shipped, 0 unchanged, 0 failed", 0)
