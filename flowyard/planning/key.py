"""The content key: one hash of everything an image is made from.

It is the image's tag and a mark on every deployment, so "has anything changed?" is a comparison of two short
strings. The inputs are kept by name, so that the answer can also say what has changed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from flowyard.fingerprints import KEY_LENGTH, fingerprint, sha256
from flowyard.inputs import MAPPED, Inputs
from flowyard.planning.context import ContextFile
from flowyard.render import Rendered
from flowyard.texts import in_utf8
from flowyard.values import Flow, Project

# Raised when Flowyard itself makes another image of the same inputs, with other labels for example.
BUILD_FORMAT = "1"

_CAME_OR_WENT = ("added", "removed")
_Change = tuple[str, str]  # an input's name, and what happened to it


def image_inputs(
    project: Project, flow: Flow, files: Iterable[ContextFile], rendered: Rendered
) -> dict[str, str]:
    """Fingerprints of all that decides the image's content, by the name people know it under."""
    inputs = {path.as_posix(): sha256((project.root / path).read_bytes()) for path in rendered.templates}
    # After the templates: a file that is in the image as well counts with its mode.
    inputs |= {in_utf8(file.shown): in_utf8(file.fingerprint) for file in files}
    inputs["Dockerfile"] = sha256(_wherever_the_base_lies(rendered.text, flow).encode())
    inputs["base image"] = (flow.base.reference or "").rpartition("@")[2]
    inputs["build format"] = BUILD_FORMAT
    inputs["project"] = project.name  # a label of the image
    inputs["python"] = flow.base.python or ""
    inputs["platforms"] = ",".join(flow.platforms)
    # They are in the Dockerfile already; here they have the name of the key that people change.
    inputs["entrypoints"] = " ".join(flow.entrypoints)
    inputs["system-packages"] = " ".join(flow.system_packages)
    inputs["include"] = " ".join(include.as_posix() for include in flow.includes)
    inputs["build-secrets"] = " ".join(flow.build_secrets)
    inputs |= {f"results in {storage}": "yes" for storage in flow.storages}
    if flow.check_seconds is not None:
        inputs["check-seconds"] = f"{flow.check_seconds:g}"
    if flow.check_memory is not None:
        inputs["check-memory"] = flow.check_memory
    return inputs


def _wherever_the_base_lies(dockerfile: str, flow: Flow) -> str:
    """The Dockerfile with the base by its digest alone: the same base from a mirror makes the same image."""
    reference = flow.base.reference or ""
    return re.sub(
        rf"^FROM {re.escape(reference)}(?=\s)",
        f"FROM {reference.rpartition('@')[2]}",
        dockerfile,
        flags=re.MULTILINE,
    )


def key_of(inputs: Mapping[str, str]) -> str:
    """The key of these inputs: 32 hexadecimal digits, the same in whatever order they come."""
    return fingerprint(dict(inputs))[:KEY_LENGTH]


def differences(before: Inputs, now: Inputs) -> tuple[str, ...]:
    """What changed between two sets of inputs, in words, sorted by name. What only follows from something
    else that is named is left out: one change of a person is one reason."""
    old, new = _deployments(before), _deployments(now)
    came, went = sorted(new - old), sorted(old - new)
    whole = tuple(f"deployments.{name}." for name in (*came, *went))
    settings = [
        change for change in _changes(before.deployments, now.deployments) if not change[0].startswith(whole)
    ]
    shown = (
        *_causes([*_changes(before.image, now.image)], _makes_another),
        *_causes(settings, _maps_to_another),
        *_changes(before.named_calls, now.named_calls),
    )
    return (
        *(f"{name} {what}" for name, what in sorted(shown)),
        *(f"deployment {name} added" for name in came),
        *(f"deployment {name} removed" for name in went),
    )


def _deployments(inputs: Inputs) -> set[str]:
    """The deployments that have inputs, by name: `deployments.NAME.SETTING`. Names hold no dot."""
    return {name.split(".")[1] for name in inputs.deployments if name.startswith("deployments.")}


def _changes(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[_Change]:
    for name in before.keys() | now.keys():
        old, new = before.get(name), now.get(name)
        if old is None:
            yield name, "added"
        elif new is None:
            yield name, "removed"
        elif old != new:
            mode_only = old.removesuffix(" executable") == new.removesuffix(" executable")
            yield name, "mode changed" if mode_only else "changed"


def _causes(changes: Sequence[_Change], explains: Callable[[_Change, _Change], bool]) -> Iterator[_Change]:
    """The changes that are not there because of another one of the same kind."""
    return (change for change in changes if not any(explains(cause, change) for cause in changes))


def _makes_another(cause: _Change, change: _Change) -> bool:
    """Whether the first change of an image is why the second is there as well."""
    name, what = change
    if name.startswith("images/locks/storage-") and what in _CAME_OR_WENT:
        return cause[0].startswith("results in ")
    return _is_rendered(change) and not _is_rendered(cause)


def _maps_to_another(cause: _Change, change: _Change) -> bool:
    """Whether the first change of deployments is why the second is there as well."""
    name, _ = change
    if not name.endswith(MAPPED):
        return False
    own = name.removesuffix(MAPPED)
    settings = (f"{own}.env", f"{own}.job-variables", f"{own}.resources", f"{own}.secrets", "work pool")
    return cause[0] in settings or cause[0].startswith("targets.")


def _is_rendered(change: _Change) -> bool:
    """Whether this is the Dockerfile, or a template that came into use or went out of it."""
    name, what = change
    used = name.startswith("images/") and name.endswith(".j2") and what in _CAME_OR_WENT
    return used or name == "Dockerfile"
