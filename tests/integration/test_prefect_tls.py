"""A Prefect server behind TLS of a private authority and a proxy that wants a header, as a profile has them.

Prefect's own client reads the same profile, so what it makes of the settings is what ours has to.
"""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from flowyard.adapters.prefect_address import address_from
from flowyard.adapters.prefect_api import PrefectRest
from flowyard.errors import PrefectError, Refused, Unreachable
from flowyard.target import PrefectChoice
from tests.integration.certificates import PrivateAuthority
from tests.integration.pipeline_projects import environment
from tests.integration.tls_front import tls_front

WORD = uuid.uuid4().hex
HEADER = ("X-Way-In", WORD)
ASK = "from prefect import get_client\nwith get_client(sync_client=True) as client: print(client.api_healthcheck())"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> PrivateAuthority:
    return PrivateAuthority(tmp_path_factory.mktemp("tls"), "authority of a Prefect server")


@pytest.fixture(scope="module")
def way_in(prefect_api: str, authority: PrivateAuthority) -> Iterator[str]:
    """The API URL of the session's server behind the proxy."""
    with tls_front(prefect_api, authority.server("127.0.0.1"), HEADER) as url:
        yield url


def profile(folder: Path, url: str, settings: Mapping[str, str]) -> Path:
    """A profiles.toml whose active profile has these settings."""
    lines = [f"{name} = {json.dumps(value)}" for name, value in {"PREFECT_API_URL": url, **settings}.items()]
    file = folder / "profiles.toml"
    file.write_text("\n".join(['active = "company"', "[profiles.company]", *lines, ""]))
    return file


def health(profiles: Path, environ: Mapping[str, str] | None = None) -> object:
    """What our client reads with the settings of a profile and an environment."""
    return PrefectRest(address_from(PrefectChoice(), environ or {}, profiles)).request("GET", "/health")


def test_a_profile_s_authority_and_headers(way_in: str, authority: PrivateAuthority, tmp_path: Path) -> None:
    headers = json.dumps(dict([HEADER]))
    settings = {"PREFECT_API_SSL_CERT_FILE": str(authority.file), "PREFECT_CLIENT_CUSTOM_HEADERS": headers}
    file = profile(tmp_path, way_in, settings)
    assert health(file) is True
    asked = subprocess.run(
        [sys.executable, "-c", ASK],
        env=environment({"PREFECT_PROFILES_PATH": str(file), "PREFECT_HOME": str(tmp_path / "home")}),
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert asked.stdout == "None\n"  # Prefect's client has no complaint either


def test_a_certificate_that_does_not_count(way_in: str, tmp_path: Path) -> None:
    environ = {"PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps(dict([HEADER]))}
    file = profile(tmp_path, way_in, {"PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert health(file, environ) is True
    with pytest.raises(Unreachable) as caught:
        health(file, {**environ, "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "false"})
    assert "has a certificate that is not accepted" in caught.value.message
    assert caught.value.hint == (
        "set PREFECT_API_SSL_CERT_FILE (or SSL_CERT_FILE) to a file that holds the authority which signed it"
    )


def test_another_authority_and_none(way_in: str, tmp_path: Path) -> None:
    other = PrivateAuthority(tmp_path / "other", "another authority").file
    file = profile(tmp_path, way_in, {"PREFECT_API_SSL_CERT_FILE": str(other)})
    with pytest.raises(Unreachable) as caught:
        health(file)
    assert caught.value.hint == (
        f"{other}, which PREFECT_API_SSL_CERT_FILE names, has to hold the authority which signed it"
    )
    other.write_text("no certificate")
    with pytest.raises(PrefectError, match="cannot be read as certificates in PEM form") as unreadable:
        health(file)
    assert str(other) in unreadable.value.message


def test_a_header_that_is_not_let_in(way_in: str, authority: PrivateAuthority, tmp_path: Path) -> None:
    file = profile(tmp_path, way_in, {"PREFECT_API_SSL_CERT_FILE": str(authority.file)})
    wrong = {"PREFECT_CLIENT_CUSTOM_HEADERS": json.dumps({"X-Way-In": f"{WORD}-old"})}
    with pytest.raises(Refused) as caught:
        health(file, wrong)
    assert caught.value.status == 403
    assert WORD not in str(caught.value) + caught.value.hint
    assert WORD not in repr(address_from(PrefectChoice(), wrong, file))
