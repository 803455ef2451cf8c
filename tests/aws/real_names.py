"""ECR's registries by their real host names: TLS on port 443, and what the API answers is what moto answers.

The names have an address on the engine's bridge: the engine takes a name on 127.0.0.0/8 for an insecure registry, whose
certificate it does not check, and which it asks without TLS where it has to. It takes root, and changes files of the
machine while it lasts (host_names.py).
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import docker
import urllib3
from docker.errors import APIError

from tests.aws.api import REGION, AwsApi
from tests.aws.calls import ACCOUNT, OTHER
from tests.aws.front_server import Front, FrontServer
from tests.aws.host_names import Wanted, named
from tests.aws.registry_front import RegistryFront, running_front, serving
from tests.aws.registry_requests import HOP, Reply, Seen
from tests.integration.certificates import PrivateAuthority
from tests.integration.leftovers import MARK
from tests.integration.yard import remove_images

PORT = 443
# Named, with a certificate that nobody trusts for it.
UNTRUSTED = f"000000000000.dkr.ecr.{REGION}.amazonaws.com"
_PATIENCE = 30.0


@dataclass(frozen=True)
class RealNames:
    """The registries of two accounts by their names, and the server that speaks for them."""

    address: str
    authority: Path
    server: FrontServer
    mine: RegistryFront
    other: RegistryFront
    door: ApiDoor

    def reset(self) -> None:
        """As RegistryFront.reset, of both."""
        self.mine.reset()
        self.other.reset()
        self.door.asked.clear()
        self.server.refused.clear()


@dataclass(frozen=True)
class ApiDoor:
    """ECR's API by its own names, for programs that are told no other address. `asked` are the names they took."""

    api: AwsApi
    asked: list[str] = field(default_factory=list)
    pool: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    def answer(self, request: Seen, body: Iterator[bytes]) -> Reply:
        """As Front.answer."""
        self.asked.append(request.headers["host"])
        passed = {name: value for name, value in request.headers.items() if name not in HOP}
        # Says service, region and caller.
        headers = {**passed, "authorization": request.headers["authorization"]}
        got = self.pool.request(request.method, self.api.url, body=b"".join(body), headers=headers)
        return Reply(got.status, dict(got.headers), got.data)

    def outer(self, request: Seen, location: str) -> str:
        """As Front.outer."""
        return location


def names_of(account: str) -> tuple[str, ...]:
    """https://docs.aws.amazon.com/general/latest/gr/ecr.html: the usual name first, those for FIPS and dual stack."""
    return (
        f"{account}.dkr.ecr.{REGION}.amazonaws.com",
        f"{account}.dkr.ecr-fips.{REGION}.amazonaws.com",
        f"{account}.dkr-ecr.{REGION}.on.aws",
        f"{account}.dkr-ecr-fips.{REGION}.on.aws",
    )


API_NAMES = (
    f"api.ecr.{REGION}.amazonaws.com",
    f"api.ecr-fips.{REGION}.amazonaws.com",
    f"ecr.{REGION}.api.aws",
    f"ecr-fips.{REGION}.api.aws",
)


def hindrance() -> str:
    """Why the names cannot be given here, empty where they can."""
    if os.geteuid() != 0:
        return "it takes root to name hosts and to listen on port 443"
    with closing(docker.from_env()) as engine:
        if engine.info().get("HttpsProxy"):
            return "the engine asks for everything through a proxy"
    if not bridge_address():
        return "the engine has no bridge on this machine"
    return ""


def bridge_address() -> str:
    """This machine's address on the engine's bridge, empty where there is none."""
    with closing(docker.from_env()) as engine:
        found = engine.networks.list(names=["bridge"], filters={"driver": "bridge"})
        ways = [way for one in found for way in one.attrs["IPAM"]["Config"] or ()]
    return next((str(way["Gateway"]) for way in ways if "Gateway" in way), "")


@contextmanager
def real_names(api: AwsApi, folder: Path) -> Iterator[RealNames]:
    """The names are known to this machine and its engine inside; then no image under them is left."""
    address, names = bridge_address(), (*names_of(ACCOUNT), *names_of(OTHER))
    known = (*names, *API_NAMES, UNTRUSTED)
    authority = PrivateAuthority(folder / "authority", "authority of the tests of ECR")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.server(*known))
    session = os.environ.get(MARK, "-")
    with ExitStack() as after:
        after.enter_context(named(Wanted(address, known, names, authority.file, session)))
        mine, other = (after.enter_context(_front(api, folder, account)) for account in (ACCOUNT, OTHER))
        door = ApiDoor(api)
        behind: dict[str, Front] = {**dict.fromkeys(names_of(OTHER), other), **dict.fromkeys(API_NAMES, door)}
        server = FrontServer((address, PORT), lambda host: behind.get(host, mine), context)
        after.enter_context(serving(server))
        after.callback(remove_images, *names, UNTRUSTED)
        _known_to_the_engine(mine)
        yield RealNames(address, authority.file, server, mine, other, door)


@contextmanager
def _front(api: AwsApi, folder: Path, account: str) -> Iterator[RegistryFront]:
    """The registry of an account, which is where the API answers that it is: nothing is rewritten."""
    (folder / account).mkdir()
    name = names_of(account)[0]
    with running_front(api, folder / account, account) as front, api.ecr.listening((account, REGION), name):
        front.host, front.scheme = name, "https"
        yield front


def _known_to_the_engine(front: RegistryFront) -> None:
    """Wait until the engine finds us by the name: its resolver looks at the file of hosts every five seconds."""
    until = time.monotonic() + _PATIENCE
    with closing(docker.from_env()) as engine:
        while not front.requests:
            try:
                engine.api.inspect_distribution(f"{front.host}/flows/nothing")  # type: ignore[no-untyped-call]
            except APIError as error:
                if time.monotonic() > until:
                    raise TimeoutError(f"the engine does not find {front.host}") from error
                time.sleep(0.1)
