"""Paths, URLs, addresses, patterns."""

import ipaddress
import pathlib
import re

from prefect import flow
from pydantic import AnyUrl, HttpUrl

from seen import seen


@flow
def paths(
    source: pathlib.Path,
    target: pathlib.Path = pathlib.Path("/data/out"),
    pure: pathlib.PurePosixPath = pathlib.PurePosixPath("a/b"),
    page: HttpUrl = HttpUrl("https://example.com/x?y=1"),
    store: AnyUrl | None = None,
    host: ipaddress.IPv4Address = ipaddress.IPv4Address("127.0.0.1"),
    pattern: re.Pattern = re.compile("^a+$"),
):
    return seen(locals())
