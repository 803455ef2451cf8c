"""Reads image references the way Docker reads them.

Pure and on its own, because what people type (`python:3.13-slim`) and what a container registry is asked for
(`docker.io/library/python`, tag `3.13-slim`) differ by rules that must be the same everywhere.
"""

from __future__ import annotations

import re

from flowyard.images import Digest, Repository

DEFAULT_HOST = "docker.io"
LONGEST_PATH = 255

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::[0-9]{{1,5}})?")
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_IMAGE_ID = re.compile(r"[0-9a-f]{64}")


def parse_reference(text: str) -> tuple[Repository, str | None, Digest | None]:
    """Split `[host/]path[:tag][@digest]` into its repository, tag and digest; absent parts are None.

    No host means `docker.io`, and a single name there means `library/` and that name. Raises ValueError that
    says what is wrong and what is allowed.
    """
    if "://" in text:
        raise ValueError(f"{text!r} is a URL; an image reference has no scheme, such as python:3.13-slim")
    name, at, digest_text = text.partition("@")
    digest = _digest(text, digest_text) if at else None
    host, rest = _split_host(name)
    path, colon, tag = rest.partition(":")
    if colon and not _TAG.fullmatch(tag):
        raise ValueError(
            f"{text!r} has the tag {tag!r}; a tag is 1 to 128 of A-Z a-z 0-9 _ . -"
            " and starts with neither . nor -"
        )
    _check_names(text, host, path)
    if host == DEFAULT_HOST and "/" not in path:
        path = f"library/{path}"
    if len(path) > LONGEST_PATH:
        raise ValueError(
            f"{text!r} has a repository of {len(path)} characters; at most {LONGEST_PATH} are allowed"
        )
    return Repository(host, path), tag if colon else None, digest


def is_registry_host(text: str) -> bool:
    """Whether `text` is a host of a container registry: a name, IPv4 or [IPv6] address, perhaps a port."""
    return _HOST.fullmatch(text) is not None


def _split_host(name: str) -> tuple[str, str]:
    """The host and the rest. The part before the first / is a host only when it cannot be a folder."""
    first, slash, rest = name.partition("/")
    looks_like_host = "." in first or ":" in first or first == "localhost" or first != first.lower()
    if not slash or not looks_like_host:
        return DEFAULT_HOST, name
    return (DEFAULT_HOST if first == f"index.{DEFAULT_HOST}" else first), rest


def _check_names(text: str, host: str, path: str) -> None:
    if not is_registry_host(host):
        raise ValueError(
            f"{text!r} has the host {host!r}; a host is a name or an address, perhaps with :port"
        )
    if not path:
        raise ValueError(f"{text!r} names no repository")
    if _IMAGE_ID.fullmatch(path):
        raise ValueError(
            f"{text!r} is an image id, which no container registry knows; use a name or name@sha256:..."
        )
    if _PATH.fullmatch(path):
        return
    if _PATH.fullmatch(path.lower()):
        raise ValueError(f"{text!r} has the repository {path!r}; it must be lowercase")
    raise ValueError(
        f"{text!r} has the repository {path!r}; its parts are a-z 0-9, joined by one of . _ __ or by dashes"
    )


def _digest(text: str, digest: str) -> Digest:
    try:
        return Digest(digest)
    except ValueError:
        raise ValueError(
            f"{text!r} has the digest {digest!r}; a digest is sha256: and 64 digits of 0-9 a-f"
        ) from None
