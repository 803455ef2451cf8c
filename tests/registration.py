"""What the tests of registering share: a target, an image, marks, and a record in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from flowyard.images import Digest, PublishedImage, Repository
from flowyard.outcome import Registered
from flowyard.ports import PrefectApi
from flowyard.register import Unit, register
from flowyard.registering.deployment import MARK, Marks, normal
from flowyard.registering.live import LiveDeployment
from flowyard.releasing.record_entry import RecordEntry
from flowyard.releasing.records import ReleaseRecord
from flowyard.target import PrefectChoice, Target
from flowyard.values import DeploymentSpec, Json, Schedule
from tests.fakes_server import TEMPLATE, FakeServer
from tests.snapshots import snapshot
from tests.support import Described, alive

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


def live(server: FakeServer) -> Sequence[LiveDeployment]:
    """All deployments of ours that the server has, as the plan would have read them."""
    return alive(json.loads(json.dumps(list(server.deployments.values()))))


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


# A unit as it was, and as it is to be: one deployment whose limit goes and whose schedules change, one that gets
# a limit, one that is new, two that are removed.
NIGHTLY, HOURLY = Schedule(cron="0 6 * * *", name="nightly"), Schedule(interval=3600, parameters={"limit": 2})
DAILY = DeploymentSpec("daily", "flow.py", (NIGHTLY, HOURLY), {"day": "today"}, concurrency_limit=2)
WEEKLY = DeploymentSpec("weekly", "flow.py", (NIGHTLY,), tags=("x",), work_queue="urgent")
OLD, OLDER = (
    DeploymentSpec("old", "flow.py", (NIGHTLY,)),
    DeploymentSpec("older", "flow.py", concurrency_limit=1),
)
_BEFORE = unit(DAILY, WEEKLY, OLD, OLDER)
CHANGED = replace(DAILY, schedules=(HOURLY,), parameters={}, description="New.", concurrency_limit=None)
LIMITED = replace(WEEKLY, concurrency_limit=3, collision_strategy="CANCEL_NEW", tags=(), work_queue=None)
_AFTER = unit(
    CHANGED, LIMITED, DeploymentSpec("new", "flow.py", (NIGHTLY,)), image=NEW_IMAGE, marks=NEW_MARKS
)
OLD_RECORD = ReleaseRecord("acme", "local", "hello", "key1", "spec1", str(IMAGE), "c1", False, (), "ada")
NEW_RECORD = replace(OLD_RECORD, key="key2", spec="spec2", image=str(NEW_IMAGE), commit="c2")
FOREIGN = {"schedule": {"cron": "30 12 * * *"}, "active": True, "max_scheduled_runs": 3}


def register_before(api: PrefectApi, base_job_template: Mapping[str, Json]) -> None:
    """Register the unit as it was, and do to it what people do in the UI."""
    registered = register(api, _BEFORE, base_job_template, [], RecordEntry(api, OLD_RECORD))
    path = f"/deployments/{registered[0].id}"
    api.request("POST", f"{path}/schedules", [FOREIGN])
    daily = api.request("GET", path)
    nightly = next(one for one in daily["schedules"] if one["slug"] == "flowyard-nightly")
    api.request("PATCH", f"{path}/schedules/{nightly['id']}", {"active": False})
    api.request("PATCH", path, {"paused": True, "description": None})
    api.request("PATCH", f"/v2/concurrency_limits/deployment:{daily['id']}", {"active": False})


def register_after(
    api: PrefectApi, base_job_template: Mapping[str, Json], live: Iterable[LiveDeployment]
) -> tuple[Registered, ...]:
    """Register the unit as it is to be."""
    return register(api, _AFTER, base_job_template, live, RecordEntry(api, NEW_RECORD))


def outcome(
    deployments: Iterable[Mapping[str, Json]], limits: Iterable[str], records: Iterable[ReleaseRecord]
) -> tuple[Json, ...]:
    """What a unit that is complete comes to, whatever ids and times it has: its deployments and what is paused
    in them, its newest record, and limits that no deployment has."""
    rows = {str(row["name"]): row for row in deployments}
    own = {
        name: (normal(row), row["paused"], row["labels"][f"{MARK}key"]) for name, row in sorted(rows.items())
    }
    schedules = {
        name: sorted((one["slug"] or "", one["active"]) for one in row["schedules"])
        for name, row in rows.items()
    }
    held = {f"deployment:{row['id']}" for row in rows.values() if row["global_concurrency_limit"]}
    lost = {name for name in limits if name.startswith("deployment:")} - held
    newest = replace(next(iter(records)), created="")
    return own, schedules, newest, lost
