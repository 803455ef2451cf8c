"""Which addresses are asked at all, and how long the client tries."""

from __future__ import annotations

import time

import pytest
from urllib3.exceptions import MaxRetryError

from flowyard.adapters.oci_http import BoundedRetry, check_transport
from flowyard.errors import RegistryError


@pytest.mark.parametrize(
    "url",
    ["https://r.example/v2/", "https://10.0.0.1:5000/", "http://127.0.0.1:5000/v2/", "http://[::1]:5000/"],
)
def test_https_and_loopback_are_asked(url: str) -> None:
    check_transport(url, "a:b")


@pytest.mark.parametrize(
    "url",
    [
        "http://r.example/v2/",
        "http://10.0.0.1:5000/",
        "http://127.0.0.1@r.example/",
        "ftp://localhost/",
        "//x",
    ],
)
def test_plain_http_elsewhere_is_not_asked(url: str) -> None:
    with pytest.raises(RegistryError, match="it must be https, or http on a loopback address"):
        check_transport(url, "a:b")


def test_a_retry_keeps_its_deadline_and_ends_with_it() -> None:
    retry = BoundedRetry(total=5, backoff_factor=10)
    retry.deadline = time.monotonic() + 5
    first = retry.increment("GET", "/")  # the first retry waits for nothing
    assert (first.total, first.deadline) == (4, retry.deadline)
    with pytest.raises(MaxRetryError):
        first.increment("GET", "/")  # the second would wait 20 seconds
