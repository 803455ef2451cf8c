"""The check around the flow's own code: its bounds, what it lets see, what it keeps of output, how it ends."""

from __future__ import annotations

import io
import json
import linecache
from pathlib import Path

import pytest

from flowyard.runtime import describe, inside
from flowyard.runtime.bounds import MEMORY, SECONDS, START, Bounds, parse_memory
from flowyard.runtime.description import Progress
from flowyard.runtime.failures import CheckError
from flowyard.runtime.guard import HEAD, TAIL, Ended, Relay
from flowyard.runtime.names import CHECK_PREFIX
from flowyard.runtime.traces import place_of

OPTIONS = ["--name", "etl", "--python", "3.13", "--output", "out/description.json"]
TOO_SLOW = (
    "Move the slow part into the flow or one of its tasks: at module level it runs before every run. When "
    "importing has to take that long, raise `check-seconds` in flow.toml."
)
DIED = (
    "Something at module level ends, replaces or crashes Python itself (`os._exit`, `os.exec...`, a native "
    "library): move it into the flow. A process that was killed used more memory than this machine has."
)


def test_the_bounds_that_hold_unless_others_are_set() -> None:
    options = inside.parse("program", [*OPTIONS, "flow.py"])
    assert inside.bounds_of(options) == Bounds(120, 2 << 30) == Bounds(SECONDS, MEMORY)
    assert START == 60


def test_bounds_that_are_set() -> None:
    options = inside.parse("program", [*OPTIONS, "--seconds", "2.5", "--memory", "512Mi", "flow.py"])
    bounds = inside.bounds_of(options)
    assert (bounds, bounds.shown_seconds, bounds.shown_memory) == (Bounds(2.5, 512 << 20), "2.5 s", "512Mi")


@pytest.mark.parametrize(
    ("size", "shown"),
    [(3 << 40, "3Ti"), (1 << 30, "1Gi"), (1536 << 20, "1536Mi"), (5 << 10, "5Ki"), (7, "7")],
)
def test_a_size_has_its_largest_unit(size: int, shown: str) -> None:
    assert Bounds(1, size).shown_memory == shown


@pytest.mark.parametrize("text", ["", "2", "2GB", "Gi", "-1Gi", "1.5Gi", "2gi"])
def test_a_size_without_number_or_unit_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no size such as 512Mi or 2Gi"):
        parse_memory(text)


def test_the_environment_of_the_check() -> None:
    given = {
        "PATH": "/bin",
        "REGION": "west",
        "PREFECT_API_KEY": "k",
        "PREFECT_PROFILE": "p",
        "http_proxy": "http://proxy",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "local",
        "PYTHONHASHSEED": "0",
    }
    assert describe.environment(given, "/home") == {
        "PATH": "/bin",
        "REGION": "west",
        "PYTHONHASHSEED": "0",
        "PYDANTIC_DISABLE_PLUGINS": "__all__",
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": "/home/prefect",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "0",
    }


def relayed(*chunks: bytes) -> bytes:
    sink = io.BytesIO()
    relay = Relay(sink)
    for chunk in chunks:
        relay.write(chunk)
    relay.close()
    return sink.getvalue()


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ((), b""),
        ((b"",), b""),
        ((b"a\n", b"b\n"), b"a\nb\n"),
        ((b"no end",), b"no end\n"),
        ((b"x" * HEAD,), b"x" * HEAD + b"\n"),
        ((b"x" * HEAD, b"y" * TAIL), b"x" * HEAD + b"y" * TAIL + b"\n"),
        ((b"x" * (HEAD - 1), b"xy\n"), b"x" * HEAD + b"y\n"),
    ],
)
def test_output_is_passed_on_and_ends_a_line(chunks: tuple[bytes, ...], expected: bytes) -> None:
    assert relayed(*chunks) == expected


def test_of_much_output_the_middle_is_left_out() -> None:
    found = relayed(b"h" * HEAD, b"m" * 100, b"m" * 23, b"t" * TAIL)
    note = b"\n[flowyard: 123 bytes of output are left out here]\n"
    assert found == b"h" * HEAD + note + b"t" * TAIL + b"\n"


def test_a_program_that_only_prints_costs_no_more_memory_than_the_tail() -> None:
    sink = io.BytesIO()
    relay = Relay(sink)
    for _ in range(100):
        relay.write(b"x" * HEAD)
    relay.close()
    assert (
        len(sink.getvalue()) == HEAD + TAIL + len(b"\n[flowyard:  bytes of output are left out here]\n\n") + 7
    )


@pytest.mark.parametrize(
    ("status", "shown"),
    [(0, "with exit status 0"), (3, "with exit status 3"), (-11, "by SIGSEGV"), (-40, "by signal 40")],
)
def test_how_a_program_ended(status: int, shown: str) -> None:
    assert Ended(status).shown == shown


@pytest.mark.parametrize(
    ("ended", "trace", "file", "kind", "message", "hint"),
    [
        (
            Ended(1),
            "Timeout (0:00:05)!\n",
            "flow.py",
            "too-slow",
            "importing flow.py took longer than 5 s",
            TOO_SLOW,
        ),
        (
            Ended(-9, timed_out=True),
            "",
            "flow.py",
            "too-slow",
            "importing flow.py took longer than 5 s",
            TOO_SLOW,
        ),
        (Ended(-9, timed_out=True), "", "", "too-slow", "describing etl took longer than 5 s", TOO_SLOW),
        (
            Ended(1),
            "Timeout (0:01:00)!\n",
            None,
            "too-slow",
            "starting Prefect took longer than 60 s",
            "The machine that builds has too much to do: try again.",
        ),
        (Ended(0), "", "flow.py", "died", "importing flow.py ended the process with exit status 0", DIED),
        (Ended(-9), "", "flow.py", "died", "importing flow.py ended the process by SIGKILL", DIED),
        (
            Ended(1),
            "",
            "",
            "died",
            "describing etl ended the process with exit status 1",
            "What it printed last says why.",
        ),
    ],
)
def test_a_check_that_found_nothing(
    tmp_path: Path, ended: Ended, trace: str, file: str | None, kind: str, message: str, hint: str
) -> None:
    (tmp_path / inside.TRACE).write_text(trace)
    if file is not None:
        Progress(tmp_path / inside.PROGRESS).importing(file)
    options = inside.parse("program", [*OPTIONS, "--seconds", "5", "flow.py"])
    code, said = describe.conclude(options, describe.outcome(tmp_path), ended, tmp_path)
    *human, machine = said.splitlines()
    whole = f"{message} and was stopped" if kind == "too-slow" else message
    assert (code, human) == (1, [whole, hint])
    assert json.loads(machine.removeprefix(CHECK_PREFIX)) == {
        "kind": kind,
        "flow": "etl",
        "file": file or "",
        "message": whole,
        "hint": hint,
    }


def test_a_finding_survives_its_way_to_the_parent() -> None:
    finding = CheckError("died", "it died\nü", file="flow.py", hint="")
    back = CheckError.from_json(json.loads(json.dumps(finding.as_json("etl"))))
    assert back.line("etl") == finding.line("etl")
    assert describe.report(back, "etl", "trace\n") == f"trace\nit died\nü\n{finding.line('etl')}\n"


def test_where_the_main_thread_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.py").write_text("import time\ntime.sleep(60)\n")
    linecache.checkcache()
    trace = f"""Timeout (0:00:05)!
Thread 0x00007f01 [Thread-1] (most recent call first):
  File "{tmp_path}/other.py", line 9 in forever
  File "{linecache.__file__}", line 5 in run

Thread 0x00007f02 [python] (most recent call first):
  File "{linecache.__file__}", line 7 in sleep
  File "{tmp_path}/flow.py", line 2 in <module>
  File "<frozen importlib._bootstrap>", line 488 in _call_with_frames_removed
"""
    assert place_of(trace) == "flow.py, line 2: time.sleep(60)"


@pytest.mark.parametrize(
    "trace", ["", "Timeout (0:00:05)!\n", 'Thread 0x1:\n  File "<frozen x>", line 1 in f\n']
)
def test_a_trace_without_a_line_of_the_user(trace: str) -> None:
    assert place_of(trace) == ""
