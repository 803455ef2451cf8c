"""A Prefect API in memory: artifacts and concurrency limits, as far as the project uses them.

It keeps the server's surprises: unknown names are ignored, and a restart forgets leases but not slots.
"""

from __future__ import annotations

import re
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from flowyard.errors import Conflict, Gone, Locked, NotFound, PrefectError, Refused
from flowyard.values import Json

_ARTIFACT_KEY = re.compile(r"[a-z0-9-]*")
_LIMIT_NAME = re.compile(r"[^/%&><]+")
Handler = Callable[["FakePrefect", "re.Match[str]", Any], Json]


class FakePrefect:
    """A PrefectApi. `requests` keeps what was asked; with `failure` set, every request raises it.

    `seconds` is the server's time: with one that moves, leases expire.
    """

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, Json]] = []
        self.failure: PrefectError | None = None
        self.artifacts: list[dict[str, Any]] = []
        self.limits: dict[str, dict[str, Any]] = {}
        self.leases: dict[str, list[str]] = {}
        self.seconds: Callable[[], float] = lambda: 0.0
        self._expiry: dict[str, float] = {}
        self._lock = threading.Lock()
        self._time = datetime(2026, 1, 1, tzinfo=UTC)

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """Answer as the server does."""
        with self._lock:
            self.requests.append((method, path, body))
            if self.failure is not None:
                raise self.failure
            self._expire()
            asked = f"{method} {path}"
            for pattern, handler in _COMPILED:
                found = pattern.fullmatch(asked)
                if found is not None:
                    return handler(self, found, body)
            raise AssertionError(f"the fake does not know {method} {path}")

    def expire_leases(self) -> None:
        """What the server does with leases that were not renewed: free the slots, forget the lease."""
        for names in self.leases.values():
            self.free(names)
        self.leases.clear()

    def lasts(self, lease: str, duration: float) -> None:
        """The lease expires so many seconds from now."""
        self._expiry[lease] = self.seconds() + duration

    def _expire(self) -> None:
        for lease in [lease for lease in self.leases if self._expiry.get(lease, 1e9) <= self.seconds()]:
            self.free(self.leases.pop(lease))

    def restart(self) -> None:
        """Leases are kept in memory only; the slots they took are kept in the database."""
        self.leases.clear()

    def make_limit(self, body: dict[str, Any]) -> dict[str, Any]:
        """Keep a new concurrency limit."""
        now = self.now()
        own = {"id": str(uuid.uuid4()), "created": now, "updated": now}
        self.limits[body["name"]] = {**own, "active_slots": 0, "slot_decay_per_second": 0.0, **body}
        return self.limits[body["name"]]

    def free(self, names: list[str]) -> None:
        """Give back one slot of each limit that exists and is on."""
        for name in names:
            limit = self.limits.get(name)
            if limit is not None and limit["active"]:
                limit["active_slots"] = max(0, limit["active_slots"] - 1)

    def now(self) -> str:
        """A time that moves on with every question."""
        self._time += timedelta(seconds=1)
        return self._time.isoformat()


def _create_artifact(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    if not _ARTIFACT_KEY.fullmatch(body["key"]):
        raise Refused("Artifact key must only contain lowercase letters, numbers, and dashes.", status=422)
    now = fake.now()
    fake.artifacts.append({**body, "id": str(uuid.uuid4()), "created": now, "updated": now})
    return dict(fake.artifacts[-1])


def _patch_artifact(fake: FakePrefect, found: re.Match[str], body: Any) -> Json:
    for artifact in fake.artifacts:
        if artifact["id"] == found[1]:
            artifact.update(body, updated=fake.now())
            return None
    raise NotFound("Artifact not found.", status=404)


def _delete_artifact(fake: FakePrefect, found: re.Match[str], _: Any) -> Json:
    for artifact in fake.artifacts:
        if artifact["id"] == found[1]:
            fake.artifacts.remove(artifact)
            return None
    raise NotFound("Artifact not found.", status=404)


def _filter_artifacts(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    wanted = body["artifacts"]["key"]
    like = wanted.get("like_", "").rstrip("%")
    any_of = set(wanted.get("any_") or [item["key"] for item in fake.artifacts])
    found = [item for item in fake.artifacts if item["key"] in any_of and like in item["key"]]
    newest_first = [dict(item) for item in reversed(found)]
    return _page(newest_first, body)


def _latest_artifacts(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    wanted = set(body["artifacts"]["key"]["any_"])
    collections: dict[str, dict[str, Any]] = {}
    for item in fake.artifacts:
        if item["key"] in wanted:
            first = collections.get(item["key"], item)["created"]
            collections[item["key"]] = {
                **item,
                "id": str(uuid.uuid4()),
                "latest_id": item["id"],
                "created": first,
            }
    return _page([collections[key] for key in sorted(collections)], body)


def _create_limit(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    if not _LIMIT_NAME.fullmatch(body["name"]):
        raise Refused("name: String should match pattern", status=422)
    if body["name"] in fake.limits:
        raise Conflict("Data integrity conflict.", status=409)
    return dict(fake.make_limit(body))


def _read_limit(fake: FakePrefect, found: re.Match[str], _: Any) -> Json:
    if found[1] not in fake.limits:
        raise NotFound("Concurrency Limit not found", status=404)
    return dict(fake.limits[found[1]])


def _patch_limit(fake: FakePrefect, found: re.Match[str], body: Any) -> Json:
    fake.limits[found[1]].update(body)


def _delete_limit(fake: FakePrefect, found: re.Match[str], _: Any) -> Json:
    if fake.limits.pop(found[1], None) is None:
        raise NotFound("Concurrency Limit not found", status=404)


def _filter_limits(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    return _page([dict(fake.limits[name]) for name in sorted(fake.limits)], body)


def _increment(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    known = [fake.limits[name] for name in body["names"] if name in fake.limits]
    on = [limit for limit in known if limit["active"]]
    if any(limit["active_slots"] >= limit["limit"] for limit in on):
        raise Locked("", status=423)
    for limit in on:
        limit["active_slots"] += 1
    lease = str(uuid.uuid4())
    fake.leases[lease] = [limit["name"] for limit in on]
    fake.lasts(lease, body.get("lease_duration", 300))
    return {"lease_id": lease, "limits": [{"name": item["name"], "limit": item["limit"]} for item in known]}


def _renew(fake: FakePrefect, found: re.Match[str], body: Any) -> Json:
    if found[1] not in fake.leases:
        raise Gone("Lease not found - it may have expired or been revoked", status=410)
    fake.lasts(found[1], body["lease_duration"])


def _release(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    fake.free(fake.leases.pop(body["lease_id"], []))


def _decrement(fake: FakePrefect, _: re.Match[str], body: Any) -> Json:
    fake.free(body["names"])
    return []


def _page(found: list[dict[str, Any]], body: Any) -> Json:
    start = body.get("offset", 0)
    return found[start : start + body.get("limit", 200)]


_LIMITS = "/v2/concurrency_limits"
_ROUTES: tuple[tuple[str, Handler], ...] = (
    (r"POST /artifacts/", _create_artifact),
    (r"PATCH /artifacts/([^/]+)", _patch_artifact),
    (r"DELETE /artifacts/([^/]+)", _delete_artifact),
    (r"POST /artifacts/filter", _filter_artifacts),
    (r"POST /artifacts/latest/filter", _latest_artifacts),
    (rf"POST {_LIMITS}/", _create_limit),
    (rf"POST {_LIMITS}/filter", _filter_limits),
    (rf"POST {_LIMITS}/increment-with-lease", _increment),
    (rf"POST {_LIMITS}/decrement-with-lease", _release),
    (rf"POST {_LIMITS}/decrement", _decrement),
    (rf"POST {_LIMITS}/leases/([^/]+)/renew", _renew),
    (rf"GET {_LIMITS}/([^/]+)", _read_limit),
    (rf"PATCH {_LIMITS}/([^/]+)", _patch_limit),
    (rf"DELETE {_LIMITS}/([^/]+)", _delete_limit),
)
_COMPILED = tuple((re.compile(path), handler) for path, handler in _ROUTES)
