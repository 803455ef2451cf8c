"""Secrets of a ship: a registry's credentials, a private package index, a CA bundle; used and kept nowhere."""

from __future__ import annotations

import json
import subprocess
import uuid
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import docker
import urllib3

from flowyard.adapters.oci import OciRegistry
from flowyard.load import LOCAL_FILE
from flowyard.values import ImageReference, Repository
from tests.integration.pipeline_projects import SmallProject
from tests.integration.private_index import PACKAGE, PrivateIndex, private_index
from tests.integration.registry_held import docker_config, login
from tests.integration.registry_program import PASSWORD, USER, basic_auth, running_registry

pytest_plugins = ("tests.integration.pipeline_fixtures",)

# A Dockerfile of its own, and as little in it as registering needs: what is tested is how it gets there.
SMALL = "FROM scratch\nCOPY project/flows/secret_login/described.json /opt/flowyard/description.json\n"
DESCRIBED = {
    "version": 1,
    "python": "3.13.0",
    "prefect": "3.8.8",
    "distributions": {},
    "folder": "/",
    "flows": [
        {
            "id": "secret_login",
            "requested": "flow.py",
            "entrypoint": "flow.py:secret_login",
            "name": "secret-login",
            "description": None,
            "parameter_schema": {"title": "Parameters", "type": "object", "properties": {}},
            "enforce_parameter_schema": True,
        }
    ],
}
PRIVATE = f'''from flowyard_private_package import WHENCE
from prefect import flow

EDITION = "{{edition}}"


@flow
def secret_private() -> str:
    """Needs {PACKAGE}."""
    return WHENCE
'''


def test_a_registry_that_wants_credentials(project: SmallProject, tmp_path: Path) -> None:
    project.flow("secret_login")
    project.write("flows/secret_login/Dockerfile", SMALL)
    project.write("flows/secret_login/described.json", json.dumps(DESCRIBED))
    with running_registry(tmp_path, basic_auth(tmp_path)) as host:
        project.registry(registry=f'{{ type = "oci", url = "{host}/acme" }}')
        for name, config in (("none", {}), ("wrong", login(host, USER, "guessed"))):
            refused = project.program("ship", env=docker_config(tmp_path / name, config))
            assert (refused.returncode, refused.stdout) == (5, "")
            first, *rest = refused.stderr.splitlines()
            assert first.endswith(
                ": the container registry answered HTTP 401 UNAUTHORIZED (authentication required)"
            )
            assert rest == [f"  hint: docker login {host}"]
        assert project.deployments() == {}
        good = docker_config(tmp_path / "good", login(host, USER, PASSWORD))
        done = project.program("ship", env=good)
        assert done.returncode == 0, done.stderr
        deployment = project.deployment("secret_login")
        image, key = deployment["job_variables"]["image"], deployment["labels"]["flowyard.key"]
        reference = ImageReference(Repository(host, "acme/secret_login"), key)
        try:
            held = OciRegistry(environ=good).digest(reference)
            assert (done.stdout, image) == (f"secret_login  {image}\n", f"{reference.repository}@{held}")
            assert urllib3.request("GET", f"http://{host}/v2/_catalog").status == 401
            assert project.program("plan", "--detailed-exitcode", env=good).returncode == 0
        finally:
            subprocess.run(["docker", "image", "rm", str(reference)], check=True, capture_output=True)


def test_a_private_index_and_a_ca_bundle_are_in_no_layer_and_no_history(
    project: SmallProject, tmp_path: Path
) -> None:
    # What every flow's image begins with comes from the public index, in a build that knows nothing private.
    project.flow("secret_public")
    project.shipped()
    edition = uuid.uuid4().hex
    project.flow("secret_private", PRIVATE.format(edition=edition))
    project.write("flows/secret_private/requirements.txt", f"{PACKAGE}==1.0\n")
    with private_index(tmp_path, bridge_gateway(), f"password-{uuid.uuid4().hex}") as index:
        uv = {"SSL_CERT_FILE": str(index.authority), "UV_DEFAULT_INDEX": index.url}
        locked = [project.program("lock", "secret_private", env=uv) for _ in range(2)]
        said = "locking secret_private\n"
        path = "flows/secret_private/requirements.lock"
        assert [(done.returncode, done.stdout, done.stderr) for done in locked] == [
            (0, f"{path}\n", f"{said}commit the files above\n"),
            (0, "", f"{said}every lock is fresh\n"),
        ]
        assert "https://" not in (project.root / path).read_text()
        local_settings(project, index)
        unset = project.program("ship", "secret_private")
        assert unset.returncode != 0
        assert "build secret 'index' is the variable PRIVATE_INDEX, which is not set" in unset.stderr
        done = project.program("ship", "secret_private", env={"PRIVATE_INDEX": index.url})
        assert done.returncode == 0, done.stderr
    secrets = {"password": index.password.encode(), "certificate": certificate(index.authority)}
    key = project.deployment("secret_private")["labels"]["flowyard.key"]
    reference = f"{project.host}/flows/secret_private:{key}"
    sought = {
        **secrets,
        "the source": edition.encode(),
    }  # the last must be found, or the search proves nothing
    assert found_in(saved(reference), sought) == {"the source"}
    history = ["docker", "history", "--no-trunc", reference]
    assert found_in([subprocess.run(history, check=True, capture_output=True).stdout], secrets) == set()
    kept = [path.read_bytes() for path in sorted(project.root.rglob("*")) if path.is_file()]
    assert found_in(kept, secrets) == set()
    assert found_in([done.stdout.encode(), done.stderr.encode()], secrets) == set()


def bridge_gateway() -> str:
    """This machine's address on the engine's default bridge."""
    with closing(docker.from_env()) as engine:
        return str(engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"])


def local_settings(project: SmallProject, index: PrivateIndex) -> None:
    """Hand the index and its authority to builds, beside the base image that is configured already."""
    bases = (project.root / LOCAL_FILE).read_text().partition("[build-secrets]")[0]
    secrets = f'[build-secrets]\nca = {{ file = "{index.authority}" }}\nindex = {{ env = "PRIVATE_INDEX" }}\n'
    project.write(LOCAL_FILE, bases + secrets)


def certificate(path: Path) -> bytes:
    """A line of the certificate that no other one has."""
    return path.read_bytes().splitlines()[3]


def saved(reference: str) -> Iterable[bytes]:
    """The whole image, layers and configuration with history, as the engine exports it."""
    with subprocess.Popen(["docker", "save", reference], stdout=subprocess.PIPE) as export:
        assert export.stdout is not None
        overlap = b""
        while block := export.stdout.read(1 << 22):
            yield overlap + block
            overlap = block[-1024:]
    assert export.returncode == 0


def found_in(blocks: Iterable[bytes], sought: dict[str, bytes]) -> set[str]:
    """Which of the values are in any of the blocks."""
    return {name for block in blocks for name, value in sought.items() if value in block}
