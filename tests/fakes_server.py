"""A Prefect API in memory that also has flows, deployments, work pools and flow runs.

It keeps the server's manners: a POST of a deployment changes the one of that flow and name, wipes what is not
sent but keeps `paused` and adds to the labels; the limit comes back under another name than it was sent.
"""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

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
_WIPED: Mapping[str, Json] = {
    "description": None,
    "version": None,
    "tags": [],
    "parameters": {},
    "parameter_openapi_schema": {},
    "job_variables": {},
    "pull_steps": None,
    "path": None,
    "entrypoint": None,
    "work_pool_name": None,
    "work_queue_name": "default",
    "enforce_parameter_schema": True,
    "schedules": [],
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
        self.pools: dict[str, Row] = {"pool": {"type": "docker", "base_job_template": TEMPLATE}}
        self.refuse: Callable[[str, str, Json], str | None] = lambda method, path, body: None
        self.alter: Callable[[Row], None] = lambda row: None

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        for pattern, handler in _ROUTES:
            found = re.fullmatch(pattern, f"{method} {path}")
            if found is not None:
                self.requests.append((method, path, copy.deepcopy(body)))
                why = self.refuse(method, path, body)
                if why is not None:
                    raise Refused(why, status=500)
                return copy.deepcopy(handler(self, found[1] if found.groups() else "", body))
        return super().request(method, path, body)

    def writes(self) -> list[tuple[str, str]]:
        """Method and path of every request so far that changes something."""
        return [(m, p) for m, p, _ in self.requests if m != "GET" and not p.endswith("/filter")]

    def by_name(self) -> dict[str, Row]:
        """The deployments by `flow/name`."""
        names = {identity: name for name, identity in self.flows.items()}
        return {f"{names[row['flow_id']]}/{row['name']}": row for row in self.deployments.values()}


def _post_flow(server: FakeServer, _: str, body: Any) -> Json:
    return {"id": server.flows.setdefault(body["name"], str(uuid.uuid4())), "name": body["name"]}


def _post_deployment(server: FakeServer, _: str, body: Any) -> Json:
    body = copy.deepcopy(body)
    if body["flow_id"] not in server.flows.values():
        raise NotFound("Flow not found", status=404)
    limit = body.pop("concurrency_limit", None)
    slugs = [schedule.get("slug") for schedule in body.get("schedules", [])]
    if len(slugs) != len(set(slugs)):
        raise Conflict("Data integrity conflict.", status=409)
    before: Row = next(
        (
            row
            for row in server.deployments.values()
            if (row["flow_id"], row["name"]) == (body["flow_id"], body["name"])
        ),
        {"id": str(uuid.uuid4()), "paused": False, "labels": {"prefect.flow.id": body["flow_id"]}},
    )
    row: Row = {
        **copy.deepcopy(dict(_WIPED)),
        **body,
        "id": before["id"],
        "paused": body.get("paused", before["paused"]),
        "labels": {**before["labels"], **body.get("labels", {})},
        "concurrency_limit": None,
        "global_concurrency_limit": None if limit is None else {"limit": limit},
    }
    row["schedules"] = [{"id": str(uuid.uuid4()), **schedule} for schedule in row["schedules"]]
    server.alter(row)
    server.deployments[row["id"]] = row
    return row


def _get_deployment(server: FakeServer, identity: str, _: Any) -> Json:
    if identity not in server.deployments:
        raise NotFound("Deployment not found", status=404)
    return server.deployments[identity]


def _delete_deployment(server: FakeServer, identity: str, _: Any) -> Json:
    _get_deployment(server, identity, None)
    del server.deployments[identity]


def _filter_deployments(server: FakeServer, _: str, body: Any) -> Json:
    wanted = body.get("deployments", {})
    tags = set(wanted.get("tags", {}).get("all_", ()))
    names = wanted.get("name", {}).get("any_")
    flows = body.get("flows", {}).get("name", {}).get("any_")
    ids = None if flows is None else {server.flows.get(name) for name in flows}
    found = [
        row
        for row in server.deployments.values()
        if tags <= set(row["tags"])
        and (names is None or row["name"] in names)
        and (ids is None or row["flow_id"] in ids)
    ]
    start = body.get("offset", 0)
    return sorted(found, key=lambda row: str(row["name"]))[start : start + body.get("limit", 200)]


def _get_pool(server: FakeServer, name: str, _: Any) -> Json:
    if name not in server.pools:
        raise NotFound("Work pool not found", status=404)
    return server.pools[name]


def _post_pool(server: FakeServer, _: str, body: Any) -> Json:
    if body["name"] in server.pools:
        raise Conflict("Work pool exists", status=409)
    server.pools[body["name"]] = dict(body)
    return body


Handler = Callable[[FakeServer, str, Any], Json]
_ROUTES: tuple[tuple[str, Handler], ...] = (
    (r"POST /flows/", _post_flow),
    (r"POST /deployments/", _post_deployment),
    (r"POST /deployments/filter", _filter_deployments),
    (r"GET /deployments/([^/]+)", _get_deployment),
    (r"DELETE /deployments/([^/]+)", _delete_deployment),
    (r"GET /work_pools/([^/]+)", _get_pool),
    (r"POST /work_pools/", _post_pool),
)
