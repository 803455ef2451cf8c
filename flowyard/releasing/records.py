"""Release records and the target's head, kept in the Prefect server as artifacts.

In the server and not in a file, because laptops and CI jobs ship to the same target; as table artifacts,
because Prefect's own UI then shows them, with their history.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from flowyard.errors import PrefectError
from flowyard.inputs import Inputs
from flowyard.paging import read_all
from flowyard.ports import PrefectApi
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.releasing.holder import Holder
from flowyard.releasing.lease import Terms, hold
from flowyard.releasing.limits import head_limit
from flowyard.releasing.order import History, refused
from flowyard.values import Json

TOKEN = "ship"  # in a record's metadata: which ship wrote it
WHOLE = "*"  # stands for all flows of a target; no flow is called so
_PINNED = "docker task "  # and a flow's name: the image it is pinned to
_TASK_DEFINITION = "task definition "
_INPUT = "input "  # and its name, of whatever kind it is
_HEAD_TERMS = Terms(wait=120.0, poll=0.2)  # moving takes a moment; one that died at it holds it for a minute


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """What one ship made of one flow on one target.

    `spec` is the hash of the deployments' specification; `image` is `repository@digest`; `deployments` are
    full names (`flow/deployment`); `pinned` maps the name of a flow that it calls as a Docker task to the image
    of it; `task_definitions` maps a deployment's name to an ARN. `created` is the server's time (ISO 8601), empty
    until it was appended.
    """

    project: str
    target: str
    flow: str
    key: str
    spec: str
    image: str
    commit: str | None
    dirty: bool
    deployments: tuple[str, ...]
    shipped_by: str
    pinned: Mapping[str, str] = field(default_factory=dict)
    task_definitions: Mapping[str, str] = field(default_factory=dict)
    inputs: Inputs = field(default_factory=Inputs)
    created: str = ""

    @property
    def calls(self) -> Mapping[str, str]:
        """The releases of its Docker tasks, by their flow's name."""
        return self.inputs.calls


@dataclass(frozen=True, slots=True)
class Head:
    """The commit that each flow of a target was last shipped from; None for a tree without git.

    A flow that is not in `commits` was never shipped. `artifact` is where the head is kept, None when it
    does not exist yet. `releases` says which release (see `release_name`) of a flow was recorded last: a ship
    that was killed before it kept its record has not named it here. `whole` is the newest commit of which all
    flows were shipped: what has no commit of its own was not there, or was removed.
    """

    project: str
    target: str
    commits: Mapping[str, str | None]
    artifact: str | None = None
    releases: Mapping[str, str] = field(default_factory=dict)
    whole: str | None = None

    def commit(self, flow: str) -> str | None:
        """The commit that a ship of this flow must come after."""
        return self.commits.get(flow, self.whole)


@dataclass(frozen=True, slots=True)
class Moving:
    """What else a move of the head needs: the releases of the flows that have one now, the commit of which
    all flows were shipped, and who moves it."""

    releases: Mapping[str, str] = field(default_factory=dict)
    whole: str | None = None
    holder: Holder = field(default_factory=Holder)


def release_name(key: str, spec: str) -> str:
    """A release of a flow: what it runs and how it is deployed."""
    return f"{key}/{spec}"


def append(api: PrefectApi, record: ReleaseRecord, token: str = "") -> ReleaseRecord:
    """Keep the record as the newest of its flow and target; returned with the server's time.

    With a `token`, the artifact carries it in its metadata. Raises PrefectError.
    """
    metadata = {"metadata_": {TOKEN: token}} if token else {}
    created = api.request("POST", "/artifacts/", {**record_artifact(record), **metadata})
    return record_of(created, "created")


def latest_of(
    api: PrefectApi, project: str, target: str, flows: Iterable[str]
) -> Mapping[str, ReleaseRecord]:
    """The newest record of each of the flows that has one, in one request. Raises PrefectError."""
    keys = {artifact_key(project, target, flow): flow for flow in flows}
    body = {"artifacts": {"key": {"any_": sorted(keys)}}, "sort": "KEY_ASC"}
    found = read_all(api, "/artifacts/latest/filter", body) if keys else []
    # The collection's `created` is the time of the first record of the key; `updated` is the newest's.
    return {keys[item["key"]]: record_of(item, "updated") for item in found}


def read_head(api: PrefectApi, project: str, target: str) -> Head:
    """The head of a target; one without flows when nothing was shipped yet. Raises PrefectError."""
    # Not GET /artifacts/KEY/latest: the id it answers with is not the artifact's.
    body = {"artifacts": {"key": {"any_": [artifact_key(project, target)]}}, "limit": 1}
    found = api.request("POST", "/artifacts/latest/filter", body)
    if not found:
        return Head(project, target, {})
    try:
        rows = json.loads(found[0]["data"])
        commits = {str(row["flow"]): row["commit"] for row in rows}
        whole = commits.pop(WHOLE, None)
        releases = {str(row["flow"]): str(row["release"]) for row in rows if "release" in row}
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(found[0], error) from error
    return Head(project, target, commits, str(found[0]["latest_id"]), releases, whole)


def move_head(
    api: PrefectApi,
    head: Head,
    updates: Mapping[str, str | None],
    history: History | None = None,
    moving: Moving | None = None,
) -> Head:
    """Set the commits (and releases) of the flows in `updates`, keep all others; the new head.

    Nothing is written when `head` says so already. Else the newest head is read again and changed under a
    lease, so that two ships of different flows that end at once both count. With a `history`, a flow that
    stands at a newer commit by then stays there. Raises Busy, PrefectError.
    """
    moving = moving or Moving()
    if not behind(head, updates, moving):
        return head
    name = head_limit(head.project, head.target)
    with hold(api, [name], _HEAD_TERMS, moving.holder) as lease:
        newest = read_head(api, head.project, head.target)
        updates, moving = (updates, moving) if history is None else in_order(newest, updates, moving, history)
        if not behind(newest, updates, moving):
            return newest
        kept = {flow: name for flow, name in newest.releases.items() if flow not in updates}
        named = {flow: name for flow, name in moving.releases.items() if flow in updates}
        commits = {**newest.commits, **updates}
        whole = moving.whole or newest.whole
        moved = replace(newest, commits=commits, releases={**kept, **named}, whole=whole)
        lease.check()
        return _write_head(api, moved)


def record_artifact(record: ReleaseRecord) -> Json:
    """The payload that keeps a record: a table of fields and values, and a short description."""
    rows: list[tuple[str, Json]] = [
        ("project", record.project),
        ("target", record.target),
        ("flow", record.flow),
        ("key", record.key),
        ("spec", record.spec),
        ("image", record.image),
        ("commit", record.commit),
        ("dirty", record.dirty),
        ("shipped by", record.shipped_by),
    ]
    rows += [("deployment", name) for name in record.deployments]
    rows += [(f"{_PINNED}{name}", image) for name, image in sorted(record.pinned.items())]
    rows += [(f"{_TASK_DEFINITION}{name}", arn) for name, arn in sorted(record.task_definitions.items())]
    rows += [(f"{_INPUT}{name}", value) for name, value in sorted(record.inputs.by_name().items())]
    commit = f"`{record.commit}`" if record.commit else "none"
    dirty = " with uncommitted changes" if record.dirty else ""
    return {
        "key": artifact_key(record.project, record.target, record.flow),
        "type": "table",
        "description": f"Image `{record.image}`\n\nCommit {commit}{dirty}, shipped by {record.shipped_by}",
        "data": json.dumps([{"field": name, "value": value} for name, value in rows]),
    }


def record_of(artifact: Json, time: str) -> ReleaseRecord:
    """Read a record back; `time` names the artifact's field that is its time. Raises PrefectError.

    Fields that a later version added are left out.
    """
    try:
        rows = [(str(row["field"]), row["value"]) for row in json.loads(artifact["data"])]
        single, named = dict(rows), _by_prefix(rows)
        return ReleaseRecord(
            project=single["project"],
            target=single["target"],
            flow=single["flow"],
            key=single["key"],
            spec=single["spec"],
            image=single["image"],
            commit=single["commit"],
            dirty=single["dirty"],
            shipped_by=single["shipped by"],
            deployments=tuple(str(value) for name, value in rows if name == "deployment"),
            pinned=named[_PINNED],
            task_definitions=named[_TASK_DEFINITION],
            inputs=Inputs.of(named[_INPUT]),
            created=str(artifact[time]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(artifact, error) from error


def head_artifact(head: Head) -> Json:
    """The payload that keeps a head: a table of flows and commits."""
    rows = [
        {
            "flow": flow,
            "commit": commit,
            **({"release": head.releases[flow]} if flow in head.releases else {}),
        }
        for flow, commit in sorted(head.commits.items())
    ]
    rows += [{"flow": WHOLE, "commit": head.whole}] if head.whole else []
    return {
        "key": artifact_key(head.project, head.target),
        "type": "table",
        "description": f"The commit each flow of {head.project} on {head.target} was last shipped from",
        "data": json.dumps(rows),
    }


def behind(head: Head, updates: Mapping[str, str | None], moving: Moving) -> set[str]:
    """The flows of `updates` that the head has at another commit or with another release, and WHOLE."""
    flows = {
        flow
        for flow, commit in updates.items()
        if flow not in head.commits
        or head.commits[flow] != commit
        or head.releases.get(flow) != moving.releases.get(flow)
    }
    return flows | ({WHOLE} if moving.whole not in (None, head.whole) else set())


def in_order(
    head: Head, updates: Mapping[str, str | None], moving: Moving, history: History
) -> tuple[Mapping[str, str | None], Moving]:
    """The part of a move that does not take the head back to an older commit."""
    late: set[str] = set()
    for commit in set(updates.values()):
        flows = [flow for flow, wanted in updates.items() if wanted == commit]
        late.update(refused({flow: head.commit(flow) for flow in flows}, commit, history))
    if refused({WHOLE: head.whole}, moving.whole, history):
        moving = replace(moving, whole=None)
    return {flow: commit for flow, commit in updates.items() if flow not in late}, moving


def _write_head(api: PrefectApi, head: Head) -> Head:
    payload = head_artifact(head)
    if head.artifact is not None:
        # Changed in place: the records are the history, a copy of the whole head for every ship is none.
        changes = {name: payload[name] for name in ("data", "description")}
        api.request("PATCH", f"/artifacts/{head.artifact}", changes)
        return head
    created = api.request("POST", "/artifacts/", payload)
    return replace(head, artifact=str(created["id"]))


def _by_prefix(rows: Iterable[tuple[str, Json]]) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {prefix: {} for prefix in (_PINNED, _TASK_DEFINITION, _INPUT)}
    for name, value in rows:
        for prefix, named in found.items():
            if name.startswith(prefix):
                named[name.removeprefix(prefix)] = str(value)
    return found


def _unreadable(artifact: Json, error: Exception) -> PrefectError:
    return PrefectError(
        f"the artifact {artifact.get('key')} in Prefect is not as Flowyard wrote it ({error!r})",
        hint="delete its newest version in Prefect's UI; the one before it then counts",
    )
