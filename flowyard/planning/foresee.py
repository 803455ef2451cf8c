"""What of a plan could not be registered, as far as that is known before anything is built.

The work pool judges job variables, and it exists before the image does: whoever mistyped one must not wait for a
build to hear of it. Parameters are judged by the image; where one of the flow's key is there, it is known what it
takes. A plan without changes is not judged, so nothing more is asked for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from flowyard.errors import ConfigurationError, FlowyardError
from flowyard.images import PublishedImage
from flowyard.plan import Action, Desired, FlowPlan, Plan
from flowyard.registering.validate import misfits_of_job_variables, misfits_of_parameters
from flowyard.target import Target
from flowyard.values import DeploymentSpec, FlowDescription, ImageDescription, Json
from flowyard.work_pools import job_variables


def sets_job_variables(plan: Plan, target: Target) -> bool:
    """Whether the files set a job variable for any deployment that would be registered."""
    specs = [spec for flow in plan.changes if flow.desired for spec in flow.desired.deployments]
    return any({**target.job_variables, **spec.job_variables} for spec in specs)


def job_variable_misfits(
    plan: Plan, target: Target, base_job_template: Mapping[str, Json]
) -> Mapping[str, ConfigurationError]:
    """By flow, the job variables that the work pool does not take; flows that are all right are not in it."""
    judged = {flow.name: _misfit(flow, target, base_job_template) for flow in plan.changes}
    return {name: error for name, error in judged.items() if error is not None}


def _misfit(
    flow: FlowPlan, target: Target, base_job_template: Mapping[str, Json]
) -> ConfigurationError | None:
    found = [
        problem
        for spec in (flow.desired.deployments if flow.desired else ())
        for problem in misfits_of_job_variables(
            flow.name, spec, target, job_variables(target, spec), base_job_template
        )
    ]
    return ConfigurationError(tuple(dict.fromkeys(found))) if found else None


def parameter_misfits(
    plan: Plan, described: Callable[[PublishedImage], ImageDescription]
) -> Mapping[str, ConfigurationError]:
    """By flow, the parameters that its image does not take, where the image is there already.

    What a live deployment of the same key was registered with says what it takes; `described` reads the description
    of an image that no deployment runs.
    """
    found: dict[str, ConfigurationError] = {}
    for flow in plan.changes:
        problems = [
            problem
            for spec, description in _descriptions(flow, described)
            for problem in misfits_of_parameters(flow.name, spec, description)
        ]
        if problems:
            found[flow.name] = ConfigurationError(tuple(dict.fromkeys(problems)))
    return found


def _descriptions(
    flow: FlowPlan, described: Callable[[PublishedImage], ImageDescription]
) -> Iterator[tuple[DeploymentSpec, FlowDescription]]:
    """The deployments that set parameters, each with what is known of its flow."""
    desired = flow.desired
    if desired is None or flow.image is None:
        return
    specs = [spec for spec in desired.deployments if _sets_parameters(spec)]
    if flow.action is Action.REUSE and specs:
        with suppress(FlowyardError, KeyError):  # registering, which needs it, says what is wrong with it
            description = described(flow.image)
            yield from [(spec, description.flow(spec.entrypoint)) for spec in specs]
    for spec in specs if flow.action is Action.REGISTER else ():
        schema = _live_schema(flow, desired, spec)
        if schema:
            yield spec, FlowDescription("", spec.entrypoint, spec.entrypoint, flow.name, None, schema)


def _sets_parameters(spec: DeploymentSpec) -> bool:
    return bool(spec.parameters) or any(schedule.parameters for schedule in spec.schedules)


def _live_schema(flow: FlowPlan, desired: Desired, spec: DeploymentSpec) -> Mapping[str, Json]:
    """The parameter schema of the deployment as it is live; of another one where the image has one entrypoint; empty
    where none is known."""
    same = {live.name: live for live in flow.live if live.marks.key == desired.key}
    one = len(desired.flow.entrypoints) == 1
    live = same.get(spec.name) or (next(iter(same.values()), None) if one else None)
    return live.parameter_schema if live else {}
