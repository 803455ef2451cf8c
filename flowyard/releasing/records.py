"""Release records and the target's head, kept in the Prefect server as artifacts.

In the server and not in a file, because laptops and CI jobs ship to the same target; as table artifacts,
because Prefect's own UI then shows them, with their history.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from flowyard.adapters.prefect_api import PAGE, read_all
from flowyard.errors import PrefectError
from flowyard.ports import PrefectApi
from flowyard.releasing.lease import Terms, head_limit, hold
from flowyard.releasing.order import History, refused
from flowyard.values import Json

_NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?")
TOKEN = "ship"  # in a record's metadata: which ship wrote it
_HEAD_TERMS = Terms(duration=60.0, wait=30.0, poll=0.2)


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """What one ship made of one flow on one target.

    `spec` is the hash of the deployments' specification; `image` is `repository@digest`; `deployments` are
    full names (`flow/deployment`); `docker_tasks` maps a name to the image it is pinned to; `inputs` maps
    paths to hashes of content. `created` is the server's time (ISO 8601), empty until it was appended.
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
    docker_tasks: Mapping[str, str] = field(default_factory=dict)
    inputs: Mapping[str, str] = field(default_factory=dict)
    created: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """The commit that each flow of a target was last shipped from; None for a tree without git.

    A flow that is not in `commits` was never shipped. `artifact` is where the head is kept, None when it
    does not exist yet.
    """

    project: str
    target: str
    commits: Mapping[str, str | None]
    artifact: str | None = None


def artifact_key(project: str, target: str, flow: str | None = None) -> str:
    """The artifact key of a flow's records, or of the target's head without a flow.

    Prefect allows lowercase letters, digits and dashes only. Different names never make the same key: two
    dashes part the names, three stand for an underscore. Raises ValueError for a name that is none.
    """
    names = (project, target) if flow is None else (project, target, flow)
    return "--".join(["flowyard", *map(_slug, names)])


def append(api: PrefectApi, record: ReleaseRecord, token: str = "") -> ReleaseRecord:
    """Keep the record as the newest of its flow and target; returned with the server's time.

    With a `token`, the artifact carries it in its metadata. Raises PrefectError.
    """
    metadata = {"metadata_": {TOKEN: token}} if token else {}
    created = api.request("POST", "/artifacts/", {**record_artifact(record), **metadata})
    return _record(created, "created")


def latest(api: PrefectApi, project: str, target: str, flow: str) -> ReleaseRecord | None:
    """The newest record of a flow on a target, or None. Raises PrefectError."""
    return latest_of(api, project, target, [flow]).get(flow)


def latest_of(
    api: PrefectApi, project: str, target: str, flows: Iterable[str]
) -> Mapping[str, ReleaseRecord]:
    """The newest record of each of the flows that has one, in one request. Raises PrefectError."""
    keys = {artifact_key(project, target, flow): flow for flow in flows}
    body = {"artifacts": {"key": {"any_": sorted(keys)}}, "sort": "KEY_ASC"}
    found = read_all(api, "/artifacts/latest/filter", body) if keys else []
    # The collection's `created` is the time of the first record of the key; `updated` is the newest's.
    return {keys[item["key"]]: _record(item, "updated") for item in found}


def history(
    api: PrefectApi, project: str, target: str, flow: str, most: int | None = None
) -> tuple[ReleaseRecord, ...]:
    """The records of a flow on a target, newest first, `most` of them at the most. Raises PrefectError."""
    body = {"artifacts": {"key": {"any_": [artifact_key(project, target, flow)]}}, "sort": "CREATED_DESC"}
    if most is not None and most <= PAGE:
        found = api.request("POST", "/artifacts/filter", {**body, "limit": most, "offset": 0})
    else:
        found = read_all(api, "/artifacts/filter", body)
    return tuple(_record(item, "created") for item in found[:most])


def read_head(api: PrefectApi, project: str, target: str) -> Head:
    """The head of a target; one without flows when nothing was shipped yet. Raises PrefectError."""
    # Not GET /artifacts/KEY/latest: the id it answers with is not the artifact's.
    body = {"artifacts": {"key": {"any_": [artifact_key(project, target)]}}, "limit": 1}
    found = api.request("POST", "/artifacts/latest/filter", body)
    if not found:
        return Head(project, target, {})
    try:
        commits = {str(row["flow"]): row["commit"] for row in json.loads(found[0]["data"])}
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(found[0], error) from error
    return Head(project, target, commits, str(found[0]["latest_id"]))


def move_head(
    api: PrefectApi, head: Head, updates: Mapping[str, str | None], history: History | None = None
) -> Head:
    """Set the commits of the flows in `updates`, keep all others; the new head.

    Nothing is written when `head` says so already. Else the newest head is read again and changed under a
    lease, so that two ships of different flows that end at once both count. With a `history`, a flow that
    stands at a newer commit by then stays there. Raises Busy, PrefectError.
    """
    if _holds(head, updates):
        return head
    with hold(api, [head_limit(head.project, head.target)], _HEAD_TERMS) as lease:
        newest = read_head(api, head.project, head.target)
        updates = updates if history is None else _in_order(newest, updates, history)
        if _holds(newest, updates):
            return newest
        moved = Head(head.project, head.target, {**newest.commits, **updates}, newest.artifact)
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
    rows += [(f"docker task {name}", image) for name, image in sorted(record.docker_tasks.items())]
    rows += [(f"input {path}", content) for path, content in sorted(record.inputs.items())]
    commit = f"`{record.commit}`" if record.commit else "none"
    dirty = " with uncommitted changes" if record.dirty else ""
    return {
        "key": artifact_key(record.project, record.target, record.flow),
        "type": "table",
        "description": f"Image `{record.image}`\n\nCommit {commit}{dirty}, shipped by {record.shipped_by}",
        "data": json.dumps([{"field": name, "value": value} for name, value in rows]),
    }


def head_artifact(head: Head) -> Json:
    """The payload that keeps a head: a table of flows and commits."""
    rows = [{"flow": flow, "commit": commit} for flow, commit in sorted(head.commits.items())]
    return {
        "key": artifact_key(head.project, head.target),
        "type": "table",
        "description": f"The commit each flow of {head.project} on {head.target} was last shipped from",
        "data": json.dumps(rows),
    }


def _holds(head: Head, updates: Mapping[str, str | None]) -> bool:
    return all(flow in head.commits and head.commits[flow] == commit for flow, commit in updates.items())


def _in_order(head: Head, updates: Mapping[str, str | None], history: History) -> Mapping[str, str | None]:
    late: set[str] = set()
    for commit in set(updates.values()):
        flows = [flow for flow, wanted in updates.items() if wanted == commit]
        late.update(refused({flow: head.commits.get(flow) for flow in flows}, commit, history))
    return {flow: commit for flow, commit in updates.items() if flow not in late}


def _write_head(api: PrefectApi, head: Head) -> Head:
    payload = head_artifact(head)
    if head.artifact is not None:
        # Changed in place: the records are the history, a copy of the whole head for every ship is none.
        changes = {name: payload[name] for name in ("data", "description")}
        api.request("PATCH", f"/artifacts/{head.artifact}", changes)
        return head
    created = api.request("POST", "/artifacts/", payload)
    return Head(head.project, head.target, head.commits, str(created["id"]))


def _record(artifact: Json, time: str) -> ReleaseRecord:
    """Read a record back. Fields that a later version added are left out."""
    try:
        rows = [(str(row["field"]), row["value"]) for row in json.loads(artifact["data"])]
        single = dict(rows)
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
            docker_tasks=_prefixed(rows, "docker task "),
            inputs=_prefixed(rows, "input "),
            created=str(artifact[time]),
        )
    except (ValueError, TypeError, KeyError) as error:
        raise _unreadable(artifact, error) from error


def _prefixed(rows: Sequence[tuple[str, Json]], prefix: str) -> Mapping[str, str]:
    return {name.removeprefix(prefix): str(value) for name, value in rows if name.startswith(prefix)}


def _unreadable(artifact: Json, error: Exception) -> PrefectError:
    return PrefectError(
        f"the artifact {artifact.get('key')} in Prefect is not as Flowyard wrote it ({error!r})",
        hint="delete its newest version in Prefect's UI; the one before it then counts",
    )


def _slug(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name: {name!r}")
    return re.sub(r"[_-]+", _dashes, name)


def _dashes(run: re.Match[str]) -> str:
    """One dash is itself, one underscore is three; a longer run is spelled between four and four."""
    special = run.group()
    plain = {"-": "-", "_": "---"}.get(special)
    return plain or f"----{special.translate({ord('-'): '0', ord('_'): '1'})}----"
