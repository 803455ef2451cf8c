"""Locks: which ones an image is installed from, and whether they are fresh; every verb but `lock` insists on it.

A lock names each package with its hashes and, in its first line, the fingerprint of what it was made from.
Whether it is stale is then a comparison of two texts: no resolver runs and nothing is asked on the network.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flowyard.configuration.paths import COPY_IMAGES
from flowyard.errors import LockError
from flowyard.program import PROGRAM
from flowyard.texts import read_text
from flowyard.values import Flow

LOCKS = Path("images/locks")
UV_LOCK = LOCKS / "uv.lock"
PREFECT_INPUT = LOCKS / "prefect.in"
UV_INPUT = LOCKS / "uv.in"
FLOW_LOCK = "requirements.lock"
REMEDY = f"run `{PROGRAM} lock{{}}` and commit what it writes"
HEADER = "# flowyard lock "
OWN_PREFECT = " with its own Prefect"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PINNED = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class FlowLocks:
    """The locks one flow's image is installed from: (name in the build context, path below the root).

    `install` are the names in the order of installation. `own_prefect` says that the flow cannot live with
    the shared locks, so that it shares no Prefect layer with the others.
    """

    files: tuple[tuple[str, Path], ...]
    install: tuple[str, ...]
    own_prefect: bool


@dataclass(frozen=True, slots=True)
class SharedLock:
    """A lock that flows share: where it lies, what it is made from, and the locks it has to fit.

    `name` is what it is called in the build context, `python` the version it is resolved for, if it counts.
    """

    name: str
    path: Path
    source: Path
    python: str | None = None
    constraints: tuple[Path, ...] = ()

    def fingerprint(self, root: Path) -> str:
        """What the lock depends on."""
        python = () if self.python is None else (self.python,)
        return _fingerprint(
            text_of(root, self.source), *python, *(text_of(root, path) for path in self.constraints)
        )


UV = SharedLock("uv.lock", UV_LOCK, UV_INPUT)


def prefect_lock(python: str) -> Path:
    """The lock of Prefect that all flows on one Python version share."""
    return LOCKS / f"prefect-{python}.lock"


def storage_lock(storage: str, python: str) -> Path:
    """The lock of the library for one kind of result storage, which those flows share as well."""
    return LOCKS / f"storage-{storage}-{python}.lock"


def shared_locks(flow: Flow) -> tuple[SharedLock, ...]:
    """What is installed for every flow on this Python version, in this order."""
    python = python_of(flow)
    prefect = prefect_lock(python)
    return (
        SharedLock("prefect.lock", prefect, PREFECT_INPUT, python),
        *(
            SharedLock(
                f"storage-{kind}.lock", storage_lock(kind, python), _storage_input(kind), python, (prefect,)
            )
            for kind in flow.storages
        ),
    )


def _storage_input(storage: str) -> Path:
    return LOCKS / f"storage-{storage}.in"


def locks_of(root: Path, flow: Flow) -> FlowLocks:
    """The flow's locks, found fresh. Raises LockError naming the one that is missing or stale."""
    shared = shared_locks(flow)
    for one in (UV, *shared):
        if not (root / one.source).is_file():
            raise LockError(f"{one.source.as_posix()} is missing", hint=COPY_IMAGES)
        _require(root, one.path, one.fingerprint(root), (one.source, *one.constraints))
    uv, own = (UV.name, UV.path), (FLOW_LOCK, flow.folder / FLOW_LOCK)
    files = tuple((one.name, one.path) for one in shared)
    order = tuple(one.name for one in shared)
    if not flow.dependencies.requirements:
        return FlowLocks((uv, *files), order, own_prefect=False)
    made_from: tuple[str | Path, ...] = (
        "the flow's requirements",
        f"its Python (now {python_of(flow)})",
        *(one.path for one in shared),
    )
    header = _require(root, own[1], flow_fingerprint(root, flow), made_from, f" {flow.name}")
    if header.endswith(OWN_PREFECT):
        return FlowLocks((uv, own), (FLOW_LOCK,), own_prefect=True)
    return FlowLocks((uv, *files, own), (*order, FLOW_LOCK), own_prefect=False)


def other_versions(root: Path, flow: Flow) -> tuple[str, ...]:
    """What the flow's own lock has in another version than the shared ones, as in `attrs 21.4 and not 25.3`; what its
    requirements name comes first, since the rest mostly follows from that."""
    own = _versions(text_of(root, flow.folder / FLOW_LOCK))
    shared: dict[str, str] = {}
    for one in shared_locks(flow):
        shared |= _versions(text_of(root, one.path))
    requirements = flow.dependencies.requirements
    named = {_normal(found[0]) for line in requirements if (found := _NAME.match(line))}
    differing = [name for name in shared.keys() & own.keys() if own[name] != shared[name]]
    differing.sort(key=lambda name: (name not in named, name))
    return tuple(f"{name} {own[name]} and not {shared[name]}" for name in differing)


def _normal(name: str) -> str:
    """The name as locks have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _versions(lock: str) -> dict[str, str]:
    return dict(_PINNED.findall(lock))


def installed_locks(inputs: Mapping[str, str]) -> tuple[str, ...]:
    """The fingerprints of the locks that an image made of these inputs is installed from, each of which is a layer
    of it."""
    return tuple(inputs[name] for name in sorted(inputs) if _is_installed(name))


def _is_installed(name: str) -> bool:
    """uv stays out of the image, and whatever else is called a lock is a file of the flow's own."""
    folder, _, file = name.rpartition("/")
    if folder == LOCKS.as_posix():
        return file.endswith(".lock") and file != UV_LOCK.name
    return file == FLOW_LOCK and folder.startswith("flows/") and folder.count("/") == 1


def flow_fingerprint(root: Path, flow: Flow) -> str:
    """What the flow's lock depends on: its requirements, the Python version and the locks it has to fit."""
    shared = (text_of(root, one.path) for one in shared_locks(flow))
    return _fingerprint(*sorted(flow.dependencies.requirements), python_of(flow), *shared)


def python_of(flow: Flow) -> str:
    """The Python version of the flow's base. Raises LockError where it is not known."""
    if flow.base.python is None:
        raise LockError(
            f"flow {flow.name}: the Python version of base image {flow.base.name} is not known",
            hint=f'{REMEDY.format("")}, or set `python = "3.13"` beside `base`',
        )
    return flow.base.python


def _require(
    root: Path, path: Path, fingerprint: str, made_from: Iterable[str | Path], flow: str = ""
) -> str:
    if not (root / path).is_file():
        raise LockError(f"{path.as_posix()} is missing", hint=REMEDY.format(flow))
    header = text_of(root, path).partition("\n")[0]
    if not header.startswith(HEADER):
        text = f"{path.as_posix()} is not as `lock` writes it: what it was made from is not known"
        raise LockError(text, hint=REMEDY.format(flow))
    if not header.startswith(f"{HEADER}{fingerprint}"):
        inputs = " or ".join(one if isinstance(one, str) else one.as_posix() for one in made_from)
        raise LockError(
            f"{path.as_posix()} is stale: {inputs} has changed since it was made",
            hint=REMEDY.format(flow),
        )
    return header


def text_of(root: Path, path: Path) -> str:
    """The file's text, empty where there is none."""
    return read_text(root, path) if (root / path).is_file() else ""


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
