"""What a ship with secrets goes through, and where the secrets are planted.

A private index on loopback, a proxy that looks into TLS, a container registry of a private authority; and the
files, variables and settings in which people keep passwords.
"""

from __future__ import annotations

import base64
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import docker

from flowyard.adapters.registry_certificates import SYSTEM
from flowyard.configuration.paths import LOCAL_FILE
from flowyard.embedded.state import api_url
from flowyard.values import Json
from tests.integration.canaries import Canary, HeldImage
from tests.integration.certificates import PrivateAuthority
from tests.integration.intercepting_proxy import InterceptingProxy, intercepting_proxy
from tests.integration.pipeline_projects import SmallProject
from tests.integration.private_index import PACKAGE, PrivateIndex, private_index
from tests.integration.registry_held import docker_config, login
from tests.integration.registry_program import PASSWORD, USER, Tls, basic_auth, running_registry

ENV_FILE, KEY_FILE = ".env in the flow's folder", "private key in the flow's folder"


PLANTED = (
    "variable of the shipping process",
    "Prefect API key",
    "Prefect API URL",
    ENV_FILE,
    KEY_FILE,
    "package index",
    "build secret in a file",
    "Docker configuration",
    "proxy",
    "netrc",
    "uv and pip configuration",
    "git remote",
)


FLOW = f'''from flowyard_private_package import WHENCE
from prefect import flow

EDITION = "{{edition}}"


@flow
def secret_flow() -> str:
    """Needs {PACKAGE}."""
    return WHENCE
'''


# The install steps keep the mounts they have in every flow, so that they come from BuildKit's cache: the private
# index has one package only. The step here fails without its secret.
TEMPLATE = """{% extends "Dockerfile.j2" %}
{% set secret_mounts = "--mount=type=secret,id=ca --mount=type=secret,id=index" %}
{% block dependencies %}
{{ super() }}
RUN --mount=type=secret,id=token test -s /run/secrets/token && sha256sum < /run/secrets/token > /etc/token.sum
{% endblock %}
"""


@dataclass(frozen=True)
class Surroundings:
    """Where a ship goes and what it goes through."""

    index: PrivateIndex
    proxy: InterceptingProxy
    registry: str
    authority: Path

    def held(self, repository: str) -> HeldImage:
        """An image in the private registry."""
        pair = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        return HeldImage(f"https://{self.registry}/v2/{repository}", self.authority, f"Basic {pair}")


def plant(project: SmallProject, around: Surroundings, canaries: dict[str, Canary], edition: str) -> None:
    """The flow, the project's settings, and what lies in its folders."""
    value = {name: one.value for name, one in canaries.items()}
    project.flow("secret_flow", FLOW.format(edition=edition), 'build-secrets = ["token"]\n')
    project.write("flows/secret_flow/requirements.txt", f"{PACKAGE}==1.0\n")
    project.write("flows/secret_flow/Dockerfile.j2", TEMPLATE)
    project.write("flows/secret_flow/.env", f"PASSWORD={value[ENV_FILE]}\n")
    key = f"-----BEGIN PRIVATE KEY-----\n{value[KEY_FILE]}\n-----END PRIVATE KEY-----\n"
    for name in ("authority.key", "certs/authority.pem"):
        project.write(f"flows/secret_flow/{name}", key)
    project.write("flows/secret_flow/.netrc", f"machine other login me password {value['netrc']}\n")
    project.write("token.txt", value["build secret in a file"])
    project.registry(registry=f'{{ type = "oci", url = "{around.registry}/acme" }}', prefect="{}")
    bases = (project.root / LOCAL_FILE).read_text().partition("[build-secrets]")[0]
    secrets = {
        "ca": f'{{ file = "{around.proxy.authority}" }}',
        "index": '{ env = "PRIVATE_INDEX" }',
        "token": f'{{ file = "{project.root / "token.txt"}" }}',
    }
    lines = [f"{name} = {where}" for name, where in secrets.items()]
    project.write(LOCAL_FILE, "\n".join([bases, "[build-secrets]", *lines, ""]))
    git = ["git", "-C", str(project.root)]
    remote = f"https://me:{quote(value['git remote'], safe='')}@git.example/acme.git"
    for words in (["init", "--quiet"], ["remote", "add", "origin", remote], ["add", "flows", "images"]):
        subprocess.run([*git, *words], check=True, capture_output=True)
    author = ["-c", "user.name=Test", "-c", "user.email=test@example.invalid"]
    subprocess.run([*git, *author, "commit", "--quiet", "-m", "one"], check=True, capture_output=True)


def environment(
    project: SmallProject, around: Surroundings, canaries: dict[str, Canary], home: Path
) -> dict[str, str]:
    """What the shipping process is given, and the files of its home folder."""
    value = {name: one.value for name, one in canaries.items()}
    other = quote(value["uv and pip configuration"], safe="")
    files = {
        ".netrc": f"machine other.example login me password {value['netrc']}\n",
        ".config/uv/uv.toml": f'[[index]]\nurl = "https://me:{other}@other.example/simple"\n',
        ".config/pip/pip.conf": f"[global]\nextra-index-url = https://me:{other}@other.example/simple\n",
    }
    for name, text in files.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    auths: dict[str, Json] = {
        **login(around.registry, USER, PASSWORD)["auths"],  # type: ignore[dict-item]
        **login("other.example", "me", value["Docker configuration"])["auths"],  # type: ignore[dict-item]
    }
    proxies = {"default": {"httpProxy": around.proxy.url, "httpsProxy": around.proxy.url}}
    api = api_url(project.running.state)
    named = api.replace("//", f"//me:{quote(value['Prefect API URL'], safe='')}@")
    return {
        **docker_config(home / ".docker", {"auths": auths, "proxies": proxies}),
        "HOME": str(home),
        "NETRC": str(home / ".netrc"),
        "HTTPS_PROXY": around.proxy.url,
        "NO_PROXY": "127.0.0.1",
        "SSL_CERT_FILE": str(around.proxy.authority),
        "PREFECT_API_URL": named,
        "PREFECT_API_KEY": value["Prefect API key"],
        "PRIVATE_INDEX": around.index.url,
        "DEPLOY_TOKEN": value["variable of the shipping process"],
    }


def bridge_gateway() -> str:
    """This machine's address on the engine's default bridge."""
    with closing(docker.from_env()) as engine:
        return str(engine.networks.get("bridge").attrs["IPAM"]["Config"][0]["Gateway"])


@contextmanager
def trusted_by_the_engine(registry: str, authority: Path) -> Iterator[None]:
    """The engine reads the folder with every push and pull: it need not be restarted."""
    folder = SYSTEM / registry
    folder.mkdir(parents=True)
    try:
        shutil.copy(authority, folder / "ca.crt")
        yield
    finally:
        shutil.rmtree(folder)


def remove_images(registry: str) -> None:
    """Leave no image of this registry in the engine."""
    with closing(docker.from_env()) as engine:
        for image in engine.api.images():
            for name in (*(image["RepoTags"] or ()), *(image["RepoDigests"] or ())):
                if name.startswith(f"{registry}/"):
                    subprocess.run(["docker", "image", "rm", name], check=False, capture_output=True)


@contextmanager
def surroundings(folder: Path, canaries: Mapping[str, Canary]) -> Iterator[Surroundings]:
    """Index, registry and proxy for the block, each with its canary for a password where it can have one."""
    gateway = bridge_gateway()
    with ExitStack() as after:
        password = canaries["package index"].value
        index = after.enter_context(private_index(folder, "127.0.0.1", password))
        authority = PrivateAuthority(folder / "registry", "authority of a registry")
        tls = Tls(gateway, *authority.server(gateway))
        registry = after.enter_context(running_registry(folder, basic_auth(folder), tls))
        after.enter_context(trusted_by_the_engine(registry, authority.file))
        after.callback(remove_images, registry)
        trusted = (index.authority, authority.file)
        password = canaries["proxy"].value
        proxy = after.enter_context(intercepting_proxy(folder, gateway, password, trusted))
        yield Surroundings(index, proxy, registry, authority.file)
