"""Objects in an S3 bucket, with the `obstore` library.

Credentials are found as AWS's own libraries find them in a container: variables, a web identity, the role of an
ECS task, that of an EC2 instance. The bucket's region is asked for where the environment's is another one, so
that nobody has to configure it.
"""

from __future__ import annotations

import os
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from flowyard.runtime.bucket_errors import Asked, told
from flowyard.runtime.storage import NotThere, StorageError, checked

if TYPE_CHECKING:
    from obstore.store import ClientConfig, S3Store

Value = TypeVar("Value")
DEFAULT_REGION = "us-east-1"  # as every library of AWS's has it
DOMAINS = {"cn-": "amazonaws.com.cn", "eusc-": "amazonaws.eu"}  # of the other partitions
# A part of a large object may take a while on a slow line; a connection that says nothing for a minute is dead.
TIMES: ClientConfig = {"timeout": "1h", "connect_timeout": "10s", "read_timeout": "60s"}
CHUNK = 1 << 20  # bytes
YOUNG = 86400.0  # seconds; rules by age count in days
PART = 8 << 20  # bytes; S3 takes 10,000 parts, and AT_ONCE of them are in memory
AT_ONCE = 4
RETRIES = 6
RETRY_FOR = timedelta(seconds=60)
_LOOK_SECONDS = 10.0


def region_of(environ: Mapping[str, str]) -> str:
    """The region that the environment names."""
    return environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or DEFAULT_REGION


def endpoint_of(environ: Mapping[str, str], region: str) -> str:
    """The URL of S3's API: what the environment says, or AWS's own in this region."""
    given = environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL") or ""
    domain = next((name for start, name in DOMAINS.items() if region.startswith(start)), "amazonaws.com")
    return given.rstrip("/") or f"https://s3.{region}.{domain}"


def client_options(environ: Mapping[str, str], endpoint: str) -> ClientConfig:
    """How the library connects. Raises StorageError for an endpoint that would send results in the clear."""
    options: ClientConfig = {**TIMES}
    parts = urlsplit(endpoint)
    if parts.scheme == "http":
        if not _is_loopback(parts.hostname or "") and environ.get("AWS_ALLOW_HTTP", "").lower() != "true":
            raise StorageError(
                f"AWS_ENDPOINT_URL is {endpoint}, which is not encrypted; where that is meant, set "
                "AWS_ALLOW_HTTP=true beside it"
            )
        options["allow_http"] = True
    bundle = environ.get("AWS_CA_BUNDLE")  # the library knows SSL_CERT_FILE only
    if bundle and os.path.isfile(bundle):  # noqa: PTH113
        with open(bundle, "rb") as stream:  # noqa: PTH123
            options["root_certificate"] = stream.read()
    return options


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


class Bucket:
    """Objects below a prefix of one bucket. What is old is removed by the bucket's own rules."""

    def __init__(self, bucket: str, prefix: str, clock: Callable[[], float] = time.time) -> None:
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self._region = region_of(os.environ)
        self._settled = False  # whether the region is known to be right, or cannot be known better
        self._made: S3Store | None = None

    def scratch(self) -> Path:
        """As Storage.scratch."""
        return Path(tempfile.gettempdir())

    def put(self, key: str, source: bytes | Path) -> None:
        """As Storage.put. In one request when it is small, else in parts, of which none is left on failure."""
        self._ask("PutObject", key, lambda store: _put(store, checked(key), source))

    def read(self, key: str) -> bytes:
        """As Storage.read."""
        return b"".join(self._parts(key))

    @contextmanager
    def fetched(self, key: str) -> Iterator[Path]:
        """As Storage.fetched: a copy, for as long as it is read."""
        path = self.scratch() / f"flowyard-{uuid.uuid4().hex}"
        try:
            with path.open("wb") as file:
                file.writelines(self._parts(key))
            yield path
        finally:
            path.unlink(missing_ok=True)

    def has(self, key: str) -> bool:
        """As Storage.has: an object that is no longer young is put again, which is what makes it young."""
        try:
            found = self._ask("GetObject", key, lambda store: store.get(checked(key)))
        except NotThere:
            return False
        return self._clock() - found.meta["last_modified"].timestamp() < YOUNG

    def _parts(self, key: str) -> Iterator[bytes]:
        found = self._ask("GetObject", key, lambda store: store.get(checked(key)))
        parts = iter(found.stream(min_chunk_size=CHUNK))
        while (part := self._ask("GetObject", key, lambda _: next(parts, None))) is not None:
            yield bytes(part)

    def _ask(self, action: str, key: str, call: Callable[[S3Store], Value]) -> Value:
        from obstore.exceptions import BaseError

        asked = Asked(action, self._bucket, self._prefix, key)
        try:
            try:
                answer = call(self._store())
            except (BaseError, FileNotFoundError):
                if not self._look_for_region():
                    raise
                answer = call(self._store())
        except (BaseError, FileNotFoundError) as error:
            raise told(error, asked, self._region) from error
        self._settled = True
        return answer

    def _store(self) -> S3Store:
        if self._made is None:
            from obstore.store import S3Store

            endpoint = endpoint_of(os.environ, self._region)
            self._made = S3Store(
                self._bucket,
                prefix=self._prefix or None,
                region=self._region,
                endpoint=endpoint,
                client_options=client_options(os.environ, endpoint),
                retry_config={"max_retries": RETRIES, "retry_timeout": RETRY_FOR},
            )
        return self._made

    def _look_for_region(self) -> bool:
        """Whether the bucket is in another region than was thought; from now on that one is used."""
        if self._settled:
            return False
        self._settled = True
        found = look_for_region(endpoint_of(os.environ, self._region), self._bucket)
        if found in ("", self._region):
            return False
        self._region, self._made = found, None
        return True


def _put(store: S3Store, key: str, source: bytes | Path) -> None:
    """Once more from the start whenever it is asked to: a file is opened anew."""
    store.put(key, source, chunk_size=PART, max_concurrency=AT_ONCE)


def look_for_region(endpoint: str, bucket: str) -> str:
    """The region S3 says the bucket is in, empty where it says none.

    It tells everybody, whatever they may do there, in a header of any answer:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadBucket.html
    """
    request = urllib.request.Request(f"{endpoint}/{bucket}", method="HEAD")  # noqa: S310 - from the environment
    try:
        with urllib.request.urlopen(request, timeout=_LOOK_SECONDS) as answer:  # noqa: S310
            headers = answer.headers
    except urllib.error.HTTPError as error:
        headers = error.headers
    except (OSError, ValueError):
        return ""
    return headers.get("x-amz-bucket-region") or ""
