"""Whatever is typed, the answer is a result or a message, with an exit code of the contract."""

from __future__ import annotations

import io
import json
import re
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from flowyard.commands.cli import PLAN_HAS_CHANGES, app
from flowyard.entry import VERBS, main
from tests.fuzz.conftest import limited
from tests.support import BASES, lock, make_project

COUNT = 6000
DONE = frozenset({0, PLAN_HAS_CHANGES})
CONTRACT = frozenset(range(9))  # of docs/commands.md, all but a defect's and those of signals
PROFILE = """[project]
name = "acme"

[targets.local]
registry = { type = "oci", url = "registry.example:5000" }
work-pool = { name = "pool", type = "docker" }
prefect = { profile = "nobody" }

[targets.other]
registry = { type = "embedded" }
work-pool = { name = "other", type = "docker" }
prefect = { api = "embedded" }
"""


def options() -> list[str]:
    """Every option of every verb."""
    arguments = [argument for verb in VERBS for argument in app[verb].assemble_argument_collection()]
    return sorted({name for argument in arguments for name in argument.names if name.startswith("-")})


JUNK = st.text(max_size=6) | st.sampled_from(
    [
        "",
        "-",
        "--",
        "---",
        "=",
        "--=",
        "-=",
        "*",
        "[",
        "[!",
        "**",
        "~",
        "\udcff",
        "a\0b",
        "x" * 300,
        "\x1b[2J",
    ]
)
VALUES = st.sampled_from(
    ["local", "other", "hello", "0", "1", "-1", "1.5", "nan", "inf", "1e9", "day=1", "day", "=", "true", "no"]
)
WORDS = st.one_of(
    st.sampled_from(sorted(VERBS)),
    st.sampled_from(["hello", "flows/hello", "flows", ".", "..", "/", "h*", "etl", "hello/default"]),
    st.sampled_from([*options(), "--help", "-h", "--version", "--install-completion"]),
    st.tuples(st.sampled_from(options()), VALUES | JUNK).map("=".join),
    VALUES,
    JUNK,
)
LINES = st.tuples(st.sampled_from([*sorted(VERBS), ""]), st.lists(WORDS, max_size=5)).map(
    lambda line: [*([line[0]] if line[0] else []), *line[1]]
)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The command line takes signals for itself; the test run keeps its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that can be loaded, built and locked as far as a machine that is cut off can; nobody's home."""
    files = {"registry.toml": PROFILE, "registry.local.toml": BASES, "images/bases.lock": None}
    root = make_project(tmp_path / "project", {**files, "flows/hello/requirements.txt": "attrs\n"})
    lock(root)
    monkeypatch.chdir(root)
    for name in ("PREFECT_API_URL", "PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("ZSH_CUSTOM", "ZSH", "XDG_DATA_HOME", "XDG_CONFIG_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SHELL", "/bin/bash")
    monkeypatch.setenv("PREFECT_PROFILES_PATH", str(tmp_path / "profiles.toml"))
    return root


def typed(words: Sequence[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr, as the program writes what is no text."""
    out, err = io.StringIO(), io.StringIO()
    with limited(), redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    return code, out.getvalue(), err.getvalue()


def test_whatever_is_typed_is_answered(project: Path, inputs: Counter[str]) -> None:
    codes: Counter[int] = Counter()

    @settings(
        max_examples=COUNT,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    @given(words=LINES)
    def run(words: list[str]) -> None:
        inputs["command line"] += 1
        code, out, err = typed(words)
        codes[code] += 1
        assert code in CONTRACT, err
        assert "Traceback" not in out + err
        if code not in DONE:
            assert any(line.startswith("error: ") and line[7:].strip() for line in err.splitlines()), words
            assert not out or json.loads(out)

    run()
    assert codes.total() >= COUNT
    assert {0, 2, 4, 6} <= set(codes), "hardly any input gets past the words"


def test_what_is_cut_off_is_really_cut_off(project: Path) -> None:
    """Or the inputs above would reach a Docker engine."""
    code, _, err = typed(["build"])
    refused = r"error: hello: cannot start (docker|/\S+/docker-buildx): No such file or directory"
    assert code == 4
    assert re.fullmatch(refused, err.splitlines()[-2])
