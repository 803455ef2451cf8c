"""Writes description.json: what an image's flows are called and take, as the image itself sees them.

It runs as a build step without network, so that an image that cannot import its flow cannot exist:
`python -m flowyard.runtime.describe --name etl --python 3.13 --output description.json flow.py:etl`.
The flows are imported by a copy of the process (inside.py) that is held to the bounds of bounds.py. It runs with
PYTHONHASHSEED=0: the order of a set in a default must not differ from build to build.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from flowyard.runtime import inside
from flowyard.runtime.bounds import START
from flowyard.runtime.defaults import short
from flowyard.runtime.failures import CheckError
from flowyard.runtime.guard import Ended, Relay, run
from flowyard.runtime.traces import TIMED_OUT, place_of

# BuildKit hands the proxies of the builder's own configuration to every step.
_PROXIES = frozenset(("ALL_PROXY", "FTP_PROXY", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"))


def main(arguments: Sequence[str]) -> int:
    """Describe the requested entrypoints of the working directory. Returns the exit code, 0 or 1."""
    options = inside.parse("flowyard.runtime.describe", arguments)
    with _home() as home:
        ended = _import(home, arguments, options.seconds)
        found = outcome(Path(home))
        if found is not None and found.get("doubtful"):
            with _home() as other:
                _import(other, arguments, options.seconds)
                found = judged(found, outcome(Path(other)))
        code, said = conclude(options, found, ended, Path(home))
    sys.stderr.write(said)
    return code


def _home() -> tempfile.TemporaryDirectory[str]:
    # The flow's threads and processes may still write there.
    return tempfile.TemporaryDirectory(prefix="flowyard-check-", ignore_cleanup_errors=True)


def _import(home: str, arguments: Sequence[str], seconds: float) -> Ended:
    """Let a process of its own import the flows and leave what it found in `home`."""
    relay = Relay(sys.stderr.buffer)
    environ = environment(os.environ, home)
    ended = run(lambda: inside.main([home, *arguments]), environ, START + seconds, relay)
    relay.close()
    return ended


def judged(found: dict[str, Any], again: dict[str, Any] | None) -> dict[str, Any]:
    """What was found, or the finding that a doubtful default really was another one in the second import.

    A second import that came to nothing is no verdict: every run makes its own first one.
    """
    if again is None or "document" not in again:
        return found
    varying = [
        f"{each['shown']} has a default that is another one at every import ({short(first)}, then {short(second)})"
        for each in found["doubtful"]
        for first, second in [[_default(each, one["document"]) for one in (found, again)]]
        if first != second
    ]
    if not varying:
        return found
    finding = CheckError(
        "lossy-parameter",
        f"{'; '.join(varying)}: use None and make the value inside the flow",
        file=found["doubtful"][0]["file"],
        hint="The image's description holds one value, for every run.",
    )
    return {"finding": finding.as_json(""), "traceback": ""}


def _default(doubtful: dict[str, str], document: dict[str, Any]) -> Any:
    (flow,) = [flow for flow in document["flows"] if flow["id"] == doubtful["id"]]
    return flow["parameter_schema"]["properties"][doubtful["parameter"]].get("default")


def environment(given: Mapping[str, str], home: str) -> dict[str, str]:
    """What the flow's code sees: the image's own environment, and a Prefect that keeps to itself in `home`."""
    kept = {
        name: value
        for name, value in given.items()
        if not name.startswith("PREFECT_") and name.upper() not in _PROXIES
    }
    return {
        **kept,
        "PYDANTIC_DISABLE_PLUGINS": "__all__",  # they watch, and looking for them takes long
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": f"{home}/prefect",
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "PREFECT_LOGGING_TO_API_ENABLED": "false",
        # Code that asks Prefect for a block while it is imported is refused at once, on a port where
        # nothing listens: it neither starts a temporary server nor waits through retries.
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        "PREFECT_CLIENT_MAX_RETRIES": "0",
    }


def outcome(home: Path) -> dict[str, Any] | None:
    """What the child found; None when it never came so far."""
    try:
        found: dict[str, Any] = json.loads((home / inside.OUTCOME).read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    return found


def conclude(
    options: argparse.Namespace, found: dict[str, Any] | None, ended: Ended, home: Path
) -> tuple[int, str]:
    """The exit code, and what is said at the end: for a person, and as the very last line for the builder."""
    if found is not None and "document" in found:
        text = json.dumps(found["document"], indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
        output = Path(options.output)
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")
        return 0, ""
    if found is not None:
        return 1, report(CheckError.from_json(found["finding"]), options.name, found["traceback"])
    return 1, report(_died(options, ended, home), options.name)


def report(failure: CheckError, name: str, traceback: str = "") -> str:
    """A few lines for a person, and the line for the building program."""
    hint = f"{failure.hint}\n" if failure.hint else ""
    return f"{traceback}{failure.message}\n{hint}{failure.line(name)}\n"


def _died(options: argparse.Namespace, ended: Ended, home: Path) -> CheckError:
    """The finding when the child ended without one: stopped at its deadline, or ended by the flow's code."""
    trace = (home / inside.TRACE).read_text(errors="replace") if (home / inside.TRACE).exists() else ""
    progress = home / inside.PROGRESS
    file = progress.read_text(encoding="utf-8") if progress.exists() else ""
    place = place_of(trace)
    where = f" ({place})" if place else ""
    if not (ended.timed_out or trace.startswith(TIMED_OUT)):
        doing = f"importing {file}" if file else f"describing {options.name}"
        return CheckError(
            "died", f"{doing} ended the process {ended.shown}{where}", file=file, hint=_hint(file)
        )
    if not progress.exists():
        return CheckError(
            "too-slow",
            f"starting Prefect took longer than {START:g} s and was stopped",
            hint="The machine that builds has too much to do: try again.",
        )
    bound = inside.bounds_of(options).shown_seconds
    doing = f"importing {file}" if file else f"describing {options.name}"
    return CheckError(
        "too-slow",
        f"{doing} took longer than {bound} and was stopped{where}",
        file=file,
        hint="Move the slow part into the flow or one of its tasks: at module level it runs before every "
        "run. When importing has to take that long, raise `check-seconds` in flow.toml.",
    )


def _hint(file: str) -> str:
    """What to do about a process that ended while `file`, or none, was imported."""
    if not file:
        return "What it printed last says why."
    return (
        "Something at module level ends, replaces or crashes Python itself (`os._exit`, `os.exec...`, a native "
        "library): move it into the flow. A process that was killed used more memory than this machine has."
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
