"""Prefect's settings beside address and credentials: where they count, and what no setting can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flowyard.adapters.prefect_address import address_from
from flowyard.adapters.prefect_settings import Profile, Settings, profiles_file
from flowyard.errors import PrefectError
from flowyard.target import PrefectChoice
from flowyard.values import PrefectAddress, Secret

FILE = Path("/p/profiles.toml")
HEADERS = "PREFECT_CLIENT_CUSTOM_HEADERS"
SKIP = "PREFECT_API_TLS_INSECURE_SKIP_VERIFY"
AUTHORITIES = "PREFECT_API_SSL_CERT_FILE"
TIMEOUT = "PREFECT_API_REQUEST_TIMEOUT"


def settings(environ: dict[str, str], profile: dict[str, Any] | None = None) -> Settings:
    return Settings(environ, None if profile is None else Profile("work", profile, FILE))


def test_the_environment_comes_before_the_profile() -> None:
    profile = {HEADERS: '{"X-A": "1"}', SKIP: "true", TIMEOUT: "5"}
    both = settings({HEADERS: '{"X-B": "2"}', SKIP: "false", TIMEOUT: "7.5"}, profile)
    assert both.headers() == (("X-B", Secret("2")),)
    assert both.verify() is True
    assert both.timeout() == 7.5


def test_without_any() -> None:
    for none in (
        settings({}),
        settings({}, {}),
        settings({HEADERS: "", SKIP: "", TIMEOUT: "", AUTHORITIES: ""}),
    ):
        assert (none.headers(), none.verify(), none.timeout(), none.authorities()) == ((), True, None, None)


@pytest.mark.parametrize("value", ["true", "True", "1", "yes", "on", True, 1])
def test_switched_on(value: Any) -> None:
    assert settings({}, {SKIP: value}).verify() is False


@pytest.mark.parametrize("value", ["false", "0", "NO", "off", False, 0])
def test_switched_off(value: Any) -> None:
    assert settings({}, {SKIP: value}).verify() is True


def test_headers_as_prefect_takes_them() -> None:
    """As JSON or as a table; what the client manages itself is left out."""
    headers = {"X-Team": "data", "Authorization": "Bearer t", "User-Agent": "me", "prefect-csrf-token": "x"}
    expected = (("Authorization", Secret("Bearer t")), ("X-Team", Secret("data")))
    assert settings({}, {HEADERS: headers}).headers() == expected


def test_the_file_of_authorities(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_text("")
    assert settings({AUTHORITIES: str(file)}).authorities() == file


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (SKIP, "maybe", "is 'maybe', which is neither true nor false"),
        (AUTHORITIES, "/absent/ca.pem", "names '/absent/ca.pem', and there is no such file"),
        (TIMEOUT, "soon", "is 'soon', which is no number of seconds above 0"),
        (TIMEOUT, "-1", "is '-1', which is no number of seconds above 0"),
        (TIMEOUT, "inf", "is 'inf', which is no number of seconds above 0"),
        (HEADERS, "X-A: hunter2", 'is no JSON object of texts, such as {"X-Team": "data"}'),
        (HEADERS, '["hunter2"]', 'is no JSON object of texts, such as {"X-Team": "data"}'),
        (HEADERS, '{"hunter2": 2}', 'is no JSON object of texts, such as {"X-Team": "data"}'),
        (HEADERS, '{"X A": "hunter2", "X-B": "1"}', "has headers that HTTP cannot carry: 'X A'"),
        (HEADERS, '{"X-A": "hunter2\\r\\nX-B: 1"}', "has headers that HTTP cannot carry: 'X-A'"),
        (HEADERS, '{"X-A": "h\u00fcnter2"}', "has headers that HTTP cannot carry: 'X-A'"),
    ],
)
def test_what_it_cannot_be(name: str, value: str, message: str) -> None:
    """The values of headers are never shown: they may be what opens the way in."""
    read = {
        SKIP: Settings.verify,
        AUTHORITIES: Settings.authorities,
        TIMEOUT: Settings.timeout,
        HEADERS: Settings.headers,
    }[name]
    for given, where in (
        (settings({name: value}), "in the environment"),
        (settings({}, {name: value}), f"in the profile 'work' of {FILE}"),
    ):
        with pytest.raises(PrefectError) as caught:
            read(given)
        assert (caught.value.message, caught.value.hint) == (
            f"{name} {where} {message}",
            "correct it, or remove it",
        )


def test_they_stay_with_the_profile_s_own_server(tmp_path: Path) -> None:
    """Its headers may be secrets, and its certificates are those of its server."""
    file = tmp_path / "profiles.toml"
    file.write_text(
        'active = "work"\n[profiles.work]\nPREFECT_API_URL = "https://work/api"\n'
        f'{SKIP} = true\n{TIMEOUT} = 5\n[profiles.work.{HEADERS}]\nX-Team = "data"\n'
    )
    own = PrefectAddress("https://work/api", headers=(("X-Team", Secret("data")),), verify=False, timeout=5.0)
    assert address_from(PrefectChoice(), {}, file) == own
    assert "data" not in repr(own)
    elsewhere = {"PREFECT_API_URL": "https://other/api"}
    assert address_from(PrefectChoice(), elsewhere, file) == PrefectAddress("https://other/api")


def test_a_header_may_stand_for_an_api_key(tmp_path: Path) -> None:
    url = "https://api.prefect.cloud/api/accounts/a/workspaces/w"
    environ = {"PREFECT_API_URL": url, HEADERS: '{"authorization": "Bearer t"}'}
    address = address_from(PrefectChoice(), environ, tmp_path / "absent.toml")
    assert address == PrefectAddress(url, headers=(("authorization", Secret("Bearer t")),))


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"PREFECT_PROFILES_PATH": "/p/x.toml", "PREFECT_HOME": "/h"}, Path("/p/x.toml")),
        ({"PREFECT_HOME": "/h"}, Path("/h/profiles.toml")),
        ({}, Path.home() / ".prefect" / "profiles.toml"),
    ],
)
def test_profiles_file(env: dict[str, str], path: Path) -> None:
    assert profiles_file(env) == path
