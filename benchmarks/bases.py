"""The base image of a benchmark: this machine's one, pushed to the benchmark's registry; and cold ones.

A cold base is the same image with one more file: all layers above it have to be built anew, which empties
nobody's build cache and keeps the cache mounts with the wheels.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.site_folder import PEER, ROOT, ca_bundle
from benchmarks.timing import BenchmarkFailed
from flowyard.adapters.oci import OciRegistry
from flowyard.configuration.paths import LOCAL_FILE
from flowyard.images import ImageReference, Repository

PYTHON = "3.13"


@dataclass(frozen=True, slots=True)
class Bases:
    """Base images in the registry at `host`; `token` is this benchmark's own name."""

    host: str
    token: str
    made: dict[int, str] = field(default_factory=dict)

    def usual(self) -> str:
        """This machine's base image by digest, pushed."""
        found = subprocess.run(
            [str(ROOT / "scripts" / "base-image"), PYTHON], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()
        reference = self._reference("usual")
        if subprocess.run(["docker", "image", "inspect", found], capture_output=True).returncode != 0:
            subprocess.run(["docker", "pull", "--quiet", found], check=True, capture_output=True)
        subprocess.run(["docker", "tag", found, str(reference)], check=True)
        subprocess.run(["docker", "push", "--quiet", str(reference)], check=True, capture_output=True)
        return self._pinned(reference)

    def cold(self, usual: str, number: int) -> str:
        """The base of a cold round by digest; made when it is first asked for."""
        if number not in self.made:
            reference = self._reference(f"cold-{number}")
            subprocess.run(self._cold_argv(usual, number, reference), check=True, capture_output=True)
            self.made[number] = self._pinned(reference)
        return self.made[number]

    def _cold_argv(self, usual: str, number: int, reference: ImageReference) -> tuple[str, ...]:
        return (
            *("docker", "buildx", "build", "--quiet", "--provenance=false", "--push"),
            *("--build-arg", f"BASE={usual}", "--build-arg", f"ROUND={self.token}-{number}"),
            *("--tag", str(reference), "--file", str(PEER / "Dockerfile.cold-base"), str(PEER)),
        )

    def _reference(self, tag: str) -> ImageReference:
        return ImageReference(Repository(self.host, "bases/python"), tag)

    def _pinned(self, reference: ImageReference) -> str:
        digest = OciRegistry().digest(reference)
        if digest is None:
            raise BenchmarkFailed(f"{reference} was pushed and is not there")
        return f"{reference.repository}@{digest}"


def pin(project: Path, base: str) -> None:
    """Pin the project's base image, and hand over the CA bundle where the machine names one."""
    text = f'[bases]\n"python:{PYTHON}-slim" = {{ reference = "{base}", python = "{PYTHON}" }}\n'
    bundle = ca_bundle()
    if bundle:
        text += f'\n[build-secrets]\nca = {{ file = "{bundle}" }}\n'
    (project / LOCAL_FILE).write_text(text, encoding="utf-8")
