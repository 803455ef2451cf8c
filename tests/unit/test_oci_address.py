"""Where a registry's API is, and on which hosts plain HTTP is spoken."""

from __future__ import annotations

import pytest

from flowyard.adapters.oci_address import api_url, is_loopback, login_key, pull_scope
from flowyard.errors import RegistryError
from flowyard.images import Repository


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("LOCALHOST:5000", True),
        ("127.0.0.1", True),
        ("127.255.3.4:5000", True),
        ("::1", True),
        ("[::1]", True),
        ("[::1]:5000", True),
        ("128.0.0.1", False),
        ("127.0.0.256", False),
        ("127.0.0.1.example", False),
        ("127.example", False),
        ("localhost.example", False),
        ("10.0.0.1:5000", False),
        ("[::2]:5000", False),
        ("[fe80::127.0.0.1]", False),
        ("", False),
    ],
)
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) == expected


@pytest.mark.parametrize(
    ("repository", "url", "scope", "key"),
    [
        (
            Repository("docker.io", "python"),
            "https://registry-1.docker.io/v2/library/python",
            "repository:library/python:pull",
            "https://index.docker.io/v1/",
        ),
        (
            Repository("index.docker.io", "prefecthq/prefect"),
            "https://registry-1.docker.io/v2/prefecthq/prefect",
            "repository:prefecthq/prefect:pull",
            "https://index.docker.io/v1/",
        ),
        (
            Repository("ghcr.io", "acme/flows/etl"),
            "https://ghcr.io/v2/acme/flows/etl",
            "repository:acme/flows/etl:pull",
            "ghcr.io",
        ),
        (
            Repository("127.0.0.1:5000", "etl"),
            "http://127.0.0.1:5000/v2/etl",
            "repository:etl:pull",
            "127.0.0.1:5000",
        ),
    ],
)
def test_a_repository_has_one_address(repository: Repository, url: str, scope: str, key: str) -> None:
    assert (api_url(repository), pull_scope(repository), login_key(repository.host)) == (url, scope, key)


def test_what_is_no_host_is_not_asked() -> None:
    with pytest.raises(RegistryError, match=r"'user@r\.example' is not the host of a container registry"):
        api_url(Repository("user@r.example", "a"))
