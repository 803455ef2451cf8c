"""Writes description.json: what an image's flows are called and take, as the image itself sees them.

It runs as a build step without network, so that an image that cannot import its flow cannot exist:
`python -m flowyard.runtime.describe --name etl --python 3.13 --output description.json flow.py:etl`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from flowyard.runtime.failures import CheckError, import_failure, user_traceback

FORMAT = 1


def main(arguments: Sequence[str]) -> int:
    """Describe the requested entrypoints of the working directory. Returns the exit code, 0 or 1."""
    options = _parse(arguments)
    with tempfile.TemporaryDirectory(prefix="flowyard-describe-") as home:
        _isolate(home)
        try:
            document = describe(options.name, options.python, options.entrypoints)
        except CheckError as failure:
            _report(failure, options.name)
            return 1
    text = json.dumps(document, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False)
    output = Path(options.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text + "\n", encoding="utf-8")
    return 0


def describe(name: str, python: str, entrypoints: Sequence[str]) -> dict[str, Any]:
    """The description of the flows at `entrypoints`, imported from the working directory.

    `name` is the flow's folder, `python` the minor version it was locked for. Raises CheckError.
    """
    running = platform.python_version()
    if running.split(".")[:2] != python.split(".")[:2]:
        raise CheckError(
            "wrong-python",
            f"the base image has Python {running}, and the flow was locked for {python}",
            hint=f"Use a base image with Python {python}, or lock the flow again.",
        )
    folder = str(Path.cwd())
    flows = [_describe_flow(folder, requested, name) for requested in entrypoints]
    _require_unique(flows)
    from prefect import __version__ as prefect

    return {
        "version": FORMAT,
        "python": running,
        "prefect": prefect,
        "distributions": _distributions(sys.path),
        "folder": folder,
        "flows": flows,
    }


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m flowyard.runtime.describe", description=__doc__)
    parser.add_argument("--name", required=True, help="the flow's folder name")
    parser.add_argument("--python", required=True, help="the expected Python, such as 3.13")
    parser.add_argument("--output", required=True, help="the file to write")
    parser.add_argument("entrypoints", nargs="+", metavar="ENTRYPOINT", help="flow.py:etl, or flow.py")
    return parser.parse_args(arguments)


def _isolate(home: str) -> None:
    """Importing Prefect must not write outside `home`, talk to anyone or obey the build's settings."""
    for name in [name for name in os.environ if name.startswith("PREFECT_")]:
        del os.environ[name]
    os.environ.update(
        DO_NOT_TRACK="1",
        PREFECT_HOME=home,
        PREFECT_LOGGING_LEVEL="ERROR",
        PREFECT_LOGGING_TO_API_ENABLED="false",
        # Code that asks Prefect for a block while it is imported is refused at once, on a port where
        # nothing listens: it neither starts a temporary server nor waits through retries.
        PREFECT_API_URL="http://127.0.0.1:9/api",
        PREFECT_SERVER_ALLOW_EPHEMERAL_MODE="false",
        PREFECT_CLIENT_MAX_RETRIES="0",
    )


def _describe_flow(folder: str, requested: str, name: str) -> dict[str, Any]:
    from flowyard.runtime.load import find_flow, load_module, split
    from flowyard.runtime.parameters import describe_parameters

    file, function = split(requested)
    try:
        module = load_module(folder, file)
    except BaseException as error:  # a user's module may raise anything, SystemExit too
        raise import_failure(error, file) from error
    attribute, flow = find_flow(module, file, function, name)
    parameters = describe_parameters(flow, file)
    return {
        "id": attribute.replace(".", "_"),
        "requested": requested,
        "entrypoint": f"{file}:{attribute}",
        "name": flow.name,
        "description": flow.description,
        "parameter_schema": parameters.schema,
        "enforce_parameter_schema": flow.should_validate_parameters,
        "types": parameters.types,
    }


def _require_unique(flows: Sequence[dict[str, Any]]) -> None:
    seen: dict[str, str] = {}
    for flow in flows:
        first = seen.setdefault(flow["id"], flow["requested"])
        if first != flow["requested"]:
            raise CheckError(
                "ambiguous-flow",
                f"{first} and {flow['requested']} are both called {flow['id']!r}",
                file=flow["entrypoint"].partition(":")[0],
                hint="Functions of one image need different names: rename one.",
            )


def _distributions(path: Sequence[str]) -> dict[str, str]:
    """Installed distributions, normalised name to version, from the names of their metadata folders."""
    found: dict[str, str] = {}
    for folder in path:
        for entry in sorted(Path(folder).glob("*.dist-info")):
            match = re.fullmatch(r"(.+?)-([^-]+)\.dist-info", entry.name)
            if match:
                found.setdefault(re.sub(r"[-_.]+", "-", match[1]).lower(), match[2])
    return found


def _report(failure: CheckError, name: str) -> None:
    """A few lines for a person, and as the very last one the line for the building program."""
    lines: list[str] = []
    if failure.__cause__ is not None and not isinstance(failure.__cause__, CheckError):
        lines.append(user_traceback(failure.__cause__))
    lines.append(f"{failure.message}\n")
    if failure.hint:
        lines.append(f"{failure.hint}\n")
    sys.stderr.write("".join(lines) + failure.line(name) + "\n")


def _program() -> NoReturn:
    """End the process at once: threads and exit handlers of imported code have nothing to add."""
    if sys.flags.hash_randomization:
        # The order of a set in a default must not differ from build to build.
        command = [sys.executable, "-m", "flowyard.runtime.describe", *sys.argv[1:]]
        os.execve(sys.executable, command, {**os.environ, "PYTHONHASHSEED": "0"})  # noqa: S606
    os.dup2(2, 1)  # what imported code prints belongs to the log
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    _program()
