"""Makes small images and pushes them over the OCI distribution API.

Our client only reads, so the tests write by themselves: what they read was made without it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urljoin, urlsplit

import urllib3

from flowyard.adapters.oci_address import api_url
from flowyard.images import Digest, Repository
from flowyard.values import Json

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def digest_of(content: bytes) -> Digest:
    """The digest of some content."""
    return Digest(f"sha256:{hashlib.sha256(content).hexdigest()}")


def tar(files: Mapping[str, bytes]) -> bytes:
    """An uncompressed tar archive of regular files."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def descriptor(content: bytes, media_type: str) -> dict[str, Json]:
    """A blob as a manifest names it."""
    return {"mediaType": media_type, "digest": str(digest_of(content)), "size": len(content)}


def to_json(document: Json) -> bytes:
    """The bytes of a document, always the same."""
    return json.dumps(document, sort_keys=True).encode()


@dataclass(frozen=True)
class Image:
    """A manifest and the blobs it names."""

    manifest: bytes
    blobs: tuple[bytes, ...]

    @property
    def digest(self) -> Digest:
        """The manifest's digest."""
        return digest_of(self.manifest)


def image(
    layers: Sequence[Mapping[str, bytes]], env: Mapping[str, str] | None = None, *, compressed: bool = True
) -> Image:
    """An image of these layers, from bottom to top."""
    tars = [tar(files) for files in layers]
    blobs = [gzip.compress(one, mtime=0) if compressed else one for one in tars]
    kind = f"{LAYER}+gzip" if compressed else LAYER
    variables = [f"{name}={value}" for name, value in (env or {}).items()]
    rootfs = {"type": "layers", "diff_ids": [str(digest_of(one)) for one in tars]}
    config = to_json({"os": "linux", "architecture": "amd64", "config": {"Env": variables}, "rootfs": rootfs})
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor(config, CONFIG),
        "layers": [descriptor(blob, kind) for blob in blobs],
    }
    return Image(to_json(manifest), (config, *blobs))


def index(images: Mapping[str, Image], attestation: Image) -> bytes:
    """An index of images by platform, such as `linux/amd64`, and an attestation, as BuildKit writes it."""
    entries = []
    for platform, each in images.items():
        system, architecture = platform.split("/")
        entry = descriptor(each.manifest, MANIFEST)
        entries.append({**entry, "platform": {"os": system, "architecture": architecture}})
    attesting = {
        **descriptor(attestation.manifest, MANIFEST),
        "platform": {"os": "unknown", "architecture": "unknown"},
        "annotations": {"vnd.docker.reference.type": "attestation-manifest"},
    }
    return to_json({"schemaVersion": 2, "mediaType": INDEX, "manifests": [*entries, attesting]})


def open_pool(host: str) -> urllib3.PoolManager:
    """Connections to a registry, which trust what the engine trusts for it: an authority of its own, if it has one."""
    own = Path("/etc/docker/certs.d", host, "ca.crt")
    return urllib3.PoolManager(ca_certs=str(own)) if own.exists() else urllib3.PoolManager()


class Pusher:
    """Pushes: over plain HTTP to a registry on loopback, over HTTPS to any other."""

    def __init__(self, authorization: str = "") -> None:
        self._headers = {"Authorization": authorization} if authorization else {}
        self._pools: dict[str, urllib3.PoolManager] = {}

    def push(self, repository: Repository, tag: str, pushed: Image) -> Digest:
        """Push the blobs and the manifest; return the manifest's digest."""
        for blob in pushed.blobs:
            self.blob(repository, blob)
        return self.manifest(repository, tag, pushed.manifest, MANIFEST)

    def blob(self, repository: Repository, content: bytes) -> None:
        """Push one blob."""
        uploads = f"{api_url(repository)}/blobs/uploads/"
        started = self._send("POST", uploads, 202)
        place = urljoin(uploads, started.headers["Location"])
        joint = "&" if "?" in place else "?"
        self._send(
            "PUT", f"{place}{joint}digest={digest_of(content)}", 201, content, "application/octet-stream"
        )

    def manifest(self, repository: Repository, name: str, content: bytes, media_type: str) -> Digest:
        """Push a manifest or an index under a tag or its digest."""
        url = f"{api_url(repository)}/manifests/{name}"
        self._send("PUT", url, 201, content, media_type)
        return digest_of(content)

    def close(self) -> None:
        """Close the connections."""
        for pool in self._pools.values():
            pool.clear()

    def _send(
        self, method: str, url: str, expected: int, body: bytes = b"", media_type: str = ""
    ) -> urllib3.BaseHTTPResponse:
        headers = {**self._headers, **({"Content-Type": media_type} if media_type else {})}
        host = urlsplit(url).netloc
        if host not in self._pools:
            self._pools[host] = open_pool(host)
        response = self._pools[host].request(method, url, body=body, headers=headers)
        assert response.status == expected, (method, url, response.status, response.data)
        return response
