"""URLs in messages hold no credentials, and two spellings of one API are one."""

from __future__ import annotations

import pytest

from flowyard.urls import comparable, is_http_url, without_credentials


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://prefect.example.com/api", "https://prefect.example.com/api"),
        ("https://me:secret@prefect.example.com/api", "https://prefect.example.com/api"),
        ("https://me:se/cr@et@prefect.example.com/api", "https://prefect.example.com/api"),
        ("https://prefect.example.com/api?token=secret#secret", "https://prefect.example.com/api"),
        ("me:secret@prefect.example.com", "prefect.example.com"),
        ("https://me:secret@", "https://"),
        ("", ""),
    ],
)
def test_without_credentials(url: str, shown: str) -> None:
    assert without_credentials(url) == shown


@pytest.mark.parametrize(
    ("url", "other", "same"),
    [
        ("http://x/api", "HTTP://X/api/", True),
        ("http://x/api", "http://x/API", False),
        ("http://x/api", "https://x/api", False),
        ("http://x/api", "http://y/api", False),
    ],
)
def test_comparable(url: str, other: str, same: bool) -> None:
    assert (comparable(url) == comparable(other)) is same


@pytest.mark.parametrize(
    "url",
    [
        "http://x",
        "https://prefect.example.com:4200/api",
        "http://[::1]:4200/api",
        "http://me:pw@x/api",
        "HTTP://X",
    ],
)
def test_urls_of_an_api(url: str) -> None:
    assert is_http_url(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "http://",
        "http:///api",
        "ftp://x",
        "http://a b",
        "http://x:99999",
        "http://x:port",
        "http://x?a=b",
    ],
)
def test_what_is_no_url_of_an_api(url: str) -> None:
    assert not is_http_url(url)
