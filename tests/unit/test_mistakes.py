"""Wrong input, all the way through the command line: the whole message and the exit code, exactly."""

from __future__ import annotations

import io
import re
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

import pytest

from flowyard.entry import main
from tests.golden_files import GOLDEN
from tests.mistakes.builders import MISTAKES as BUILDER_MISTAKES
from tests.mistakes.command_line import COMMAND_LINE
from tests.mistakes.configuration import CONFIGURATION, HELLO
from tests.mistakes.ecr import MISTAKES as ECR_MISTAKES
from tests.mistakes.ecs import MISTAKES as ECS_MISTAKES
from tests.mistakes.files import FILES
from tests.mistakes.kubernetes import MISTAKES as KUBERNETES_MISTAKES
from tests.mistakes.table import SOUND, Mistake, change, content, entry, put_back, read, written
from tests.support import lock, make_project, write_files

FOLDER = GOLDEN / "mistakes"
TABLES: Mapping[str, Mapping[str, Mistake]] = {
    "configuration": {name: Mistake(files) for name, files in CONFIGURATION.items()},
    "builders": {name: Mistake(files) for name, files in BUILDER_MISTAKES.items()},
    "ecr": {name: Mistake(files) for name, files in ECR_MISTAKES.items()},
    "ecs": {name: Mistake(files) for name, files in ECS_MISTAKES.items()},
    "kubernetes": {name: Mistake(files) for name, files in KUBERNETES_MISTAKES.items()},
    "command_line": COMMAND_LINE,
    "files": FILES,
}
CASES = [(table, name) for table, mistakes in TABLES.items() for name in mistakes]
LEAST = 200


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command line takes signals for itself; the test run keeps its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with nothing wrong in it, and with the locks of two Pythons."""
    files = {**SOUND, HELLO: 'base = "python:3.12-slim"\n'}
    root = make_project(tmp_path_factory.mktemp("sound") / "project", files)
    lock(root)
    (root / HELLO).unlink()
    lock(root)
    return root


@pytest.fixture(scope="module")
def ask(sound: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str, str], str]]:
    """What a mistake is answered with, as an entry of its golden file."""
    root = tmp_path_factory.mktemp("mistakes") / "project"
    shutil.copytree(sound, root)
    write_files(root.parent / "outside", {"flow.py": ""})
    yield partial(answered, sound, root)
    assert content(root) == content(sound)
    assert content(root.parent / "outside") == {"flow.py": b""}


def answered(sound: Path, root: Path, table: str, name: str) -> str:
    mistake = TABLES[table][name]
    change(root, mistake.files)
    try:
        return said(root, name, mistake)
    finally:
        put_back(root, sound, mistake.files)


def said(root: Path, name: str, mistake: Mistake) -> str:
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.chdir(root)
        for variable in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE"):
            patch.delenv(variable, raising=False)
        patch.setenv("PREFECT_PROFILES_PATH", str(root / "profiles.toml"))
        for variable, value in mistake.env.items():
            patch.setenv(variable, value)
        code = main(mistake.words)
    return entry(name, mistake, (out.getvalue() + err.getvalue()).replace(str(root), "ROOT"), code)


def test_every_mistake_has_its_answer(ask: Callable[[str, str], str], request: pytest.FixtureRequest) -> None:
    for table, mistakes in TABLES.items():
        file = FOLDER / f"{table}.txt"
        if request.config.getoption("--update-golden"):
            file.write_text(written({name: ask(table, name) for name in mistakes}), "utf-8")
        assert list(read(file)) == list(mistakes)


@pytest.mark.parametrize(("table", "name"), CASES)
def test_a_mistake_is_answered_exactly(ask: Callable[[str, str], str], table: str, name: str) -> None:
    assert ask(table, name).splitlines() == read(FOLDER / f"{table}.txt")[name].splitlines()


def test_the_table_is_as_long_as_it_says() -> None:
    assert len(CASES) >= LEAST


def test_every_mistake_ends_with_a_message_and_not_with_0() -> None:
    for table in TABLES:
        for name, text in read(FOLDER / f"{table}.txt").items():
            assert "\nerror: " in text, name
            assert re.search(r"\n\[exit code [1-8]\]\Z", text), name


def test_the_project_that_is_changed_has_nothing_wrong_in_it(
    sound: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(sound)
    assert [main(["list"]), main(["render"])] == [0, 0]


def test_no_answer_holds_a_secret_or_a_traceback() -> None:
    text = "".join(file.read_text("utf-8") for file in sorted(FOLDER.glob("*.txt")))
    answers = [
        line for line in text.splitlines() if line.startswith(("error:", "  hint:", "  registry.toml:"))
    ]
    assert len(answers) > LEAST
    assert [line for line in answers if "secret@" in line or "hidden" in line or "Traceback" in line] == []
