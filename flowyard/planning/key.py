"""The content key: one hash of everything an image is made from.

It is the image's tag and a mark on every deployment, so "has anything changed?" is a comparison of two short
strings. The inputs are kept by name, so that the answer can also say what has changed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from flowyard.planning.context import ContextFile
from flowyard.render import Rendered
from flowyard.values import Flow, Json

KEY_LENGTH = 32  # hexadecimal digits: 128 bits


def image_inputs(root: Path, flow: Flow, files: Iterable[ContextFile], rendered: Rendered) -> dict[str, str]:
    """Fingerprints of all that decides the image's content, by the name people know it under."""
    inputs = {file.shown: file.fingerprint for file in files}
    inputs |= {path.as_posix(): _sha256((root / path).read_bytes()) for path in rendered.templates}
    inputs["Dockerfile"] = _sha256(rendered.text.encode())
    inputs["base image"] = (flow.base.reference or "").rpartition("@")[2]
    inputs["python"] = flow.base.python or ""
    inputs["platforms"] = ",".join(flow.platforms)
    # They are in the Dockerfile already; here they have the name of the key that people change.
    inputs["entrypoints"] = " ".join(flow.entrypoints)
    inputs["system-packages"] = " ".join(flow.system_packages)
    inputs["build-secrets"] = " ".join(flow.build_secrets)
    return inputs


def key_of(inputs: Mapping[str, str]) -> str:
    """The key of these inputs: 32 hexadecimal digits, the same in whatever order they come."""
    return fingerprint(dict(inputs))[:KEY_LENGTH]


def fingerprint(value: Json) -> str:
    """SHA-256 of a JSON value in its canonical form (sorted keys, no spaces)."""
    return _sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), default=str).encode())


def differences(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """What changed between two sets of inputs, in words, sorted by name."""
    came, went = _deployments(now) - _deployments(before), _deployments(before) - _deployments(now)
    whole = tuple(f"deployments.{name}." for name in came | went)
    names = sorted(name for name in before.keys() | now.keys() if not name.startswith(whole))
    reasons = [f"deployment {name} added" for name in sorted(came)]
    reasons += [f"deployment {name} removed" for name in sorted(went)]
    return tuple(_hide_consequences([*_differences(names, before, now), *reasons]))


def _deployments(inputs: Mapping[str, str]) -> set[str]:
    """The deployments that have inputs, by name: `deployments.NAME.SETTING`. Names hold no dot."""
    return {name.split(".")[1] for name in inputs if name.startswith("deployments.")}


def _differences(names: Iterable[str], before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for name in names:
        old, new = before.get(name), now.get(name)
        if old is None:
            yield f"{name} added"
        elif new is None:
            yield f"{name} removed"
        elif old != new:
            mode_only = old.removesuffix(" executable") == new.removesuffix(" executable")
            yield f"{name} {'mode changed' if mode_only else 'changed'}"


def _hide_consequences(reasons: list[str]) -> list[str]:
    """The rendered Dockerfile changes because something else did; say so only when nothing else explains it."""
    others = [reason for reason in reasons if reason != "Dockerfile changed"]
    return others or reasons


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
