"""What the tests of registering share: a target, an image, marks, and a record in memory."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from flowyard.ports import PrefectApi
from flowyard.register import Registered, Unit, register
from flowyard.registering.deployment import Marks
from flowyard.values import DeploymentSpec, Digest, Json, PrefectChoice, PublishedImage, Repository, Target
from tests.fakes_server import TEMPLATE, FakeServer
from tests.snapshots import snapshot
from tests.support import Described

TARGET = Target("local", "registry.example:5000", "{flow}", "pool", "docker", PrefectChoice("http://x/api"))
IMAGE = PublishedImage(Repository("registry.example:5000", "hello"), Digest(f"sha256:{'a' * 64}"))
NEW_IMAGE = replace(IMAGE, digest=Digest(f"sha256:{'c' * 64}"))
MARKS = Marks("acme", "local", "hello", "key1", "spec1", "commit1")
NEW_MARKS = Marks("acme", "local", "hello", "key2", "spec2", "commit2")
DESCRIBED = Described({"day": {"type": "string"}, "limit": {"type": "integer"}})
MEND = "to mend what is left, ship again when Prefect answers: python build.py ship hello"


@dataclass
class MemoryRecord:
    """A Record that is nowhere; `check` sees it being kept and may raise."""

    check: Callable[[tuple[str, ...]], None] = lambda deployments: None
    kept: list[tuple[str, ...]] = field(default_factory=list)

    def keep(self, deployments: tuple[str, ...]) -> None:
        """As Record.keep."""
        self.kept.append(deployments)
        self.check(deployments)

    def withdraw(self) -> None:
        """As Record.withdraw."""
        self.kept.clear()


def unit(*deployments: DeploymentSpec, image: PublishedImage = IMAGE, marks: Marks = MARKS) -> Unit:
    """A unit on the shared target, of an image that describes the flow `hello`."""
    return Unit(TARGET, deployments, image, DESCRIBED.image(), marks)


def live(server: FakeServer) -> list[Mapping[str, Json]]:
    """All deployments of the server, as the plan would have read them."""
    return [copy.deepcopy(row) for row in server.deployments.values()]


def put(server: FakeServer, one: Unit, record: MemoryRecord | None = None) -> tuple[Registered, ...]:
    """Register the unit in place of everything that the server has."""
    api: PrefectApi = server
    return register(api, one, TEMPLATE, live(server), record or MemoryRecord())


def shown(
    server: FakeServer, *, limits_taken_from: Iterable[str] = (), deleted: Iterable[str] = ()
) -> dict[str, str]:
    """Everything the server shows of deployments, but for the fields that `snapshot` names."""
    rows = sorted(server.deployments.values(), key=lambda row: str(row["name"]))
    return snapshot(rows, limits_taken_from=limits_taken_from, deleted=deleted)
