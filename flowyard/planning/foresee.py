"""What of a plan could not be registered, as far as that is known before anything is built.

The work pool judges job variables, and it exists before the image does: whoever mistyped one must not wait for a
build to hear of it. A plan without changes is not judged, so nothing more is asked for it.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowyard.errors import ConfigurationError
from flowyard.plan import FlowPlan, Plan
from flowyard.registering.validate import misfits_of_job_variables
from flowyard.target import Target
from flowyard.values import Json
from flowyard.work_pools import job_variables


def sets_job_variables(plan: Plan, target: Target) -> bool:
    """Whether the files set a job variable for any deployment that would be registered."""
    specs = [spec for flow in plan.changes if flow.desired for spec in flow.desired.deployments]
    return any({**target.job_variables, **spec.job_variables} for spec in specs)


def misfits(
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
