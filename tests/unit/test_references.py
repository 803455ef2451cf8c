"""Image references are read the way Docker reads them."""

from __future__ import annotations

import re

import pytest

from flowyard.images import Digest, Repository
from flowyard.references import is_registry_host, parse_reference

HEX = "0123456789abcdef" * 4
DIGEST = Digest(f"sha256:{HEX}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("python", (Repository("docker.io", "library/python"), None, None)),
        ("python:3.13-slim", (Repository("docker.io", "library/python"), "3.13-slim", None)),
        ("prefecthq/prefect:3", (Repository("docker.io", "prefecthq/prefect"), "3", None)),
        ("docker.io/python", (Repository("docker.io", "library/python"), None, None)),
        ("index.docker.io/library/python", (Repository("docker.io", "library/python"), None, None)),
        ("localhost/etl", (Repository("localhost", "etl"), None, None)),
        ("localhost:5000/etl:a", (Repository("localhost:5000", "etl"), "a", None)),
        ("127.0.0.1:5000/a/b:c", (Repository("127.0.0.1:5000", "a/b"), "c", None)),
        ("[::1]:5000/a", (Repository("[::1]:5000", "a"), None, None)),
        (
            "registry.example/a_b/c__d/e-f.g:V_1",
            (Repository("registry.example", "a_b/c__d/e-f.g"), "V_1", None),
        ),
        ("HOST/a", (Repository("HOST", "a"), None, None)),
        (f"python@sha256:{HEX}", (Repository("docker.io", "library/python"), None, DIGEST)),
        (f"r.example:1/a:t@sha256:{HEX}", (Repository("r.example:1", "a"), "t", DIGEST)),
        (f"r.example/{'a' * 255}:{'t' * 128}", (Repository("r.example", "a" * 255), "t" * 128, None)),
    ],
)
def test_a_reference_is_split(text: str, expected: tuple[Repository, str | None, Digest | None]) -> None:
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' names no repository"),
        ("r.example/", "'r.example/' names no repository"),
        (
            "https://r.example/a",
            "'https://r.example/a' is a URL; an image reference has no scheme, such as python:3.13-slim",
        ),
        ("r.example/A", "'r.example/A' has the repository 'A'; it must be lowercase"),
        (
            "r.example/a//b",
            "'r.example/a//b' has the repository 'a//b';"
            " its parts are a-z 0-9, joined by one of . _ __ or by dashes",
        ),
        (
            "-x.example/a",
            "'-x.example/a' has the host '-x.example'; a host is a name or an address, perhaps with :port",
        ),
        (
            "r.example:port/a",
            "'r.example:port/a' has the host 'r.example:port';"
            " a host is a name or an address, perhaps with :port",
        ),
        (
            "u:p@r.example/a",
            "'u:p@r.example/a' has the digest 'r.example/a'; a digest is sha256: and 64 digits of 0-9 a-f",
        ),
        (
            "a@sha256:12",
            "'a@sha256:12' has the digest 'sha256:12'; a digest is sha256: and 64 digits of 0-9 a-f",
        ),
        ("a@", "'a@' has the digest ''; a digest is sha256: and 64 digits of 0-9 a-f"),
        (
            "a:",
            "'a:' has the tag ''; a tag is 1 to 128 of A-Z a-z 0-9 _ . - and starts with neither . nor -",
        ),
        (
            "a:.b",
            "'a:.b' has the tag '.b'; a tag is 1 to 128 of A-Z a-z 0-9 _ . - and starts with neither . nor -",
        ),
        (HEX, f"'{HEX}' is an image id, which no container registry knows; use a name or name@sha256:..."),
        (
            f"r.example/{'a' * 256}",
            f"'r.example/{'a' * 256}' has a repository of 256 characters; at most 255 are allowed",
        ),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_reference(text)


def test_a_tag_of_129_characters_is_too_long() -> None:
    with pytest.raises(ValueError, match="a tag is 1 to 128"):
        parse_reference(f"a:{'t' * 129}")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("r.example", True),
        ("r.example:5000", True),
        ("[fe80::1]:5000", True),
        ("user@r.example", False),
        ("r.example/a", False),
        ("r.example\n", False),
        ("", False),
    ],
)
def test_a_host_is_a_name_or_an_address(text: str, expected: bool) -> None:
    assert is_registry_host(text) == expected
