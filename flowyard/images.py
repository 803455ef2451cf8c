"""What an image is called and what it is: frozen values.

The types say the rules: `register` takes a `PublishedImage`, which always holds a manifest digest, so
registering a mutable tag cannot be written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A manifest digest, `sha256:` and 64 hexadecimal digits. Never an image id."""

    value: str

    def __post_init__(self) -> None:
        if not _DIGEST.fullmatch(self.value):
            raise ValueError(f"not a sha256 digest: {self.value!r}")

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A repository in a container registry: `host` (with port) and `path`, without tag or digest."""

    host: str
    path: str

    def __str__(self) -> str:
        return f"{self.host}/{self.path}"


@dataclass(frozen=True, slots=True, order=True)
class ImageReference:
    """A repository and a tag: a name for people, which may move."""

    repository: Repository
    tag: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, slots=True, order=True)
class PublishedImage:
    """An image that a container registry holds under this manifest digest."""

    repository: Repository
    digest: Digest

    def __str__(self) -> str:
        return f"{self.repository}@{self.digest}"


def published(text: str) -> PublishedImage:
    """The image that `host/path@sha256:...` names. Raises ValueError for anything else."""
    repository, _, digest = text.partition("@")
    host, _, path = repository.partition("/")
    if not host or not path:
        raise ValueError(f"not an image by digest: {text!r}")
    return PublishedImage(Repository(host, path), Digest(digest))


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer as a registry holds it: its digest, its compressed bytes, and what made it."""

    digest: str
    size: int
    made_by: str
