"""What can be wrong with a flow when its image is built, told to a person and to the building program.

The build step sees only the text a failed RUN printed, so the last line is one JSON document, and the
traceback before it holds the user's own frames alone: the others are ours, Prefect's and importlib's.
"""

from __future__ import annotations

import errno
import json
import linecache
import os
import re
import site
import socket
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

from flowyard.runtime.bounds import Bounds
from flowyard.runtime.names import CHECK_PREFIX

_NETWORK_ERRNO = frozenset(
    (
        errno.ENETUNREACH,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.EADDRNOTAVAIL,
        errno.ECONNREFUSED,
    )
)
# Clients that wrap (or replace) the socket error in a class of their own.
_NETWORK_LIBRARIES = frozenset(
    [
        "aiohttp",
        "botocore",
        "elastic_transport",
        "grpc",
        "httpcore",
        "httpx",
        "pymongo",
        "redis",
        "requests",
        "urllib",
        "urllib3",
    ]
)
_NETWORK_NAMES = re.compile(
    r"Connect|Resolution|Timeout|URLError|MaxRetry|Unreachable|Unavailable|ServerSelection"
)
_NETWORK_TEXT = re.compile(
    r"Name or service not known|Temporary failure in name resolution|Network is unreachable|"
    r"No route to host|Connection refused|could not translate host name|could not connect to server"
)


class CheckError(Exception):
    """One finding that ends the check: its kind, what was found (`message`) and what to do (`hint`).

    `file` is relative to the flow's folder. Kinds: import-failed, network-on-import, memory-on-import,
    too-slow, died, no-flow, ambiguous-flow, not-a-flow, lossy-parameter, wrong-python, contract.
    """

    def __init__(self, kind: str, message: str, *, file: str = "", hint: str = "") -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.file = file
        self.hint = hint

    def as_json(self, flow: str) -> dict[str, str]:
        """The finding for the flow of this name."""
        return {
            "kind": self.kind,
            "flow": flow,
            "file": self.file,
            "message": self.message,
            "hint": self.hint,
        }

    @classmethod
    def from_json(cls, found: dict[str, str]) -> CheckError:
        """The finding that `as_json` wrote."""
        return cls(found["kind"], found["message"], file=found["file"], hint=found["hint"])

    def line(self, flow: str) -> str:
        """The machine line for the flow of this name, without a line break."""
        return CHECK_PREFIX + json.dumps(self.as_json(flow), sort_keys=True)


def import_failure(error: BaseException, file: str, bounds: Bounds) -> CheckError:
    """The finding for whatever `file` (relative to the working directory) raised while it was imported."""
    if isinstance(error, CheckError):
        return error
    where = _where(error, file)
    said = error.msg if isinstance(error, SyntaxError) else str(error)  # its text names the place once more
    text = f"{type(error).__name__}: {said}" if said else type(error).__name__
    if _is_network(error):
        return CheckError(
            "network-on-import",
            f"importing {file} uses the network {where}: {text}",
            file=file,
            hint="Move that call into the flow or one of its tasks: at module level it runs at every import, "
            "and an image is checked without network.",
        )
    if any(isinstance(each, MemoryError) for each in _chain(error)):
        return CheckError(
            "memory-on-import",
            f"importing {file} needs more memory than the {bounds.shown_memory} the check allows {where}: {text}",
            file=file,
            hint="Load data inside the flow or one of its tasks, where the memory of the run counts. When "
            "importing alone needs that much, raise `check-memory` in flow.toml.",
        )
    return CheckError(
        "import-failed",
        f"{file} cannot be imported: {text} {where}",
        file=file,
        hint=_hint(error),
    )


def user_traceback(error: BaseException) -> str:
    """The traceback of `error`, cut to the frames of the user's own files."""
    frames = _user_frames(error.__traceback__)
    lines: list[str] = []
    if frames:
        lines = [
            "Traceback of your own code (most recent call last):\n",
            *traceback.format_list(frames),
        ]
    lines += traceback.format_exception_only(type(error), error)
    return "".join(lines)


def _user_frames(tb: TracebackType | None) -> list[traceback.FrameSummary]:
    return [frame for frame in traceback.extract_tb(tb) if is_users_file(frame.filename)]


def is_users_file(filename: str) -> bool:
    """Whether it belongs to the project: not to Python, an installed distribution or this package."""
    return not filename.startswith("<") and _foreign_folders().isdisjoint(Path(filename).absolute().parents)


def _foreign_folders() -> set[Path]:
    """The standard library, installed distributions and this package."""
    paths = sysconfig.get_paths()
    folders = [Path(paths[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib")]
    # A virtual environment's standard library lies with the interpreter it was made from.
    folders += [Path(os.__file__).parent, Path(__file__).absolute().parent]
    return {*folders, *map(Path, site.getsitepackages())}


def _where(error: BaseException, file: str) -> str:
    """`(flow.py, line 3: import pandas)`: the last of the user's lines."""
    place = _place(error)
    if place is None:
        return f"({file})"
    filename, number, text = place
    shown = os.path.relpath(filename)
    return f"({shown}, line {number}: {text})" if text else f"({shown}, line {number})"


def _place(error: BaseException) -> tuple[str, int, str] | None:
    if isinstance(error, SyntaxError) and error.filename and error.lineno:
        return error.filename, error.lineno, (error.text or "").strip()
    for frame in reversed(_user_frames(error.__traceback__)):
        number = frame.lineno or 0
        return frame.filename, number, linecache.getline(frame.filename, number).strip()
    return None


def _hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError) and error.name:
        top = error.name.split(".")[0]
        return (
            f"Add the distribution that provides {top!r} to the flow's dependencies and lock them again, or, "
            f"when {top!r} is a folder of the project, add it to `include`."
        )
    variable = _missing_variable(error)
    if variable:
        return (
            f"The variable {variable} belongs to a run, and an image is checked without it: read it inside the "
            f"flow, or give it a default with `os.environ.get({variable!r}, ...)`."
        )
    if isinstance(error, (SyntaxError, NameError)) or type(error) is ImportError:
        return "Correct that line, and ship again."
    if isinstance(error, SystemExit):
        return 'The file ends the program while it is imported: put that under `if __name__ == "__main__":`.'
    return "A flow's file must be importable by itself, without the network, variables or files of a run."


def _missing_variable(error: BaseException) -> str:
    """The environment variable whose absence was the error, or an empty text."""
    frames = traceback.extract_tb(error.__traceback__)
    if isinstance(error, KeyError) and frames and frames[-1].filename in (os.__file__, "<frozen os>"):
        return str(error.args[0])
    return ""


def _is_network(error: BaseException) -> bool:
    return any(_is_network_error(each) for each in _chain(error))


def _is_network_error(error: BaseException) -> bool:
    if isinstance(error, (socket.gaierror, socket.herror, ConnectionError)):
        return True
    if isinstance(error, OSError) and error.errno in _NETWORK_ERRNO:
        return True
    for base in type(error).__mro__:
        if base.__module__.split(".")[0] in _NETWORK_LIBRARIES and _NETWORK_NAMES.search(base.__name__):
            return True
    return bool(_NETWORK_TEXT.search(str(error)))


def _chain(error: BaseException) -> Iterator[BaseException]:
    """`error` and everything it was raised from or wraps, each once."""
    waiting = [error]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield each
        linked = [each.__cause__, each.__context__, getattr(each, "reason", None)]
        linked += [*each.args, *getattr(each, "exceptions", ())]
        waiting += [link for link in linked if isinstance(link, BaseException)]
