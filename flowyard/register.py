"""Step 6, register: a published image and the specs become Prefect deployments, all of a flow or none.

It accepts nothing but a `PublishedImage`, so a deployment always runs one digest. Everything is validated
before the first write, read back after it, and put back as it was when a write in the middle fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from flowyard.errors import ConfigurationError, PrefectError, Problem, RegistryError
from flowyard.images import PublishedImage
from flowyard.outcome import Registered
from flowyard.ports import PrefectApi
from flowyard.program import PROGRAM
from flowyard.registering.deployment import Marks, Pinned, carry_over, normal, payload
from flowyard.registering.live import LiveDeployment
from flowyard.registering.requests import read_again, read_deployment, write_deployment
from flowyard.registering.restoring import Touched, shared_limit
from flowyard.registering.undo import Step, Steps, all_or_nothing
from flowyard.registering.validate import misfits_of_job_variables, misfits_of_parameters
from flowyard.target import Target
from flowyard.values import DeploymentSpec, FlowDescription, ImageDescription, Json


@dataclass(frozen=True, slots=True)
class Unit:
    """What is registered together: one flow's deployments on a target.

    `task_definitions` are ARNs by the deployment's name, none where the work pool's type has none.
    """

    target: Target
    deployments: tuple[DeploymentSpec, ...]
    image: PublishedImage
    description: ImageDescription
    marks: Marks
    task_definitions: Mapping[str, str] = field(default_factory=dict)

    def payload(self, deployment: DeploymentSpec, described: FlowDescription) -> dict[str, Json]:
        """The body that registers one of the deployments."""
        pinned = Pinned(self.image, self.task_definitions.get(deployment.name))
        return payload(self.target, deployment, described, pinned, self.marks)


class Record(Protocol):
    """The release record of a unit."""

    def keep(self, deployments: tuple[str, ...], /) -> None:
        """Keep the record, of these deployments (full names). Raises PrefectError."""
        ...

    def withdraw(self) -> None:
        """See that it is not kept, whether or not it was. Raises PrefectError."""
        ...


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
    live: Iterable[LiveDeployment],
    record: Record,
) -> tuple[Registered, ...]:
    """Register the unit, remove the deployments of `live` that it no longer has, and keep a record of it.

    Raises ConfigurationError for parameters and job variables that do not fit, PrefectError for what the
    server refuses or keeps differently; the deployments are then as they were before, or a note on the error
    names each one that is not, and what to do.
    """
    _validate(unit, base_job_template)
    writes = [_write(api, unit, deployment) for deployment in unit.deployments]
    kept = {str(write.before["id"]) for write in writes if write.before is not None}
    removed = read_again(api, [deployment.id for deployment in live if deployment.id not in kept])
    with all_or_nothing(api, f"{PROGRAM} ship {unit.marks.flow}") as steps:
        registered = [_apply(api, write, steps) for write in writes[:-1]]
        # Before the last write, which makes the unit complete: a ship that is killed in between leaves a unit that
        # is registered again, never one that looks complete and has no record.
        steps.begin(_record_step(record))
        record.keep(tuple(write.full_name for write in writes))
        registered += [_apply(api, write, steps) for write in writes[-1:]]
        steps.remove(removed)
    return tuple(registered)


def remove(api: PrefectApi, live: Iterable[LiveDeployment]) -> None:
    """Remove these deployments, all of them or none. Raises PrefectError as `register` does."""
    removed = read_again(api, [deployment.id for deployment in live])
    with all_or_nothing(api, f"{PROGRAM} ship") as steps:
        steps.remove(removed)


def _record_step(record: Record) -> Step:
    return Step(
        record.withdraw,
        "the release record could not be deleted",
        "the release record may say that this was shipped",
    )


def _validate(unit: Unit, base_job_template: Mapping[str, Json]) -> None:
    problems: list[Problem] = []
    flow, target = unit.marks.flow, unit.target
    for deployment in unit.deployments:
        described = _described(unit, deployment)
        variables = unit.payload(deployment, described)["job_variables"]
        problems += misfits_of_job_variables(flow, deployment, target, variables, base_job_template)
        problems += misfits_of_parameters(flow, deployment, described)
    if problems:
        raise ConfigurationError(tuple(dict.fromkeys(problems)))


def _described(unit: Unit, deployment: DeploymentSpec) -> FlowDescription:
    try:
        return unit.description.flow(deployment.entrypoint)
    except KeyError:
        known = ", ".join(flow.requested for flow in unit.description.flows) or "none"
        raise RegistryError(
            f"{unit.image} does not describe the entrypoint {deployment.entrypoint}; it describes: {known}",
            hint="ship the flow anew, so that its image describes every flow of the folder",
        ) from None


def _write(api: PrefectApi, unit: Unit, deployment: DeploymentSpec) -> _Write:
    described = unit.description.flow(deployment.entrypoint)
    full_name = f"{described.name}/{deployment.name}"
    before = read_deployment(api, described.name, deployment.name)
    body = unit.payload(deployment, described)
    if before is not None:
        _check_owner(before, full_name, unit)
        body["schedules"] = carry_over(body["schedules"], before.get("schedules", []))
        if shared_limit(before):
            # Let go of it, or the server changes it for all who share it.
            body["global_concurrency_limit_id"] = None
    return _Write(full_name, described.name, body, before)


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


def _apply(api: PrefectApi, write: _Write, steps: Steps) -> Registered:
    flow = api.request("POST", "/flows/", {"name": write.flow_name})
    body = {**write.body, "flow_id": flow["id"]}
    steps.begin_deployment(Touched.written(write.flow_name, body, write.before))
    identity = write_deployment(api, body)
    read_back = api.request("GET", f"/deployments/{identity}")
    _compare(write.full_name, normal(write.body), normal(read_back))
    return Registered(identity, write.full_name)


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
