"""Writes locks with uv: what `lock` does.

Apart from locks.py, which every plan needs and which runs no program.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flowyard.configuration.paths import COPY_IMAGES
from flowyard.errors import LockError
from flowyard.locking.locks import (
    FLOW_LOCK,
    HEADER,
    LOCKS,
    OWN_PREFECT,
    UV,
    SharedLock,
    flow_fingerprint,
    python_of,
    shared_locks,
    text_of,
)
from flowyard.ports import Processes
from flowyard.values import Flow


class Locker:
    """Writes locks with uv. Nothing is written before its resolution succeeded."""

    def __init__(self, root: Path, processes: Processes, uv: str, *, upgrade: bool = False) -> None:
        self._root = root
        self._processes = processes
        self._uv = uv
        self._upgrade = upgrade

    def lock(self, flow: Flow) -> tuple[Path, ...]:
        """Make the flow's locks fresh and return those that were written, below the root."""
        written = [path for one in (UV, *shared_locks(flow)) for path in self._make(one)]
        if flow.dependencies.requirements:
            written += self._flow(flow)
        return tuple(written)

    def _make(self, shared: SharedLock) -> list[Path]:
        text = text_of(self._root, shared.source)
        if not text:
            raise LockError(f"{shared.source.as_posix()} is missing", hint=COPY_IMAGES)
        fingerprint = shared.fingerprint(self._root)
        if self._fresh(shared.path, fingerprint):
            return []
        outcome = self._compile(
            self._versions(shared.path), _listed(text), shared.python or "3.11", shared.constraints
        )
        if isinstance(outcome, _Refusal):
            raise LockError(f"{shared.path.as_posix()} cannot be made: {outcome.text}")
        return [self._write(shared.path, fingerprint, "", outcome)]

    def _flow(self, flow: Flow) -> list[Path]:
        path, fingerprint = flow.folder / FLOW_LOCK, flow_fingerprint(self._root, flow)
        if self._fresh(path, fingerprint):
            return []
        shared, python = shared_locks(flow), python_of(flow)
        requirements = flow.dependencies.requirements
        now = text_of(self._root, path)
        outcome = self._compile(now, requirements, python, tuple(one.path for one in shared))
        if not isinstance(outcome, _Refusal):
            return [self._write(path, fingerprint, "", outcome)]
        inputs = (line for one in shared for line in _listed(text_of(self._root, one.source)))
        if OWN_PREFECT not in now.partition("\n")[0]:  # begins with the others' versions: what differs has to
            now = "\n".join(text_of(self._root, one.path) for one in shared)
        alone = self._compile(now, (*requirements, *inputs), python, ())
        if isinstance(alone, _Refusal):
            raise LockError(f"{path.as_posix()} cannot be made: {alone.text}")
        return [self._write(path, fingerprint, OWN_PREFECT, alone)]

    def _fresh(self, path: Path, fingerprint: str) -> bool:
        header = text_of(self._root, path).partition("\n")[0]
        return not self._upgrade and header.startswith(f"{HEADER}{fingerprint}")

    def _compile(
        self, now: str, requirements: tuple[str, ...], python: str, constraints: tuple[Path, ...]
    ) -> str | _Refusal:
        """The lock of these requirements, which stays with the versions of `now` where it can."""
        fitting = tuple(self._root / constraint for constraint in constraints)
        argv = compile_argv(self._uv, python, fitting, self._upgrade)
        with _workspace(requirements, now) as (source, output):
            finished = self._processes.run([*argv, "--output-file", str(output), str(source)])
            if finished.returncode != 0:
                # uv has its own word for an error, and a file of ours that nobody sees.
                said = finished.stderr.strip().removeprefix("error: ")
                return _Refusal(said.replace(f"`{source}`", "its requirements"))
            return output.read_text(encoding="utf-8")

    def _versions(self, path: Path) -> str:
        """A shared lock as it is. A first one for a Python version begins with the versions of another's: where both
        can have the same Prefect, images of both Python versions do."""
        if (self._root / path).is_file():
            return text_of(self._root, path)
        others = (self._root / LOCKS).glob(f"{path.stem.rpartition('-')[0]}-3.*.lock")
        newest = max((other.name for other in others), key=lambda name: (len(name), name), default=path.name)
        return text_of(self._root, LOCKS / newest)

    def _write(self, path: Path, fingerprint: str, remark: str, locked: str) -> Path:
        kept = [line for line in locked.splitlines() if not line.startswith("#")]
        target = self._root / path
        temporary = target.with_name(f".{target.name}.new")
        temporary.write_text("\n".join([f"{HEADER}{fingerprint}{remark}", *kept, ""]), encoding="utf-8")
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


def _listed(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


def compile_argv(uv: str, python: str, constraints: tuple[Path, ...], upgrade: bool) -> tuple[str, ...]:
    """`uv pip compile` for Linux images on one Python version: hashes, and no address of an index."""
    return (
        *(uv, "pip", "compile", "--quiet", "--generate-hashes", "--no-header", "--no-annotate"),
        *("--no-emit-index-url", "--no-emit-find-links", "--python-version", python),
        *("--python-platform", "linux"),
        *(word for constraint in constraints for word in ("--constraint", str(constraint))),
        *(("--upgrade",) if upgrade else ()),
    )
