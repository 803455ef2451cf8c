"""The two copies of the repository that are deployed: the project as it is, and the peer's with its prefect.yaml.

Copies in a temporary folder, so that editing a flow never edits the repository.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

FLOW = "etl"
SMALLEST = "hello"
ROOT = Path(__file__).resolve().parent.parent
PEER = Path(__file__).resolve().parent / "peer"
# A flow that calls no other, and does not change with the examples: what was measured stays comparable.
MEASURED = Path(__file__).resolve().parent / "etl"
_OWN = shutil.ignore_patterns("__pycache__")


@dataclass(frozen=True, slots=True)
class Folders:
    """Where everything of one benchmark is."""

    top: Path

    @property
    def ours(self) -> Path:
        """The project that is shipped."""
        return self.top / "ours"

    @property
    def peer(self) -> Path:
        """The project that `prefect deploy` deploys."""
        return self.top / "peer"


def copy_projects(folders: Folders, volume: str) -> None:
    """Write both projects; results of runs would go to `volume`."""
    _copy_ours(folders.ours, volume)
    _copy_peer(folders.peer)


def _copy_ours(ours: Path, volume: str) -> None:
    for folder in ("images", "shared", f"flows/{SMALLEST}"):
        shutil.copytree(ROOT / folder, ours / folder, ignore=_OWN)
    shutil.copytree(MEASURED, ours / "flows" / FLOW, ignore=_OWN)
    shutil.copy(PEER / "flow.toml", ours / "flows" / FLOW / "flow.toml")
    shutil.copy(ROOT / ".gitignore", ours)
    text = (ROOT / "registry.toml").read_text("utf-8")
    (ours / "registry.toml").write_text(re.sub(r'"volume:[^"]*"', f'"volume:{volume}"', text), "utf-8")
    make_repository(ours)


def _copy_peer(peer: Path) -> None:
    shutil.copytree(PEER, peer)
    shutil.copytree(ROOT / "shared", peer / "shared", ignore=_OWN)
    shutil.copytree(MEASURED, peer / "flows" / FLOW, ignore=_OWN)
    (peer / "locks").mkdir()
    (prefect,) = (ROOT / "images" / "locks").glob("prefect-3.13.lock")
    shutil.copy(prefect, peer / "locks" / "prefect.lock")
    shutil.copy(ROOT / "images" / "locks" / "uv.lock", peer / "locks")
    shutil.copy(MEASURED / "requirements.lock", peer / "locks")
    bundle = ca_bundle()
    (peer / "ca.pem").write_bytes(bundle.read_bytes() if bundle else b"")
    make_repository(peer)


def ca_bundle() -> Path | None:
    """The CA bundle that builds need on this machine, if it names one."""
    name = os.environ.get("SSL_CERT_FILE")
    return Path(name) if name and Path(name).is_file() else None


def make_repository(folder: Path) -> None:
    """Both sides ask git for the commit, so there is one."""
    identity = ("-c", "user.name=Benchmark", "-c", "user.email=benchmark@example.invalid")
    for words in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "--message", "start")):
        subprocess.run(["git", "-C", str(folder), *words], check=True)
