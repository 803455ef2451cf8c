"""One deployment as it was before: the body that restores it, and the requests that it takes.

By name and not by id, and after a look at what is there: whether our own write happened need not be known, and what
somebody else wrote meanwhile is left alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from flowyard.errors import PrefectError
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import MARK, schedule_again
from flowyard.registering.requests import delete_deployments, read_deployment_among, write_deployment
from flowyard.values import Json

# What the server shows of a deployment and takes back. Sent also where it is null: what is not sent, stays.
_FIELDS = (
    *(
        "name",
        "flow_id",
        "version",
        "description",
        "tags",
        "labels",
        "parameters",
        "parameter_openapi_schema",
    ),
    *("enforce_parameter_schema", "job_variables", "pull_steps", "path", "entrypoint", "work_pool_name"),
    *("work_queue_name", "paused", "concurrency_options"),
)
_LIMIT_DEFAULTS: Mapping[str, Json] = {"active": True, "slot_decay_per_second": 0.0}


@dataclass(frozen=True, slots=True)
class Touched:
    """A deployment that a unit writes or removes: `called` for people, found by the API's filter `flows` and `name`.

    `before` is how it was read, None when there was none; `body` is what is written, None when it is removed.
    """

    called: str
    flows: Json
    name: str
    before: Mapping[str, Json] | None
    body: Mapping[str, Json] | None

    @classmethod
    def written(cls, flow_name: str, body: Mapping[str, Json], before: Mapping[str, Json] | None) -> Touched:
        """A deployment that `body` is about to be written to."""
        name = str(body["name"])
        return cls(f"{flow_name}/{name}", {"name": {"any_": [flow_name]}}, name, before, body)

    @classmethod
    def removed(cls, before: Mapping[str, Json]) -> Touched:
        """A deployment that is about to be removed."""
        return cls(
            str(before["name"]), {"id": {"any_": [before["flow_id"]]}}, str(before["name"]), before, None
        )


def put_back(api: PrefectApi, touched: Touched) -> None:
    """Make the deployment as it was before, and see that it is. Raises PrefectError."""
    live = read_deployment_among(api, touched.flows, touched.name)
    if touched.before is None:
        if live is not None:
            _check_written_by_us(live, touched)
            delete_deployments(api, [str(live["id"])])
        return
    before = touched.before
    if live is not None:
        before = _with_what_was_paused_since(before, touched.body or {}, live)
        untouched = touched.body is None and live["id"] == before["id"]  # it was not deleted
        if untouched or not differing(before, live):
            return
        _check_written_by_us(live, touched)
    _restore(api, before, live)
    after = read_deployment_among(api, touched.flows, touched.name)
    left = differing(before, after or {})
    if left:
        raise PrefectError(f"the server keeps another value in {', '.join(left)}")


def _with_what_was_paused_since(
    before: Mapping[str, Json], body: Mapping[str, Json], live: Mapping[str, Json]
) -> Mapping[str, Json]:
    """How it was before, but for what people switched on or off after we wrote."""
    sent = {schedule.get("slug"): schedule["active"] for schedule in body.get("schedules", ())}
    found = {schedule.get("slug"): schedule["active"] for schedule in live.get("schedules", ())}
    pressed = {slug: active for slug, active in found.items() if slug and sent.get(slug, active) != active}
    schedules = [
        {**schedule, "active": pressed.get(schedule.get("slug"), schedule["active"])}
        for schedule in before.get("schedules", ())
    ]
    return {**before, "paused": live["paused"], "schedules": schedules}


def _check_written_by_us(live: Mapping[str, Json], touched: Touched) -> None:
    """Its marks are those of our write, or those of before where putting back was interrupted."""
    if all(_marks(live) != _marks(one) for one in (touched.body, touched.before) if one is not None):
        raise PrefectError("somebody else wrote it meanwhile, so it is left as it is")


def _marks(deployment: Mapping[str, Json]) -> dict[str, Json]:
    labels: Mapping[str, Json] = deployment.get("labels") or {}
    return {name: value for name, value in labels.items() if name.startswith(MARK)}


def _restore(api: PrefectApi, before: Mapping[str, Json], live: Mapping[str, Json] | None) -> None:
    shared, now = shared_limit(before), _limit(live or {})
    if shared and now and now["name"] != shared["name"]:
        # Else it stays behind, with the name that this deployment's own limit has.
        api.request("DELETE", f"/v2/concurrency_limits/{now['name']}")
    identity = write_deployment(api, restored(before))
    wanted = {name: _limit(before).get(name, value) for name, value in _LIMIT_DEFAULTS.items()}
    if _limit(before) and not shared and wanted != _LIMIT_DEFAULTS:
        api.request("PATCH", f"/v2/concurrency_limits/deployment:{identity}", wanted)


def restored(before: Mapping[str, Json]) -> dict[str, Json]:
    """The body that puts a deployment back as it was read."""
    shared = shared_limit(before)
    limit = (
        {"global_concurrency_limit_id": shared["id"]}
        if shared
        else {"concurrency_limit": _limit(before).get("limit")}
    )
    return {
        **{name: before[name] for name in _FIELDS if name in before},
        **limit,
        # The server shows the schedule that was written last first.
        "schedules": [schedule_again(schedule) for schedule in reversed(before.get("schedules", []))],
    }


def differing(before: Mapping[str, Json], live: Mapping[str, Json]) -> list[str]:
    """The names of what is not as before, of all that can be put back."""
    wanted, found = _comparable(before), _comparable(live) if live else {}
    return sorted(name for name in wanted if found.get(name) != wanted[name])


def _comparable(deployment: Mapping[str, Json]) -> dict[str, Json]:
    limit = _limit(deployment)
    kept = {name: limit.get(name) for name in ("limit", *_LIMIT_DEFAULTS)}
    body = restored(deployment)
    schedules = sorted(json.dumps(schedule, sort_keys=True) for schedule in body["schedules"])
    return {**body, "concurrency_limit": kept, "schedules": schedules}


def shared_limit(deployment: Mapping[str, Json]) -> Mapping[str, Json]:
    """The limit that somebody lets this deployment share with others; empty where it has its own or none.

    A server deletes the limit of a deployment together with it, unless it was taken from it before.
    """
    limit, own = _limit(deployment), f"deployment:{deployment.get('id')}"
    return limit if limit.get("name", own) != own else {}


def _limit(deployment: Mapping[str, Json]) -> Mapping[str, Json]:
    limit: Mapping[str, Json] = deployment.get("global_concurrency_limit") or {}
    return limit
