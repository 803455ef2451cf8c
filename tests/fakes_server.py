"""A Prefect API in memory that also has flows, deployments, work pools and flow runs.

It keeps the server's manners: a POST of a deployment changes the one of that flow and name and keeps what is not
sent, but for schedules (made anew, each time), parameters and labels; schedules are shown newest first and lose
`max_scheduled_runs`; the limit is an object of its own, which goes when none is sent or its deployment goes.
"""

from __future__ import annotations

import json
import pickle
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Self

from flowyard.errors import Conflict, NotFound, Refused
from flowyard.values import Json
from tests.fakes_prefect import FakePrefect

TEMPLATE: Mapping[str, Json] = {
    "variables": {
        "type": "object",
        "$defs": {"Credentials": {"type": "object", "properties": {"user": {"type": "string"}}}},
        "properties": {
            "image": {"type": "string"},
            "auto_remove": {"type": "boolean"},
            "container_create_kwargs": {"anyOf": [{"type": "object"}, {"type": "null"}]},
            "env": {
                "type": "object",
                "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            },
            "mem_limit": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "network_mode": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "registry_credentials": {"anyOf": [{"$ref": "#/$defs/Credentials"}, {"type": "null"}]},
            "volumes": {"type": "array", "items": {"type": "string"}},
        },
    }
}
Row = dict[str, Any]
_NEW: Mapping[str, Json] = {
    "description": None,
    "version": None,
    "tags": [],
    "parameter_openapi_schema": {},
    "job_variables": {},
    "pull_steps": None,
    "path": None,
    "entrypoint": None,
    "work_pool_name": None,
    "work_queue_name": "default",
    "enforce_parameter_schema": True,
    "paused": False,
    "concurrency_limit": None,
    "global_concurrency_limit": None,
    "concurrency_options": None,
}


class FakeServer(FakePrefect):
    """FakePrefect with everything that registering needs.

    `refuse` is asked before every request and may say why it is refused; `alter` may change a deployment
    that is kept, as a server that does not know a setting does.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flows: dict[str, str] = {}
        self.deployments: dict[str, Row] = {}
        self.pools: dict[str, Row] = {
            "pool": {"id": "pool-1", "type": "docker", "base_job_template": TEMPLATE}
        }
        self.blocks: dict[str, Row] = {}
        self.runs: list[Row] = []
        self.version: str | None = "3.8.8"
        self.refuse: Callable[[str, str, Json], str | None] = lambda method, path, body: None
        self.alter: Callable[[Row], None] = lambda row: None

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        asked = f"{method} {path}"
        for pattern, handler in _COMPILED:
            found = pattern.fullmatch(asked)
            if found is not None:
                self.requests.append((method, path, _sent(body)))
                why = self.refuse(method, path, body)
                if why is not None:
                    raise Refused(why, status=500)
                return _sent(handler(self, found[1] if found.groups() else "", body))
        return super().request(method, path, body)

    def saved(self) -> bytes:
        """All that it holds, to be loaded into another."""
        return pickle.dumps((self.flows, self.deployments, self.limits, self.artifacts, self._time))

    def load(self, saved: bytes) -> Self:
        """Hold what another one held."""
        self.flows, self.deployments, self.limits, self.artifacts, self._time = pickle.loads(saved)
        return self

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of every request so far that changes something."""
        return [(m, p) for m, p, _ in self.requests if m != "GET" and not p.endswith("/filter")]

    def by_name(self) -> dict[str, Row]:
        """The deployments by `flow/name`."""
        names = {identity: name for name, identity in self.flows.items()}
        return {f"{names[row['flow_id']]}/{row['name']}": row for row in self.deployments.values()}


def _sent(value: Json) -> Json:
    """A copy, as it would come out at the other end of a connection."""
    return None if value is None else json.loads(json.dumps(value))


def _version(server: FakeServer, _: str, body: Any) -> Json:
    if server.version is None:
        raise NotFound("Not Found", status=404)
    return server.version


def _post_flow(server: FakeServer, _: str, body: Any) -> Json:
    return {"id": server.flows.setdefault(body["name"], str(uuid.uuid4())), "name": body["name"]}


def _post_deployment(server: FakeServer, _: str, body: Any) -> Json:
    body = _sent(body)
    if body["flow_id"] not in server.flows.values():
        raise NotFound("Flow not found", status=404)
    schedules = body.pop("schedules", [])
    slugs = [schedule.get("slug") for schedule in schedules if schedule.get("slug")]
    if len(slugs) != len(set(slugs)):
        raise Conflict("Data integrity conflict.", status=409)
    wanted = (body["flow_id"], body["name"])
    before = (row for row in server.deployments.values() if (row["flow_id"], row["name"]) == wanted)
    now = server.now()
    row: Row = next(before, {**_sent(dict(_NEW)), "id": str(uuid.uuid4()), "created": now})
    limits = {
        name: body.pop(name) for name in ("global_concurrency_limit_id", "concurrency_limit") if name in body
    }
    row |= {"parameters": {}, **body, "updated": now}
    row["labels"] = {"prefect.flow.id": body["flow_id"], **(body.get("labels") or {})}
    row["schedules"] = []
    _add_schedules(server, row, [{**schedule, "max_scheduled_runs": None} for schedule in schedules])
    _set_limit(server, row, limits)
    server.alter(row)
    row = {name: row[name] for name in sorted(row)}  # shown in one order, as a server does
    server.deployments[row["id"]] = row
    return row


def _add_schedules(server: FakeServer, row: Row, schedules: list[Row]) -> None:
    for schedule in schedules:
        now = server.now()
        unsaid: Row = {"active": True, "max_scheduled_runs": None, "parameters": {}, "slug": None}
        own = {"id": str(uuid.uuid4()), "created": now, "updated": now, "deployment_id": row["id"]}
        row["schedules"].insert(0, {**unsaid, **schedule, **own})


def _post_schedules(server: FakeServer, identity: str, body: Any) -> Json:
    row = _get_deployment(server, identity, None)
    _add_schedules(server, row, _sent(body))
    return row["schedules"]


def _patch_deployment(server: FakeServer, identity: str, body: Any) -> Json:
    _get_deployment(server, identity, None).update({**_sent(body), "updated": server.now()})


def _patch_schedule(server: FakeServer, where: str, body: Any) -> Json:
    deployment, _, identity = where.partition("/schedules/")
    row = _get_deployment(server, deployment, None)
    found = next(one for one in row["schedules"] if one["id"] == identity)
    found |= {"parameters": {}, **body, "updated": server.now()}
    row["schedules"].sort(key=lambda one: str(one["updated"]), reverse=True)


def _set_limit(server: FakeServer, row: Row, sent: Row) -> None:
    if "global_concurrency_limit_id" in sent:
        found = (one for one in server.limits.values() if one["id"] == sent["global_concurrency_limit_id"])
        row["global_concurrency_limit"] = next(found, None)
    if "concurrency_limit" not in sent:
        return
    linked, limit = row["global_concurrency_limit"], sent["concurrency_limit"]
    if limit is None:
        _drop_limit(server, linked)
    elif linked is not None:
        linked |= {"limit": limit, "updated": linked["updated"] if linked["limit"] == limit else server.now()}
    else:
        body = {"name": f"deployment:{row['id']}", "limit": limit, "active": True}
        row["global_concurrency_limit"] = server.make_limit(body)


def _drop_limit(server: FakeServer, limit: Row | None) -> None:
    """Without a foreign key that minds: whoever shares it has none from now on."""
    if limit is not None:
        del server.limits[limit["name"]]
        for row in server.deployments.values():
            if row["global_concurrency_limit"] is limit:
                row["global_concurrency_limit"] = None


def _get_deployment(server: FakeServer, identity: str, _: Any) -> Json:
    if identity not in server.deployments:
        raise NotFound("Deployment not found", status=404)
    return server.deployments[identity]


def _delete_deployment(server: FakeServer, identity: str, _: Any) -> Json:
    _drop_limit(server, _get_deployment(server, identity, None)["global_concurrency_limit"])
    del server.deployments[identity]


def _bulk_delete(server: FakeServer, _: str, body: Any) -> Json:
    wanted = [one for one in body["deployments"]["id"]["any_"] if one in server.deployments][: body["limit"]]
    for identity in wanted:
        _delete_deployment(server, identity, None)
    return {"deleted": wanted}


def _delete_limit(server: FakeServer, name: str, _: Any) -> Json:
    if name not in server.limits:
        raise NotFound("Concurrency Limit not found", status=404)
    _drop_limit(server, server.limits[name])


def _filter_deployments(server: FakeServer, _: str, body: Any) -> Json:
    wanted = body.get("deployments", {})
    tags = set(wanted.get("tags", {}).get("all_", ()))
    names = wanted.get("name", {}).get("any_")
    flows = body.get("flows", {}).get("name", {}).get("any_")
    ids = None if flows is None else {server.flows.get(name) for name in flows}
    ids = body.get("flows", {}).get("id", {}).get("any_", ids)
    own = wanted.get("id", {}).get("any_", server.deployments)
    found = [
        row
        for row in server.deployments.values()
        if tags <= set(row["tags"])
        and row["id"] in own
        and (names is None or row["name"] in names)
        and (ids is None or row["flow_id"] in ids)
    ]
    start = body.get("offset", 0)
    by_age = body.get("sort") == "CREATED_DESC"
    in_order = found[::-1] if by_age else sorted(found, key=lambda row: str(row["name"]))
    return in_order[start : start + body.get("limit", 200)]


def _filter_runs(server: FakeServer, _: str, body: Any) -> Json:
    state = body["flow_runs"]["state"]
    types, names = state.get("type", {}).get("any_", ()), state.get("name", {}).get("any_", ())
    found = [run for run in server.runs if run["state_type"] in types or run["state_name"] in names]
    return found[body.get("offset", 0) :]


def _get_pool(server: FakeServer, name: str, _: Any) -> Json:
    if name not in server.pools:
        raise NotFound("Work pool not found", status=404)
    return {"concurrency_limit": None, **server.pools[name]}


def _get_block(server: FakeServer, id: str, _: Any) -> Json:
    if id not in server.blocks:
        raise NotFound("Block document not found", status=404)
    return server.blocks[id]


def _filter_queues(server: FakeServer, name: str, _: Any) -> Json:
    return [{"name": "default", "concurrency_limit": None}]


def _post_pool(server: FakeServer, _: str, body: Any) -> Json:
    if body["name"] in server.pools:
        raise Conflict("Work pool exists", status=409)
    server.pools[body["name"]] = {"id": str(uuid.uuid4()), **body}
    return server.pools[body["name"]]


Handler = Callable[[FakeServer, str, Any], Json]
_ROUTES: tuple[tuple[str, Handler], ...] = (
    (r"GET /admin/version", _version),
    (r"POST /flows/", _post_flow),
    (r"POST /deployments/", _post_deployment),
    (r"POST /deployments/filter", _filter_deployments),
    (r"GET /deployments/([^/]+)", _get_deployment),
    (r"DELETE /deployments/([^/]+)", _delete_deployment),
    (r"POST /deployments/bulk_delete", _bulk_delete),
    (r"POST /deployments/([^/]+)/schedules", _post_schedules),
    (r"PATCH /deployments/([^/]+)", _patch_deployment),
    (r"PATCH /deployments/([^/]+/schedules/[^/]+)", _patch_schedule),
    (r"DELETE /v2/concurrency_limits/([^/]+)", _delete_limit),
    (r"POST /flow_runs/filter", _filter_runs),
    (r"GET /work_pools/([^/]+)", _get_pool),
    (r"POST /work_pools/", _post_pool),
    (r"GET /block_documents/([^/]+)", _get_block),
    (r"POST /work_pools/([^/]+)/queues/filter", _filter_queues),
)
_COMPILED = tuple((re.compile(path), handler) for path, handler in _ROUTES)


class OldServer(FakeServer):
    """A server from before Prefect could delete several deployments in one request."""

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        if path == "/deployments/bulk_delete":
            raise Refused("Method Not Allowed", status=405)
        return super().request(method, path, body)
