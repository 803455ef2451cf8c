"""What a container registry answers, read and judged: manifests, indexes, errors and challenges.

Pure functions over bytes and mappings, so that every odd answer can be tested without a server.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from flowyard.errors import RegistryError
from flowyard.images import Digest
from flowyard.values import Json

ACCEPT = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_REBUILD = "ship the flow again; if it stays like this, look at what stands between here and the registry"
_LONGEST_MESSAGE = 300
# As containerd compares variants: which one is meant where an index names none, which one is the name without any,
# and which ones a processor runs, from the best.
_VARIANTS = {"arm": "v7"}
_PLAIN = {"amd64": "v1", "arm64": "v8"}
_RUNS = {"arm/v7": ("arm/v7", "arm/v6", "arm/v5")}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A blob as a manifest names it. `size` is in bytes."""

    digest: Digest
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to authenticate that a 401 offers: `scheme` in lower case and its parameters."""

    scheme: str
    parameters: Mapping[str, str]


def content_digest(body: bytes) -> Digest:
    """The digest that a body has by definition."""
    return Digest(f"sha256:{hashlib.sha256(body).hexdigest()}")


def verify(body: bytes, expected: Digest, subject: str) -> None:
    """Raise RegistryError unless `body` is what `expected` names."""
    found = content_digest(body)
    if found != expected:
        raise RegistryError(f"{subject}: the content is {found}, but {expected} was asked for", hint=_REBUILD)


def header_digest(text: str, subject: str) -> Digest:
    """The digest in a Docker-Content-Digest header. Raises RegistryError when it is not a sha256 digest."""
    try:
        return Digest(text.strip())
    except ValueError:
        raise RegistryError(f"{subject}: Docker-Content-Digest is {text!r}, not a sha256 digest") from None


def json_object(body: bytes, subject: str) -> Mapping[str, Json]:
    """The JSON object in `body`. Raises RegistryError for anything else."""
    try:
        document = json.loads(body)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise RegistryError(f"{subject}: the container registry answered something that is not a JSON object")
    return document


def is_index(document: Mapping[str, Json]) -> bool:
    """Whether a manifest is the list of one image's platforms."""
    return isinstance(document.get("manifests"), list)


def platform_manifest(index: Mapping[str, Json], architecture: str | None, subject: str) -> Digest:
    """The digest of the one image in `index`, or of the one for linux/`architecture` when there are several.

    A variant of a processor counts: where an index has no image for arm/v7, the one for the next older variant is it.
    Attestations, which BuildKit keeps beside the images, are no images. Raises RegistryError.
    """
    entries = [
        entry for entry in index["manifests"] if isinstance(entry, dict) and not _is_attestation(entry)
    ]
    if len(entries) == 1:
        return _descriptor(entries[0], subject).digest
    offered = ", ".join("/".join(filter(None, _platform(entry))) for entry in entries) or "no image"
    if architecture is None:
        raise RegistryError(
            f"{subject}: the index offers {offered}, and which of them is for this machine is not known",
            hint="do it on a machine with one of these processors",
        )
    found = {_architecture(entry): entry for entry in reversed(entries) if _platform(entry)[0] == "linux"}
    fitting = [found[name] for name in _RUNS.get(architecture, (architecture,)) if name in found]
    if not fitting:
        raise RegistryError(
            f"{subject}: there is no image for linux/{architecture}; the index offers {offered}",
            hint=f"build for linux/{architecture}, or choose an image that offers it",
        )
    return _descriptor(fitting[0], subject).digest


def _architecture(entry: Mapping[str, Json]) -> str:
    """With its variant, but for the one that a name without any stands for."""
    _, architecture, variant = _platform(entry)
    variant = variant or _VARIANTS.get(architecture, "")
    plain = not variant or _PLAIN.get(architecture) == variant
    return architecture if plain else f"{architecture}/{variant}"


def _platform(entry: Mapping[str, Json]) -> tuple[str, str, str]:
    platform = entry.get("platform")
    found = platform if isinstance(platform, dict) else {}
    return str(found.get("os", "")), str(found.get("architecture", "")), str(found.get("variant", ""))


def _is_attestation(entry: Mapping[str, Json]) -> bool:
    annotations = entry.get("annotations")
    marked = isinstance(annotations, dict) and "vnd.docker.reference.type" in annotations
    return marked or _platform(entry)[:2] == ("unknown", "unknown")


def last_layer(manifest: Mapping[str, Json], subject: str) -> Descriptor:
    """The topmost layer. Raises RegistryError when the manifest has none."""
    layers = manifest.get("layers")
    if not isinstance(layers, list) or not layers:
        raise RegistryError(f"{subject}: the manifest has no layers, so it is not a container image's")
    return _descriptor(layers[-1], subject)


def config_descriptor(manifest: Mapping[str, Json], subject: str) -> Descriptor:
    """The image configuration's blob. Raises RegistryError when the manifest has none."""
    return _descriptor(manifest.get("config"), subject)


def _descriptor(entry: Json, subject: str) -> Descriptor:
    try:
        return Descriptor(Digest(entry["digest"]), int(entry["size"]), str(entry["mediaType"]))
    except (KeyError, TypeError, ValueError):
        raise RegistryError(f"{subject}: the manifest has a malformed entry where a blob should be") from None


def image_environment(config: Mapping[str, Json], subject: str) -> Mapping[str, str]:
    """The variables an image sets, from its configuration (`config.Env`); later entries win."""
    section = config.get("config")
    entries = section.get("Env") if isinstance(section, dict) else None
    if entries is None:
        return {}
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise RegistryError(f"{subject}: Env in the image configuration is not a list of NAME=value")
    return {name: value for name, _, value in (entry.partition("=") for entry in entries)}


def registry_error(body: bytes) -> tuple[str, str]:
    """The code and the message of the first error in an answer; both empty when it holds none."""
    try:
        first = json.loads(body)["errors"][0]
        return _printable(first.get("code")), _printable(first.get("message"))
    except (ValueError, KeyError, IndexError, TypeError, AttributeError):
        return "", ""


def _printable(text: Json) -> str:
    shown = "".join(character if character.isprintable() else " " for character in str(text or ""))
    return shown[:_LONGEST_MESSAGE].strip()


_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_SCHEME = re.compile(rf"[\s,]*({_WORD})(?=\s|,|$)\s*")
_PARAMETER = re.compile(rf'[\s,]*({_WORD})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|({_WORD}))')
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*(?=\s*(?:,|$))")


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """The challenges of a WWW-Authenticate header (several headers joined with commas), in order.

    Quoted values may hold commas and escaped quotes. What cannot be read ends the list.
    """
    challenges: list[Challenge] = []
    position = 0
    while scheme := _SCHEME.match(header, position):
        position = scheme.end()
        parameters: dict[str, str] = {}
        while parameter := _PARAMETER.match(header, position):
            name, quoted, plain = parameter.groups()
            parameters[name.lower()] = plain if plain is not None else re.sub(r"\\(.)", r"\1", quoted)
            position = parameter.end()
        if not parameters and (opaque := _TOKEN68.match(header, position)):
            position = opaque.end()  # `Negotiate abc=` carries one opaque value instead of parameters
        challenges.append(Challenge(scheme[1].lower(), parameters))
    return tuple(challenges)
