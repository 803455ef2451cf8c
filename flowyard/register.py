"""Step 6, register: a published image and the specs become Prefect deployments, all of a flow or none.

It accepts nothing but a `PublishedImage`, so a deployment always runs one digest. Everything is validated
before the first write, read back after it, and put back as it was when a write in the middle fails.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from flowyard.errors import NotFound, PrefectError, RegistryError
from flowyard.ports import PrefectApi
from flowyard.registering.deployment import Marks, carry_over, normal, payload, restored
from flowyard.registering.validate import validate_job_variables, validate_parameters
from flowyard.values import DeploymentSpec, FlowDescription, ImageDescription, Json, PublishedImage, Target


@dataclass(frozen=True, slots=True)
class Unit:
    """What is registered together: one flow's deployments on a target."""

    target: Target
    deployments: tuple[DeploymentSpec, ...]
    image: PublishedImage
    description: ImageDescription
    marks: Marks


@dataclass(frozen=True, slots=True)
class Registered:
    """A deployment as it stands in Prefect: its id and its full name, `flow name/deployment name`."""

    id: str
    name: str


# A deployment's id, and how it was before; None when there was none.
_Done = tuple[str, Mapping[str, Json] | None]


@dataclass(frozen=True, slots=True)
class _Write:
    full_name: str
    flow_name: str
    body: Mapping[str, Json]
    before: Mapping[str, Json] | None


def register(
    api: PrefectApi,
    unit: Unit,
    base_job_template: Mapping[str, Json],
    live: Iterable[Mapping[str, Json]],
    keep_record: Callable[[tuple[Registered, ...]], None],
) -> tuple[Registered, ...]:
    """Register the unit, remove the deployments of `live` that it no longer has, and keep a record of it.

    Raises ConfigurationError for parameters and job variables that do not fit, PrefectError for what the
    server refuses or keeps differently; the deployments are then as they were before.
    """
    _validate(unit, base_job_template)
    writes = [_write(api, unit, deployment) for deployment in unit.deployments]
    kept = {str(write.before["id"]) for write in writes if write.before is not None}
    removed = [deployment for deployment in live if str(deployment["id"]) not in kept]
    with _all_or_nothing(api) as done:
        registered = []
        for write in writes:
            identity = _apply(api, write, done)
            registered.append(Registered(identity, write.full_name))
        for deployment in removed:
            done.append((str(deployment["id"]), deployment))
            _delete(api, str(deployment["id"]))
        keep_record(tuple(registered))
        return tuple(registered)


def remove(api: PrefectApi, live: Iterable[Mapping[str, Json]]) -> None:
    """Remove these deployments, all of them or none."""
    with _all_or_nothing(api) as done:
        for deployment in live:
            done.append((str(deployment["id"]), deployment))
            _delete(api, str(deployment["id"]))


def _delete(api: PrefectApi, identity: str) -> None:
    with suppress(NotFound):  # it is gone, whoever was first
        api.request("DELETE", f"/deployments/{identity}")


@contextmanager
def _all_or_nothing(api: PrefectApi) -> Iterator[list[_Done]]:
    """A list to note each write in before it is sent; whatever goes wrong, all of them are put back."""
    done: list[_Done] = []
    try:
        yield done
    except BaseException as error:
        _put_back(api, done, error)
        raise


def _validate(unit: Unit, base_job_template: Mapping[str, Json]) -> None:
    for deployment in unit.deployments:
        described = _described(unit, deployment)
        body = payload(unit.target, deployment, described, unit.image, unit.marks)
        where = (unit.marks.flow, deployment)
        validate_job_variables(*where, body["job_variables"], base_job_template, unit.target.work_pool)
        validate_parameters(*where, described)


def _described(unit: Unit, deployment: DeploymentSpec) -> FlowDescription:
    try:
        return unit.description.flow(deployment.entrypoint)
    except KeyError:
        known = ", ".join(flow.requested for flow in unit.description.flows) or "none"
        raise RegistryError(
            f"{unit.image} does not describe the entrypoint {deployment.entrypoint}; it describes: {known}",
            hint="the flow's own Dockerfile has to pass every entrypoint to flowyard.runtime.describe",
        ) from None


def _write(api: PrefectApi, unit: Unit, deployment: DeploymentSpec) -> _Write:
    described = unit.description.flow(deployment.entrypoint)
    full_name = f"{described.name}/{deployment.name}"
    before = read_deployment(api, described.name, deployment.name)
    body = payload(unit.target, deployment, described, unit.image, unit.marks)
    if before is not None:
        _check_owner(before, full_name, unit)
        body["schedules"] = carry_over(body["schedules"], before.get("schedules", []))
    return _Write(full_name, described.name, body, before)


def read_deployment(api: PrefectApi, flow_name: str, name: str) -> Mapping[str, Json] | None:
    """The deployment of this flow and name, or None."""
    wanted = {"flows": {"name": {"any_": [flow_name]}}, "deployments": {"name": {"any_": [name]}}}
    found = api.request("POST", "/deployments/filter", wanted)
    return found[0] if found else None


def _check_owner(before: Mapping[str, Json], full_name: str, unit: Unit) -> None:
    owner = Marks.of(before)
    ours = unit.marks
    if owner is not None and (owner.project, owner.target, owner.flow) == (
        ours.project,
        ours.target,
        ours.flow,
    ):
        return
    whose = (
        "was not made by Flowyard"
        if owner is None
        else f"belongs to project {owner.project}, target {owner.target}, flows/{owner.flow}"
    )
    raise PrefectError(
        f"deployment {full_name} exists already and {whose}",
        hint="give the deployment another name in flow.toml, or delete the one that is there",
    )


def _apply(api: PrefectApi, write: _Write, done: list[_Done]) -> str:
    flow = api.request("POST", "/flows/", {"name": write.flow_name})
    body = {**write.body, "flow_id": flow["id"]}
    if write.before is not None:
        done.append((str(write.before["id"]), write.before))
    answer = api.request("POST", "/deployments/", body)
    if write.before is None:
        done.append((str(answer["id"]), None))
    read_back = api.request("GET", f"/deployments/{answer['id']}")
    _compare(write.full_name, normal(write.body), normal(read_back))
    return str(answer["id"])


def _compare(full_name: str, sent: Mapping[str, Json], kept: Mapping[str, Json]) -> None:
    for name, value in sent.items():
        if kept.get(name) != value:
            # Names only: parameters and environment may hold what belongs in no log.
            raise PrefectError(
                f"deployment {full_name}: the server kept another value than was sent in {_where(name, value, kept)}",
                hint="the server's Prefect version may not know this setting, or somebody writes it at the same time",
            )


def _where(name: str, sent: Json, kept: Mapping[str, Json]) -> str:
    other = kept.get(name)
    if not (isinstance(sent, Mapping) and isinstance(other, Mapping)):
        return name
    differing = sorted(key for key in sent.keys() | other.keys() if sent.get(key) != other.get(key))
    return ", ".join(f"{name}.{key}" for key in differing)


def _put_back(api: PrefectApi, done: list[_Done], cause: BaseException) -> None:
    for identity, before in reversed(done):
        try:
            if before is None:
                _delete(api, identity)
            else:
                api.request("POST", "/deployments/", restored(before))
        except PrefectError as error:
            cause.add_note(f"deployment {identity} could not be put back as it was: {error.message}")
