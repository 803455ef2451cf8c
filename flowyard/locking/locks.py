"""Locks: what `lock` writes and every other verb insists on.

A lock names each package with its hashes and, in its first line, the fingerprint of what it was made from.
Whether it is stale is then a comparison of two texts: no resolver runs and nothing is asked on the network.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flowyard.configuration.paths import COPY_IMAGES
from flowyard.errors import LockError
from flowyard.ports import Processes
from flowyard.texts import read_text
from flowyard.values import Flow

LOCKS = Path("images/locks")
UV_LOCK = LOCKS / "uv.lock"
PREFECT_INPUT = LOCKS / "prefect.in"
UV_INPUT = LOCKS / "uv.in"
FLOW_LOCK = "requirements.lock"
REMEDY = "run `python build.py lock{}` and commit what it writes"
_HEADER = "# flowyard lock "
_OWN_PREFECT = " with its own Prefect"


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
class _Shared:
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
            _read(root, self.source), *python, *(_read(root, path) for path in self.constraints)
        )


_UV = _Shared("uv.lock", UV_LOCK, UV_INPUT)


def prefect_lock(python: str) -> Path:
    """The lock of Prefect that all flows on one Python version share."""
    return LOCKS / f"prefect-{python}.lock"


def storage_lock(storage: str, python: str) -> Path:
    """The lock of the library for one kind of result storage, which those flows share as well."""
    return LOCKS / f"storage-{storage}-{python}.lock"


def _shared(flow: Flow) -> tuple[_Shared, ...]:
    """What is installed for every flow on this Python version, in this order."""
    python = _python(flow)
    prefect = prefect_lock(python)
    return (
        _Shared("prefect.lock", prefect, PREFECT_INPUT, python),
        *(
            _Shared(
                f"storage-{kind}.lock", storage_lock(kind, python), _storage_input(kind), python, (prefect,)
            )
            for kind in flow.storages
        ),
    )


def _storage_input(storage: str) -> Path:
    return LOCKS / f"storage-{storage}.in"


def locks_of(root: Path, flow: Flow) -> FlowLocks:
    """The flow's locks, found fresh. Raises LockError naming the one that is missing or stale."""
    shared = _shared(flow)
    for one in (_UV, *shared):
        _require(root, one.path, one.fingerprint(root), (one.source, *one.constraints))
    uv, own = (_UV.name, _UV.path), (FLOW_LOCK, flow.folder / FLOW_LOCK)
    files = tuple((one.name, one.path) for one in shared)
    order = tuple(one.name for one in shared)
    if not flow.dependencies.requirements:
        return FlowLocks((uv, *files), order, own_prefect=False)
    made_from: tuple[str | Path, ...] = (
        f"the flow's requirements, Python {_python(flow)}",
        *(one.path for one in shared),
    )
    header = _require(root, own[1], flow_fingerprint(root, flow), made_from, f" {flow.name}")
    if header.endswith(_OWN_PREFECT):
        return FlowLocks((uv, own), (FLOW_LOCK,), own_prefect=True)
    return FlowLocks((uv, *files, own), (*order, FLOW_LOCK), own_prefect=False)


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
    shared = (_read(root, one.path) for one in _shared(flow))
    return _fingerprint(*sorted(flow.dependencies.requirements), _python(flow), *shared)


def _python(flow: Flow) -> str:
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
    header = _read(root, path).partition("\n")[0]
    if not header.startswith(f"{_HEADER}{fingerprint}"):
        inputs = ", ".join(one if isinstance(one, str) else one.as_posix() for one in made_from)
        raise LockError(
            f"{path.as_posix()} is stale: what it was made from has changed ({inputs})",
            hint=REMEDY.format(flow),
        )
    return header


def _read(root: Path, path: Path) -> str:
    return read_text(root, path) if (root / path).is_file() else ""


def _listed(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


class Locker:
    """Writes locks with uv. Nothing is written before its resolution succeeded."""

    def __init__(self, root: Path, processes: Processes, uv: str, *, upgrade: bool = False) -> None:
        self._root = root
        self._processes = processes
        self._uv = uv
        self._upgrade = upgrade

    def lock(self, flow: Flow) -> tuple[Path, ...]:
        """Make the flow's locks fresh and return those that were written, below the root."""
        written = [path for one in (_UV, *_shared(flow)) for path in self._make(one)]
        if flow.dependencies.requirements:
            written += self._flow(flow)
        return tuple(written)

    def _make(self, shared: _Shared) -> list[Path]:
        text = _read(self._root, shared.source)
        if not text:
            raise LockError(f"{shared.source.as_posix()} is missing", hint=COPY_IMAGES)
        fingerprint = shared.fingerprint(self._root)
        if self._fresh(shared.path, fingerprint):
            return []
        outcome = self._compile(shared.path, _listed(text), shared.python or "3.11", shared.constraints)
        if isinstance(outcome, _Refusal):
            raise LockError(f"{shared.path.as_posix()} cannot be made: {outcome.text}")
        return [self._write(shared.path, fingerprint, "", outcome)]

    def _flow(self, flow: Flow) -> list[Path]:
        path, fingerprint = flow.folder / FLOW_LOCK, flow_fingerprint(self._root, flow)
        if self._fresh(path, fingerprint):
            return []
        shared, python = _shared(flow), _python(flow)
        requirements = flow.dependencies.requirements
        outcome = self._compile(path, requirements, python, tuple(one.path for one in shared))
        if not isinstance(outcome, _Refusal):
            return [self._write(path, fingerprint, "", outcome)]
        inputs = (line for one in shared for line in _listed(_read(self._root, one.source)))
        alone = self._compile(path, (*requirements, *inputs), python, ())
        if isinstance(alone, _Refusal):
            raise LockError(f"{path.as_posix()} cannot be made: {alone.text}")
        return [self._write(path, fingerprint, _OWN_PREFECT, alone)]

    def _fresh(self, path: Path, fingerprint: str) -> bool:
        header = _read(self._root, path).partition("\n")[0]
        return not self._upgrade and header.startswith(f"{_HEADER}{fingerprint}")

    def _compile(
        self, path: Path, requirements: tuple[str, ...], python: str, constraints: tuple[Path, ...]
    ) -> str | _Refusal:
        fitting = tuple(self._root / constraint for constraint in constraints)
        argv = compile_argv(self._uv, python, fitting, self._upgrade)
        with _workspace(requirements, self._versions(path)) as (source, output):
            finished = self._processes.run([*argv, "--output-file", str(output), str(source)])
            if finished.returncode != 0:
                return _Refusal(finished.stderr.strip())
            return output.read_text(encoding="utf-8")

    def _versions(self, path: Path) -> str:
        """The lock as it is. A first one for a Python version begins with the versions of another's: where both
        can have the same Prefect, images of both Python versions do."""
        if (self._root / path).is_file() or path.parent != LOCKS:
            return _read(self._root, path)
        others = (self._root / LOCKS).glob(f"{path.stem.rpartition('-')[0]}-3.*.lock")
        newest = max((other.name for other in others), key=lambda name: (len(name), name), default=path.name)
        return _read(self._root, LOCKS / newest)

    def _write(self, path: Path, fingerprint: str, remark: str, locked: str) -> Path:
        kept = [line for line in locked.splitlines() if not line.startswith("#")]
        target = self._root / path
        temporary = target.with_name(f".{target.name}.new")
        temporary.write_text("\n".join([f"{_HEADER}{fingerprint}{remark}", *kept, ""]), encoding="utf-8")
        temporary.replace(target)
        return path


@dataclass(frozen=True, slots=True)
class _Refusal:
    """What uv said when it could not resolve the requirements."""

    text: str


@contextmanager
def _workspace(requirements: tuple[str, ...], existing: str) -> Iterator[tuple[Path, Path]]:
    """The requirements, and a copy of the existing lock: uv keeps its versions where it can."""
    with tempfile.TemporaryDirectory(prefix="flowyard-lock-") as folder:
        source, output = Path(folder, "requirements.in"), Path(folder, FLOW_LOCK)
        source.write_text("\n".join([*requirements, ""]), encoding="utf-8")
        output.write_text(existing, encoding="utf-8")
        yield source, output


def compile_argv(uv: str, python: str, constraints: tuple[Path, ...], upgrade: bool) -> tuple[str, ...]:
    """`uv pip compile` for Linux images on one Python version: hashes, and no address of an index."""
    return (
        *(uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links", "--python-version", python),
        *("--python-platform", "linux"),
        *(word for constraint in constraints for word in ("--constraint", str(constraint))),
        *(("--upgrade",) if upgrade else ()),
    )
