"""The environment both sides run from: the development lock and this project, installed with bytecode.

An installed command, as a user has it: an editable install would be compiled by whoever runs it first.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from uv import find_uv_bin

from benchmarks.timing import BenchmarkFailed

# Both sides are told the same: nothing of the caller's Python or Prefect, and no telemetry.
_NOT_INHERITED = ("PREFECT_", "PYTHON", "FLOWYARD_", "VIRTUAL_ENV", "CI")


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    def program(self, name: str) -> str:
        """The absolute path of one of its programs."""
        return str(self.folder / "bin" / name)


def install(folder: Path, root: Path) -> Environment:
    """Make or refresh the environment in `folder` from the repository at `root`.

    Raises BenchmarkFailed when a module of the project has no bytecode.
    """
    environment = Environment(folder)
    python = environment.program("python")
    lock = str(root / "requirements" / "dev.lock")
    compiled = ("--quiet", "--compile-bytecode", "--python", python)
    _uv("venv", "--quiet", "--allow-existing", "--python", sys.executable, str(folder))
    _uv("pip", "sync", *compiled, "--require-hashes", lock)
    _uv("pip", "install", *compiled, "--no-deps", "--no-build-isolation", "--reinstall", str(root))
    _require_bytecode(folder)
    return environment


def neutral(environ: Mapping[str, str], home: Path) -> dict[str, str]:
    """The caller's environment as both sides get it. `home` is where Prefect keeps its settings."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_NOT_INHERITED)}
    return {**kept, "PREFECT_HOME": str(home), "DO_NOT_TRACK": "1"}


def _uv(*arguments: str) -> None:
    subprocess.run([find_uv_bin(), *arguments], check=True, stdout=sys.stderr)


def _require_bytecode(folder: Path) -> None:
    for package in ("flowyard", "prefect", "prefect_docker", "pydantic"):
        (found,) = folder.glob(f"lib/python3.*/site-packages/{package}")
        bare = [
            path.relative_to(found)
            for path in sorted(found.rglob("*.py"))
            if not Path(importlib.util.cache_from_source(str(path))).exists()
        ]
        if bare and package == "flowyard":
            raise BenchmarkFailed(f"{package} was installed without bytecode, the first is {bare[0]}")
        if len(bare) > len(list(found.rglob("*.py"))) / 10:  # some files are templates, not modules
            raise BenchmarkFailed(f"{package} was installed without bytecode")
