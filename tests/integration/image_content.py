"""What an image in a container registry is made of: its files with all that a file is, and its configuration.

Read from the registry's own blobs, not from a container: what is pulled is compared. Two things are left out
on purpose, because the build of the same key may differ in them: times, and how layers are compressed.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import urllib3

from flowyard.images import PublishedImage
from flowyard.values import Json

MANIFEST = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"
TIMES = frozenset({"atime", "ctime", "mtime"})


@dataclass(frozen=True)
class File:
    """One entry of a layer: its type and mode, its owner, where a link leads, a fingerprint of its content."""

    kind: str
    mode: str
    owner: tuple[int, int]
    link: str = ""
    content: str = ""
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Content:
    """An image: its configuration without times, and its layers from bottom to top."""

    image: PublishedImage
    configuration: Mapping[str, Json]
    layers: tuple[str, ...]
    blobs: Mapping[str, str]

    def above(self, shared: int) -> dict[str, File]:
        """The files that the layers above the first `shared` bring, by path."""
        files: dict[str, File] = {}
        for layer in self.layers[shared:]:
            files |= _files(_get(self.image, f"blobs/{self.blobs[layer]}"))
        return files

    def read(self, path: str) -> bytes:
        """The content of one file, from the last layer that has it."""
        for layer in reversed(self.layers):
            with tarfile.open(fileobj=io.BytesIO(_get(self.image, f"blobs/{self.blobs[layer]}"))) as tar:
                if path in tar.getnames():
                    stream = tar.extractfile(path)
                    assert stream is not None
                    return stream.read()
        raise KeyError(path)


def content_of(image: PublishedImage) -> Content:
    """What the registry holds under this digest."""
    manifest = json.loads(_get(image, f"manifests/{image.digest}"))
    document = json.loads(_get(image, f"blobs/{manifest['config']['digest']}"))
    layers = document.pop("rootfs")["diff_ids"]
    blobs = {layer: entry["digest"] for layer, entry in zip(layers, manifest["layers"], strict=True)}
    del document["created"]
    for step in document["history"]:
        del step["created"]
    return Content(image, document, tuple(layers), blobs)


def differing(one: Content, other: Content) -> dict[str, tuple[File | None, File | None]]:
    """The files that are not the same in both, by path. Layers that both begin with are the same."""
    pairs = zip(one.layers, other.layers, strict=False)
    shared = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    before, after = one.above(shared), other.above(shared)
    both = {path: (before.get(path), after.get(path)) for path in sorted(before.keys() | after.keys())}
    return {path: files for path, files in both.items() if files[0] != files[1]}


def _files(layer: bytes) -> dict[str, File]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {member.name: _file(tar, member) for member in tar}


def _file(tar: tarfile.TarFile, member: tarfile.TarInfo) -> File:
    stream = tar.extractfile(member) if member.isreg() else None
    content = hashlib.sha256(stream.read()).hexdigest() if stream else ""
    attributes = tuple(
        sorted((name, value) for name, value in member.pax_headers.items() if name not in TIMES)
    )
    kind = member.type.decode()
    return File(kind, f"{member.mode:o}", (member.uid, member.gid), member.linkname, content, attributes)


def _get(image: PublishedImage, path: str) -> bytes:
    url = f"http://{image.repository.host}/v2/{image.repository.path}/{path}"
    with urllib3.PoolManager() as pool:
        answer = pool.request("GET", url, headers={"Accept": MANIFEST})
    assert answer.status == 200, (url, answer.status, answer.data)
    data: Any = answer.data
    assert isinstance(data, bytes)
    return data
