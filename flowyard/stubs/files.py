"""Keeps the stub files of a project: `lock` makes them from the code, `ship` from what the images say.

They lie outside of every build context, and a file whose content is right already is not touched. A stub's first
line is the fingerprint of what its flow's code said, so `lock` leaves alone what an image said of the same code.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from pathlib import Path

from flowyard.stubs.from_code import read_signature
from flowyard.stubs.signature import Signature
from flowyard.stubs.text import BASE, HEADER, TaskTypes, fingerprint_of, module_of, package_text, stamped
from flowyard.texts import read_text
from flowyard.values import Flow

FOLDER = Path("typings/flowyard")  # where pyright looks by itself
_TASKS = FOLDER / "_docker_tasks"
_OF_ALL = (FOLDER / "__init__.pyi", _TASKS / "__init__.pyi")


class StubFiles:
    """The stub files below a project's root. Its methods may be called by several threads."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._lock = threading.Lock()

    def has(self, flow: Flow) -> bool:
        """Whether there are types of this flow: somebody calls it."""
        return (self._root / _path(flow.name)).is_file()

    def lock(self, flow: Flow) -> list[Path]:
        """See that what the flow's code says is there. What was written, below the root; raises OSError."""
        types = from_code(self._root, flow)
        fingerprint = fingerprint_of(types)
        path = _path(flow.name)
        if self._first_line(path).startswith(f"{HEADER}{fingerprint} "):
            return []
        with self._lock:
            return [*self._put(path, stamped(types, fingerprint)), *self._package()]

    def described(self, flow: Flow, signatures: Mapping[str, Signature | None]) -> list[Path]:
        """See that what the flow's image says, by entrypoint, is there. As `lock`, and what it does not say is
        taken from the code."""
        types = from_code(self._root, flow)
        said = {name: signatures.get(name) or known for name, known in types.flows.items()}
        text = stamped(TaskTypes(types.name, said, types.deployments), fingerprint_of(types))
        with self._lock:
            return [*self._put(_path(flow.name), text), *self._package()]

    def keep(self, flows: Iterable[str]) -> list[Path]:
        """Remove the types of all flows but these; what was written or removed."""
        kept = {_path(name) for name in flows}
        with self._lock:
            gone = [path for path in self._stubs() if path not in kept]
            for path in gone:
                (self._root / path).unlink()
            return [*gone, *(self._package() if gone else [])]

    def _stubs(self) -> list[Path]:
        found = (self._root / _TASKS).glob("*.pyi")
        return sorted(path.relative_to(self._root) for path in found if path.name != "__init__.pyi")

    def _package(self) -> list[Path]:
        """What holds for all tasks: nothing is left of it when there is none."""
        stubs = {path.stem: self._first_line(path) for path in self._stubs()}
        if not stubs:
            removed = [path for path in _OF_ALL if (self._root / path).is_file()]
            for path in removed:
                (self._root / path).unlink()
            return removed
        texts = (package_text(stubs), BASE.read_text(encoding="utf-8"))
        return [path for one, text in zip(_OF_ALL, texts, strict=True) for path in self._put(one, text)]

    def _first_line(self, path: Path) -> str:
        return read_text(self._root, path).partition("\n")[0] if (self._root / path).is_file() else ""

    def _put(self, path: Path, text: str) -> list[Path]:
        whole = self._root / path
        if whole.is_file() and read_text(self._root, path) == text:
            return []
        whole.parent.mkdir(parents=True, exist_ok=True)
        temporary = whole.with_name(f".{whole.name}.new")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(whole)
        return [path]


def from_code(root: Path, flow: Flow) -> TaskTypes:
    """The types of a flow as its code has them."""
    entrypoints = dict.fromkeys(one.entrypoint for one in flow.deployments)
    flows = {name: read_signature(root / flow.folder, name) for name in entrypoints}
    return TaskTypes(flow.name, flows, {one.name: one.entrypoint for one in flow.deployments})


def _path(flow: str) -> Path:
    return _TASKS / f"{module_of(flow)}.pyi"
