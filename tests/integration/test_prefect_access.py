"""Prefect APIs that want credentials: a server with authentication on, and one of Prefect Cloud's shape.

Ship, worker and run are real in each; the worker hands its own credentials to the containers, and none is in
a deployment.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.ports import PrefectApi
from flowyard.values import PrefectAddress, Secret
from tests.integration.cloud_gateway import Gateway, cloud_gateway
from tests.integration.pipeline_projects import SmallProject, greeting
from tests.integration.prefect_server import prefect_server
from tests.integration.prefect_worker import running_worker

pytest_plugins = ("tests.integration.pipeline_fixtures",)

PASSWORD = f"admin:{uuid.uuid4().hex}"
SAME = greeting("access_greet", "with credentials")  # one image for both


@dataclass(frozen=True)
class Way:
    """How a server is reached: the settings of worker and program, what is secret, and a client of it."""

    prefect: str
    settings: Mapping[str, str]
    secret: str
    api: PrefectApi


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with authentication switched on: its API URL."""
    settings = {"PREFECT_SERVER_API_AUTH_STRING": PASSWORD}
    with prefect_server(tmp_path_factory.mktemp("guarded"), settings=settings) as url:
        yield url


@pytest.fixture(scope="module")
def gateway(prefect_api: str) -> Iterator[Gateway]:
    """The session's server, as Prefect Cloud would serve it."""
    with cloud_gateway(urlsplit(prefect_api).netloc) as serving:
        yield serving


def shipped_and_run(project: SmallProject, way: Way, pool: str) -> None:
    """Ship a flow, run it with a worker, and look for the credentials where they must not be."""
    project.flow("access_greet", SAME)
    project.registry(prefect=way.prefect)
    file = project.root / "registry.toml"
    file.write_text(file.read_text().replace(project.running.target.work_pool, pool))
    done = project.program("ship", env=way.settings)
    assert done.returncode == 0, done.stderr
    again = project.program("plan", env=way.settings)
    assert again.stdout.splitlines()[-1] == "Nothing to do."
    with running_worker(project.root.parent / "worker", pool, way.settings) as log:
        ran = project.program("run", "access_greet", "-p", "who=Ada", "--timeout=120", env=way.settings)
        assert ran.returncode == 0, (ran.stderr, log.read_text())
    assert json.loads(ran.stdout).startswith("Hello, Ada! ")
    tagged = {"deployments": {"tags": {"all_": [f"flowyard:{project.name}"]}}}
    found = way.api.request("POST", "/deployments/filter", tagged)
    assert [deployment["name"] for deployment in found] == ["default"]
    said = json.dumps(found) + done.stdout + done.stderr + ran.stdout + ran.stderr
    assert way.secret not in said
    for path in (path for path in project.root.rglob("*") if path.is_file()):
        assert way.secret.encode() not in path.read_bytes(), path


def test_ship_and_run_on_a_server_with_authentication(project: SmallProject, guarded: str) -> None:
    settings = {"PREFECT_API_URL": guarded, "PREFECT_API_AUTH_STRING": PASSWORD}
    api = PrefectRest(PrefectAddress(guarded, auth_string=Secret(PASSWORD)))
    shipped_and_run(project, Way("{}", settings, PASSWORD, api), "guarded-pool")


def test_ship_and_run_with_a_profile_on_an_api_of_clouds_shape(
    project: SmallProject, gateway: Gateway, tmp_path: Path
) -> None:
    home = tmp_path / "prefect-home"
    home.mkdir()
    (home / "profiles.toml").write_text(
        'active = "ephemeral"\n\n[profiles.ephemeral]\n\n[profiles.production]\n'
        f'PREFECT_API_URL = "{gateway.api_url}"\nPREFECT_API_KEY = "{gateway.key}"\n'
        f'PREFECT_CLOUD_API_URL = "{gateway.cloud_url}"\n'
    )
    settings = {"PREFECT_PROFILES_PATH": str(home / "profiles.toml"), "PREFECT_PROFILE": "production"}
    api = PrefectRest(PrefectAddress(gateway.api_url, key=Secret(gateway.key)))
    way = Way('{ profile = "production" }', settings, gateway.key, api)
    shipped_and_run(project, way, "cloud-pool")


def refused(project: SmallProject, settings: Mapping[str, str], word: str = "plan") -> tuple[str, int]:
    """What the program says, and its exit code."""
    done = project.program(word, env=settings)
    assert done.stdout == ""
    return done.stderr, done.returncode


@pytest.mark.parametrize(
    ("credentials", "hint"),
    [
        (
            {},
            "it wants credentials: set PREFECT_API_AUTH_STRING (user:password) for a server of your own, "
            "PREFECT_API_KEY for Prefect Cloud, or name a profile that holds them",
        ),
        (
            {"PREFECT_API_AUTH_STRING": "admin:wrong"},
            "check PREFECT_API_AUTH_STRING, or the profile's: it was sent and not accepted; "
            "it may be of another server",
        ),
        (
            {"PREFECT_API_KEY": "pnu_1"},
            "check PREFECT_API_KEY, or the profile's: it was sent and not accepted; it may be of another server",
        ),
    ],
)
def test_a_server_that_wants_other_credentials(
    project: SmallProject, guarded: str, credentials: Mapping[str, str], hint: str
) -> None:
    project.flow("access_greet", SAME)
    project.registry(prefect="{}")
    assert refused(project, {"PREFECT_API_URL": guarded, **credentials}) == (
        f"error: POST /deployments/filter: the Prefect API at {guarded} answered 401: Unauthorized\n"
        f"  hint: {hint}\n",
        6,
    )


def test_keys_and_workspaces_that_are_not_there(project: SmallProject, gateway: Gateway) -> None:
    project.flow("access_greet", SAME)
    project.registry(prefect="{}")
    url = {"PREFECT_API_URL": gateway.api_url}
    asked = gateway.asked
    assert refused(project, url) == (
        f"error: {gateway.api_url} is a workspace of Prefect Cloud, and there is no API key for it\n"
        "  hint: set PREFECT_API_KEY, or name the profile that holds it (`prefect cloud login` makes one)\n",
        6,
    )
    assert gateway.asked == asked
    assert refused(project, {**url, "PREFECT_API_KEY": "pnu_expired"}) == (
        f"error: POST /deployments/filter: the Prefect API at {gateway.api_url} answered 401: Unauthorized\n"
        "  hint: check PREFECT_API_KEY, or the profile's: it was sent and not accepted; "
        "it may be of another server\n",
        6,
    )
    guest = refused(project, {**url, "PREFECT_API_KEY": gateway.guest}, "ship")
    assert guest[0].endswith(
        f"the Prefect API at {gateway.api_url} answered 403: Forbidden\n"
        "  hint: who PREFECT_API_KEY stands for may not do this there; ask for the right, or use another one\n"
    )
    assert guest[1] == 6
    elsewhere = gateway.api_url.replace(gateway.workspace, str(uuid.uuid4()))
    assert refused(project, {"PREFECT_API_URL": elsewhere, "PREFECT_API_KEY": gateway.key}) == (
        f"error: POST /deployments/filter: the Prefect API at {elsewhere} answered 404: Not Found\n"
        "  hint: the URL is of no Prefect API, or its account or workspace is not there\n",
        6,
    )
