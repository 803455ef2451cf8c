"""The command line: which verb is meant, what is printed where, and the exit codes."""

from __future__ import annotations

import inspect
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

from flowyard import errors
from flowyard.building.pace import MOST
from flowyard.commands.cli import app
from flowyard.commands.options import Jobs, Releases
from flowyard.entry import VERBS, main, with_default_verb
from flowyard.registering.pruning import KEPT_RELEASES
from tests.support import lock, make_project, write_files

DOCUMENTATION = Path(__file__).resolve().parents[2] / "docs/commands.md"


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command line takes SIGTERM for itself; the test run keeps its own."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project, which is also the current folder."""
    root = make_project(tmp_path / "project")
    lock(root)
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ([], ["ship"]),
        (["flows/etl"], ["ship", "flows/etl"]),
        (["etl", "--json"], ["ship", "etl", "--json"]),
        (["--target", "local"], ["ship", "--target", "local"]),
        (["-j", "2"], ["ship", "-j", "2"]),
        (["./plan"], ["ship", "./plan"]),
        (["plan"], ["plan"]),
        (["plan", "etl"], ["plan", "etl"]),
        (["list"], ["list"]),
        (["--help"], ["--help"]),
        (["-h"], ["-h"]),
        (["--version"], ["--version"]),
    ],
)
def test_without_a_verb_ship_is_meant(words: list[str], meant: list[str]) -> None:
    assert with_default_verb(words) == meant


def test_the_verbs() -> None:
    assert set(VERBS) == {name for name in app if not name.startswith("-")}


def test_help_names_every_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert [verb for verb in VERBS if not re.search(rf"^\W*{verb}\s", text, re.MULTILINE)] == []


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help_for_itself_and_its_options(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--help"]) == 0
    text = capsys.readouterr().out
    function = app[verb].default_command
    assert callable(function)
    assert (inspect.getdoc(function) or "?").partition("\n")[0].split(".")[0] in " ".join(text.split())
    for option in options(verb):
        assert re.search(rf"{option}\b.* [A-Z]\w+", text), f"{option} has no help"


def options(verb: str) -> list[str]:
    """The long options of a verb, as its help lists them."""
    collection = app[verb].assemble_argument_collection()
    names = [name for argument in collection for name in argument.names if name.startswith("--")]
    return [name for name in names if name not in ("--help", "--version", "--flows", "--deployment")]


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["plan", "--nope"], 2, "--nope"),
        (["--nope"], 2, "--nope"),
        (["list", "extra"], 2, "extra"),
        (["run"], 2, "DEPLOYMENT"),
        (["ship", "--jobs", "many"], 2, "many"),
        (["bild"], 2, "no flow is called 'bild'; flows: hello"),
        (["render", "helo"], 2, "no flow is called 'helo' (did you mean `hello`?); flows: hello"),
        (
            ["list", "--target", "locl"],
            2,
            "no target is called 'locl' (did you mean `local`?); targets: local",
        ),
        (["plan", "--target", "x"], 2, "no target is called 'x'; targets: local"),
        (["up"], 2, "target local has no embedded services"),
    ],
)
def test_mistakes_on_the_command_line_end_with_2(
    root: Path, words: list[str], code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: ")
    assert text in captured.err


def test_an_unknown_option_is_answered_with_a_hint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--nope"]) == 2
    assert capsys.readouterr().err.splitlines()[-1] == "  hint: see `python build.py plan --help`"


def test_wrong_configuration_ends_with_2(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(root, {"flows/hello/flow.toml": "bse = 1\n"})
    assert main(["list"]) == 2
    assert "flows/hello/flow.toml: bse: is not a known key (did you mean `base`?)" in capsys.readouterr().err


def test_a_missing_lock_ends_with_7(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "images/locks/uv.lock").unlink()
    assert main(["render"]) == 7
    assert capsys.readouterr() == (
        "",
        "error: images/locks/uv.lock is missing\n  hint: run `python build.py lock` and commit what it writes\n",
    )


def test_outside_of_a_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list"]) == 2
    assert "no registry.toml in" in capsys.readouterr().err


def test_list(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_files(
        root,
        {
            "flows/hello/flow.toml": '[deployments.daily]\nschedules = [{ cron = "0 6 * * *" }, '
            '{ interval = 90, active = false }]\n[deployments.x]\nentrypoint = "flow.py:hello"\n'
        },
    )
    assert main(["list"]) == 0
    assert capsys.readouterr() == (
        "acme, target local (work pool pool)\n"
        "  hello  on python:3.13-slim, dependencies: none\n"
        "    daily  flow.py  0 6 * * * UTC, every 90 s UTC (off)\n"
        "    x  flow.py:hello  started by hand\n",
        "",
    )


def test_list_as_json(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "version": 1,
        "project": "acme",
        "target": "local",
        "flows": [
            {
                "flow": "hello",
                "base": "python:3.13-slim",
                "dependencies": "none",
                "deployments": [{"name": "default", "entrypoint": "flow.py", "schedules": []}],
            }
        ],
    }


def test_render_prints_the_dockerfile_and_nothing_else(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["render", "flows/hello"]) == 0
    out, err = capsys.readouterr()
    assert (out.splitlines()[0].startswith("# hello: made by Flowyard"), err) == (True, "")


def test_a_folder_below_the_project_is_inside_it(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root / "flows/hello")
    assert main(["list"]) == 0
    assert capsys.readouterr().out.startswith("acme, target local")


def test_every_verb_and_every_option_is_documented() -> None:
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", DOCUMENTATION.read_text("utf-8"), re.M | re.S))
    assert [verb for verb in sorted(VERBS) if verb not in sections] == []
    missing = [
        f"{verb} {option}"
        for verb in sorted(VERBS)
        for option in options(verb)
        if f"`{option}" not in sections[verb] and option not in sections[verb]
    ]
    assert missing == []


@pytest.mark.parametrize(
    ("name", "option", "said"),
    [("--jobs", Jobs, f"at most {MOST}"), ("--releases", Releases, f"default: {KEPT_RELEASES}")],
)
def test_numbers_that_the_help_and_the_page_write_again_are_those_that_hold(
    name: str, option: object, said: str
) -> None:
    _, parameter = get_args(option)
    line = next(
        line for line in DOCUMENTATION.read_text("utf-8").splitlines() if line.startswith(f"| `{name}`")
    )
    assert (parameter.help.endswith(f"{said}."), line.endswith(f"{said} |")) == (True, True)


def test_every_exit_code_is_documented() -> None:
    text = DOCUMENTATION.read_text("utf-8")
    codes = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.FlowyardError)
    }
    assert {code for code in {0, 3, 129, 130, 141, 143, *codes} if f"\n| {code} |" not in text} == set()


def test_options_are_found_at_all() -> None:
    own = ["--target", "--json", "--detailed-exitcode", "--report", "--comment", "--split"]
    assert options("plan") == [*own, "--exclude", "--changed", "--with-parents", "--since"]


@pytest.mark.parametrize("verb", ["ship", "build"])
@pytest.mark.parametrize("number", ["0", "-1"])
def test_no_image_at_once_is_a_mistake(
    root: Path, verb: str, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, f"--jobs={number}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("error: Invalid value")
    assert "Must be >= 1" in captured.err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["ship", "helo"], 2),
        (["plan", "helo"], 2),
        (["plan", "hello", ""], 2),
        (["render", "helo"], 2),
        (["render", "flows/hello"], 0),
        (["render"], 0),
        (["list"], 0),
    ],
)
def test_names_of_flows_need_no_parser_and_end_the_same(
    root: Path, words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = []
    for given in (words, [words[0], "--", *words[1:]]):
        ends.append((main(given), *capsys.readouterr()))
    assert ends[0] == ends[1]
    assert ends[0][0] == code
    assert ("did you mean `hello`?" in ends[0][2]) == ("helo" in words)
