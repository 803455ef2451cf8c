"""Values that must turn up nowhere, and the search for them: plain, as base64 and as in a URL.

In base64 a text looks different by where it begins in a group of three bytes, so all three are looked for.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import tarfile
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, quote_plus

import urllib3

from flowyard.values import Json


@dataclass(frozen=True)
class Canary:
    """One planted value. It holds characters that every encoding changes."""

    name: str
    value: str

    @property
    def forms(self) -> dict[str, bytes]:
        """How it may look, by encoding."""
        plain = self.value.encode()
        forms = {"plain": plain, "url": quote(self.value, safe="").encode()}
        forms["form"] = quote_plus(self.value).encode()
        for offset in range(3):
            # The first and last characters hold bits of what stands beside it: only the inner ones are certain.
            packed = base64.b64encode(b"\0" * offset + plain)
            inner = packed[(0, 2, 3)[offset] : len(packed) - 4]
            forms[f"base64+{offset}"] = inner
            forms[f"urlsafe+{offset}"] = inner.translate(bytes.maketrans(b"+/", b"-_"))
        forms["json"] = json.dumps(self.value)[1:-1].encode()
        return forms


# What all of them begin with, so that one look passes over a large layer.
_MARK = f"cn{uuid.uuid4().hex[:14]}"


def canary(name: str) -> Canary:
    """A new value of this name."""
    return Canary(name, f"{_MARK}/+?&{uuid.uuid4().hex}")


class Search:
    """Looks for all forms of many canaries at once."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._names = {form: one.name for one in canaries for form in one.forms.values()}
        self._beginnings = sorted({form[:8] for form in self._names})
        self._pattern = re.compile(b"|".join(map(re.escape, sorted(self._names, key=len, reverse=True))))

    def found(self, data: bytes) -> set[str]:
        """The names of the canaries in the data."""
        if not any(beginning in data for beginning in self._beginnings):
            return set()
        return {self._names[match[0]] for match in self._pattern.finditer(data)}

    def where(self, places: Iterable[tuple[str, bytes]]) -> dict[str, set[str]]:
        """The names found, by the name of the place."""
        hits = ((place, self.found(place.encode() + b"\n" + data)) for place, data in places)
        return {place: names for place, names in hits if names}


@dataclass(frozen=True)
class HeldImage:
    """An image in a container registry that is asked over TLS."""

    url: str
    authority: Path
    authorization: str

    def parts(self, reference: str) -> Iterator[tuple[str, bytes]]:
        """The manifest, the configuration with labels and history, and every file of every layer by name."""
        manifest = self._get(f"manifests/{reference}")
        yield "manifest", manifest
        document: Mapping[str, Json] = json.loads(manifest)
        yield "configuration", self._get(f"blobs/{document['config']['digest']}")
        for number, layer in enumerate(document["layers"]):
            data = gzip.decompress(self._get(f"blobs/{layer['digest']}"))
            yield f"layer {number}", data
            yield from (
                (f"layer {number}: {name}", content) for name, content in _unpacked(data, f"layer {number}")
            )

    def _get(self, path: str) -> bytes:
        headers = {
            "Authorization": self.authorization,
            "Accept": "application/vnd.docker.distribution.manifest.v2+json, "
            "application/vnd.oci.image.manifest.v1+json",
        }
        with urllib3.PoolManager(ca_certs=str(self.authority)) as pool:
            answer = pool.request("GET", f"{self.url}/{path}", headers=headers)
        assert answer.status == 200, (path, answer.status)
        return answer.data


def _unpacked(layer: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """The layer's files that are packed themselves, unpacked: in the layer's own bytes they are unreadable."""
    with tarfile.open(fileobj=io.BytesIO(layer)) as archive:
        for member in archive:
            if member.isreg() and member.name.endswith((".gz", ".tgz")):
                content = archive.extractfile(member)
                assert content is not None
                yield member.name, gzip.decompress(content.read())


def files_below(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file of a folder by its path in it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(folder).as_posix(), path.read_bytes()
