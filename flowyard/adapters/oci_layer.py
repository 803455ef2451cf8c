"""Takes one file out of a layer's blob.

Apart from the registry's client, because what is bounded here is memory: a small blob may unpack into a
huge one.
"""

from __future__ import annotations

import io
import posixpath

from flowyard.errors import RegistryError

MOST_UNPACKED = 16 * 1024 * 1024

_TAR = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.docker.image.rootfs.diff.tar")


def file_in_layer(blob: bytes, media_type: str, path: str, subject: str) -> bytes:
    """The content of the regular file `path` (no leading slash) in a layer.

    Raises RegistryError when it is not there, for media types other than tar and tar with gzip, and for
    layers that unpack into more than `MOST_UNPACKED` bytes.
    """
    import tarfile  # loads four compression modules, which only this step needs

    found: list[str] = []
    try:
        with tarfile.open(fileobj=io.BytesIO(_uncompressed(blob, media_type, subject)), mode="r:") as archive:
            for member in archive:
                name = posixpath.normpath(member.name).lstrip("/")
                found.append(name)
                content = archive.extractfile(member) if name == path and member.isreg() else None
                if content is not None:
                    return content.read()
    except tarfile.TarError as error:
        raise RegistryError(f"{subject}: the last layer is not a tar archive ({error})") from None
    raise RegistryError(
        f"{subject}: the last layer holds no file {path}; it holds {', '.join(found[:10]) or 'nothing'}",
        hint="only images that Flowyard built describe themselves in their last layer",
    )


def _uncompressed(blob: bytes, media_type: str, subject: str) -> bytes:
    kind = media_type.partition(";")[0].strip()
    if kind in _TAR:
        return blob
    if kind in tuple(f"{tar}{suffix}" for tar in _TAR for suffix in ("+gzip", ".gzip")):
        return _gunzip(blob, subject)
    raise RegistryError(
        f"{subject}: the last layer has the media type {media_type}; tar and tar with gzip can be read",
        hint="build the image with gzip compression" if "zstd" in kind else "",
    )


def _gunzip(blob: bytes, subject: str) -> bytes:
    """Unpack every gzip member (parallel compressors write several), within the bound."""
    import zlib

    unpacked = bytearray()
    rest = blob
    while rest:
        member = zlib.decompressobj(wbits=31)
        try:
            unpacked += member.decompress(rest, MOST_UNPACKED + 1 - len(unpacked))
        except zlib.error as error:
            raise RegistryError(f"{subject}: the last layer is not gzip ({error})") from None
        if len(unpacked) > MOST_UNPACKED:
            raise RegistryError(f"{subject}: the last layer unpacks into more than {MOST_UNPACKED} bytes")
        if not member.eof:
            raise RegistryError(f"{subject}: the last layer's gzip data ends too early")
        rest = member.unused_data
    return bytes(unpacked)
