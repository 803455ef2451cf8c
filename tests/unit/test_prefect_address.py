from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.adapters.prefect_address import address_from
from flowyard.connect import ui_url
from flowyard.errors import PrefectError
from flowyard.target import PrefectChoice
from flowyard.values import PrefectAddress, Secret

PROFILES = """
active = "local"

[profiles.local]
PREFECT_API_URL = "http://127.0.0.1:4200/api"

[profiles.production]
PREFECT_API_URL = "https://prefect.example.com/api"
PREFECT_API_KEY = "profile-key"

[profiles.basic]
PREFECT_API_URL = "https://basic.example.com/api"
PREFECT_API_AUTH_STRING = "admin:pass"

[profiles.empty]
"""
NEITHER = PrefectChoice()


@pytest.fixture
def profiles(tmp_path: Path) -> Path:
    path = tmp_path / "profiles.toml"
    path.write_text(PROFILES)
    return path


@pytest.mark.parametrize(
    ("choice", "env", "address"),
    [
        (NEITHER, {}, PrefectAddress("http://127.0.0.1:4200/api")),
        (
            NEITHER,
            {"PREFECT_PROFILE": "production"},
            PrefectAddress("https://prefect.example.com/api", key=Secret("profile-key")),
        ),
        (NEITHER, {"PREFECT_API_URL": "http://other/api/"}, PrefectAddress("http://other/api")),
        (
            NEITHER,
            {"PREFECT_API_URL": "https://me:p%40ss@other/api"},
            PrefectAddress("https://other/api", auth_string=Secret("me:p@ss")),
        ),
        (
            NEITHER,
            {"PREFECT_API_URL": "https://me:pass@other/api", "PREFECT_API_AUTH_STRING": "a:b"},
            PrefectAddress("https://other/api", auth_string=Secret("a:b")),
        ),
        (
            NEITHER,
            {"PREFECT_API_URL": "http://other/api", "PREFECT_API_KEY": "k", "PREFECT_API_AUTH_STRING": "a:b"},
            PrefectAddress("http://other/api", key=Secret("k"), auth_string=Secret("a:b")),
        ),
        (
            PrefectChoice(profile="basic"),
            {},
            PrefectAddress("https://basic.example.com/api", auth_string=Secret("admin:pass")),
        ),
        (
            PrefectChoice(profile="production"),
            {"PREFECT_API_KEY": "env-key"},
            PrefectAddress("https://prefect.example.com/api", key=Secret("env-key")),
        ),
        (  # a CI job has no profiles, but the variables
            PrefectChoice(profile="elsewhere"),
            {"PREFECT_API_URL": "https://ci/api", "PREFECT_API_KEY": "k"},
            PrefectAddress("https://ci/api", key=Secret("k")),
        ),
        (  # the key of a profile stays with its own URL
            NEITHER,
            {"PREFECT_PROFILE": "production", "PREFECT_API_URL": "http://other/api"},
            PrefectAddress("http://other/api"),
        ),
        (
            PrefectChoice(api="https://prefect.example.com/api"),
            {"PREFECT_PROFILE": "production", "PREFECT_API_URL": "https://prefect.example.com/api/"},
            PrefectAddress("https://prefect.example.com/api", key=Secret("profile-key")),
        ),
    ],
)
def test_address(choice: PrefectChoice, env: dict[str, str], address: PrefectAddress, profiles: Path) -> None:
    assert address_from(choice, env, profiles) == address


@pytest.mark.parametrize(
    ("choice", "env", "message"),
    [
        (
            NEITHER,
            {"PREFECT_PROFILE": "empty"},
            "no Prefect API is named: PREFECT_API_URL is not set and the profile 'empty' has none",
        ),
        (
            NEITHER,
            {"PREFECT_PROFILE": "missing"},
            "{file} has no profile 'missing' (PREFECT_PROFILE), and PREFECT_API_URL is not set;"
            " it has: basic, empty, local, production",
        ),
        (
            PrefectChoice(profile="missing"),
            {},
            "{file} has no profile 'missing', and PREFECT_API_URL is not set;"
            " it has: basic, empty, local, production",
        ),
        (
            NEITHER,
            {"PREFECT_API_URL": "https://api.prefect.cloud/api/accounts/a/workspaces/w"},
            "https://api.prefect.cloud/api/accounts/a/workspaces/w is a workspace of Prefect Cloud,"
            " and there is no API key for it",
        ),
        (
            PrefectChoice(profile="production"),
            {"PREFECT_API_URL": "http://127.0.0.1:4200/api"},
            "the target names the Prefect profile 'production' (https://prefect.example.com/api),"
            " but PREFECT_API_URL is http://127.0.0.1:4200/api",
        ),
        (
            NEITHER,
            {"PREFECT_API_URL": "prefect.example.com"},
            "the Prefect API is 'prefect.example.com', which is not an http or https URL",
        ),
    ],
)
def test_no_address(choice: PrefectChoice, env: dict[str, str], message: str, profiles: Path) -> None:
    with pytest.raises(PrefectError) as caught:
        address_from(choice, env, profiles)
    assert caught.value.message == message.format(file=profiles)
    assert caught.value.hint


def test_without_a_profiles_file(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    assert address_from(NEITHER, {"PREFECT_API_URL": "http://a/api"}, absent) == PrefectAddress(
        "http://a/api"
    )
    with pytest.raises(PrefectError, match="there is no active profile"):
        address_from(NEITHER, {}, absent)


def test_a_broken_profiles_file(tmp_path: Path) -> None:
    broken = tmp_path / "profiles.toml"
    broken.write_text("active = ")
    with pytest.raises(PrefectError, match=r"profiles\.toml cannot be read"):
        address_from(NEITHER, {"PREFECT_API_URL": "http://a/api"}, broken)


def test_the_embedded_api_is_not_looked_up(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="embedded"):
        address_from(PrefectChoice(api="embedded"), {}, tmp_path)


def test_a_target_s_url_and_the_environment_s_must_be_the_same(profiles: Path) -> None:
    """A key in the environment is never sent to another server than the one it is meant for."""
    choice = PrefectChoice(api="https://prefect.example.com/api")
    env = {"PREFECT_API_URL": "https://other.example.com/api", "PREFECT_API_KEY": "k"}
    with pytest.raises(PrefectError) as caught:
        address_from(choice, env, profiles)
    assert (caught.value.message, caught.value.hint) == (
        "the target names the Prefect API https://prefect.example.com/api,"
        " but PREFECT_API_URL is https://other.example.com/api",
        "unset PREFECT_API_URL, or make both the same",
    )


@pytest.mark.parametrize("variable", [{}, {"PREFECT_API_URL": ""}, {"PREFECT_API_URL": "http://a/api/"}])
def test_a_target_s_url_that_nothing_contradicts(variable: dict[str, str], tmp_path: Path) -> None:
    env = {**variable, "PREFECT_API_KEY": "k"}
    address = PrefectAddress("http://a/api", key=Secret("k"))
    assert address_from(PrefectChoice(api="http://a/api"), env, tmp_path / "absent.toml") == address


@pytest.mark.parametrize(
    ("choice", "url", "shown"),
    [
        (PrefectChoice(api="https://a:one@x/api"), "https://b:two@y/api", ("https://x/api", "https://y/api")),
        (
            PrefectChoice(profile="basic"),
            "https://b:two@y/api",
            ("https://basic.example.com/api", "https://y/api"),
        ),
        (NEITHER, "ftp://b:two@y/api", ("ftp://y/api",)),
    ],
)
def test_no_message_shows_the_credentials_of_a_url(
    profiles: Path, choice: PrefectChoice, url: str, shown: tuple[str, ...]
) -> None:
    with pytest.raises(PrefectError) as caught:
        address_from(choice, {"PREFECT_API_URL": url}, profiles)
    assert "@" not in str(caught.value)
    assert all(one in caught.value.message for one in shown)


def test_an_unknown_profile_in_the_environment_does_not_stand_in_the_way_of_a_url(profiles: Path) -> None:
    env = {"PREFECT_PROFILE": "missing", "PREFECT_API_URL": "http://a/api"}
    assert address_from(NEITHER, env, profiles) == PrefectAddress("http://a/api")
    choice = PrefectChoice(api="http://a/api")
    assert address_from(choice, {"PREFECT_PROFILE": "missing"}, profiles) == PrefectAddress("http://a/api")


@pytest.mark.parametrize(
    ("url", "ui"),
    [
        (
            "https://api.prefect.cloud/api/accounts/1-2/workspaces/3-4",
            "https://app.prefect.cloud/account/1-2/workspace/3-4",
        ),
        ("https://user:pass@prefect.example.com/api", "https://prefect.example.com"),
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200"),
    ],
)
def test_where_the_ui_is(url: str, ui: str) -> None:
    assert ui_url(PrefectAddress(url)) == ui
