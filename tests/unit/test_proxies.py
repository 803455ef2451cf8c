"""What a proxy is told about who asks."""

from __future__ import annotations

import base64

import pytest

from flowyard.adapters.proxies import proxy_headers


@pytest.mark.parametrize(
    ("proxy", "credentials"),
    [
        ("http://me:secret@proxy.example:3128", "me:secret"),
        ("http://me:p%40ss%2Fword@proxy.example:3128/", "me:p@ss/word"),
    ],
)
def test_credentials_of_its_address_are_sent(proxy: str, credentials: str) -> None:
    expected = base64.b64encode(credentials.encode()).decode()
    assert dict(proxy_headers(proxy)) == {"proxy-authorization": f"Basic {expected}"}


def test_a_proxy_without_credentials_is_told_nothing() -> None:
    assert dict(proxy_headers("http://proxy.example:3128")) == {}
