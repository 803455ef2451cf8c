"""One file out of a layer's blob, whatever packed it, within bounds."""

from __future__ import annotations

import gzip
import io
import tarfile

import pytest

from flowyard.adapters.oci_layer import MOST_UNPACKED, file_in_layer
from flowyard.errors import RegistryError

OCI = "application/vnd.oci.image.layer.v1.tar"
DOCKER = "application/vnd.docker.image.rootfs.diff.tar"
PATH = "opt/flowyard/description.json"


def archive(*members: tuple[str, bytes | None]) -> bytes:
    """A tar archive of files; None makes a symbolic link."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as writer:
        for path, content in members:
            member = tarfile.TarInfo(path)
            if content is None:
                member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            member.size = len(content or b"")
            writer.addfile(member, io.BytesIO(content or b""))
    return packed.getvalue()


TAR = archive(("opt/flowyard/other", b"x"), (PATH, b"found"))
HALF = len(TAR) // 2


@pytest.mark.parametrize(
    ("blob", "media_type"),
    [
        (TAR, OCI),
        (TAR, DOCKER),
        (gzip.compress(TAR), f"{OCI}+gzip"),
        (gzip.compress(TAR), f"{DOCKER}.gzip"),
        (gzip.compress(TAR[:HALF]) + gzip.compress(TAR[HALF:]), f"{OCI}+gzip"),
        (archive((f"./{PATH}", b"found")), OCI),
        (archive((f"/{PATH}", b"found")), OCI),
    ],
)
def test_the_file_is_found(blob: bytes, media_type: str) -> None:
    assert file_in_layer(blob, media_type, PATH, "a@b") == b"found"


@pytest.mark.parametrize(
    ("blob", "media_type", "message"),
    [
        (archive(("a", b""), ("b", b"")), OCI, f"a@b: the last layer holds no file {PATH}; it holds a, b"),
        (archive(), OCI, f"a@b: the last layer holds no file {PATH}; it holds nothing"),
        (archive((PATH, None)), OCI, f"a@b: the last layer holds no file {PATH}; it holds {PATH}"),
        (
            b"",
            f"{OCI}+zstd",
            f"a@b: the last layer has the media type {OCI}+zstd; tar and tar with gzip can be read",
        ),
        (gzip.compress(TAR)[:-9], f"{OCI}+gzip", "a@b: the last layer's gzip data ends too early"),
        (
            gzip.compress(bytes(MOST_UNPACKED + 1), 1),
            f"{OCI}+gzip",
            f"a@b: the last layer unpacks into more than {MOST_UNPACKED} bytes",
        ),
    ],
)
def test_what_is_wrong_is_said(blob: bytes, media_type: str, message: str) -> None:
    with pytest.raises(RegistryError) as caught:
        file_in_layer(blob, media_type, PATH, "a@b")
    assert caught.value.message == message


@pytest.mark.parametrize(
    ("blob", "media_type", "pattern"),
    [
        (b"no tar" * 200, OCI, r"^a@b: the last layer is not a tar archive \("),
        (b"no gzip", f"{OCI}+gzip", r"^a@b: the last layer is not gzip \("),
    ],
)
def test_another_format_is_an_error(blob: bytes, media_type: str, pattern: str) -> None:
    with pytest.raises(RegistryError, match=pattern):
        file_in_layer(blob, media_type, PATH, "a@b")


def test_zstd_has_a_hint() -> None:
    with pytest.raises(RegistryError) as caught:
        file_in_layer(b"", f"{OCI}+zstd", PATH, "a@b")
    assert caught.value.hint == "build the image with gzip compression"
