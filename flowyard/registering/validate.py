"""Parameters and job variables, checked against the schemas that will judge them later.

Prefect accepts an unknown job variable in silence and a wrong default parameter until the run crashes; here both
are errors: job variables before anything is built, parameters, which only the image knows, before anything is
registered. jsonschema is imported only when something is registered.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from flowyard.aws.task_definition import ARN_VARIABLE
from flowyard.configuration.paths import FLOW_FILE, REGISTRY_FILE
from flowyard.errors import Problem
from flowyard.target import Target
from flowyard.texts import did_you_mean, show
from flowyard.values import DeploymentSpec, FlowDescription, Json

if TYPE_CHECKING:
    from jsonschema import ValidationError


def misfits_of_parameters(
    flow: str, deployment: DeploymentSpec, described: FlowDescription
) -> Iterator[Problem]:
    """What of the deployment's and its schedules' parameters the flow does not take."""
    key = f"deployments.{deployment.name}"
    sets = [(f"{key}.parameters", deployment.parameters)]
    for position, schedule in enumerate(deployment.schedules):
        sets.append((f"{key}.schedules[{position}].parameters", schedule.parameters))
    for place, parameters in sets:
        for name, text in parameter_problems(parameters, described.parameter_schema, described.name):
            yield Problem(f"flows/{flow}/{FLOW_FILE}", f"{place}.{name}", text)


def parameter_problems(
    parameters: Mapping[str, Json], schema: Mapping[str, Json], flow: str
) -> Iterator[tuple[str, str]]:
    """What does not fit Prefect's parameter schema of a flow, as (place, text). Missing ones are no problem."""
    known = schema.get("properties", {})
    for name, value in parameters.items():
        if name not in known:
            listed = ", ".join(sorted(known)) or "none"
            text = f"flow {flow} has no such parameter{did_you_mean(name, known)}; it has: {listed}"
            yield name, text
        else:
            yield from _schema_problems(name, value, {**known[name], **_definitions(schema)})


def _definitions(schema: Mapping[str, Json]) -> dict[str, Json]:
    """What references inside one property point to; Prefect and pydantic call it differently."""
    return {name: schema[name] for name in ("definitions", "$defs") if name in schema}


def _schema_problems(name: str, value: Json, schema: Mapping[str, Json]) -> Iterator[tuple[str, str]]:
    from jsonschema import Draft202012Validator

    if isinstance(value, Mapping) and "__prefect_kind" in value:
        return  # a template or a variable, which Prefect fills in when the run starts
    for error in Draft202012Validator(schema).iter_errors(value):
        path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in error.absolute_path)
        yield f"{name}{path}", f"{show(error.instance)} does not fit: {_reason(error)}"


def _reason(error: ValidationError) -> str:
    """Why a value does not fit; of a choice between types, all that are allowed."""
    types = [one.validator_value for one in error.context or () if one.validator == "type" and not one.path]
    if error.validator == "anyOf" and types and len(types) == len(error.context or ()):
        return f"{show(error.instance)} is not of type {' or '.join(map(repr, types))}"
    return str(error.message)


def misfits_of_job_variables(
    flow: str,
    deployment: DeploymentSpec,
    target: Target,
    variables: Mapping[str, Json],
    base_job_template: Mapping[str, Json],
) -> Iterator[Problem]:
    """Which of the deployment's job variables the work pool's own base job template does not take, or not use."""
    schema = base_job_template.get("variables", {})
    known = schema.get("properties", {})
    for name, value in variables.items():
        plain = name.partition(".")[0]  # `env.NAME` sets one entry of `env`
        file, key = _written_in(flow, deployment, target, name)
        wanted = key.endswith(name) or name == ARN_VARIABLE  # the rest only says again what is there anyway
        if plain in known and wanted and not _uses(base_job_template, plain):
            text = f"work pool {target.work_pool} takes `{plain}` and does nothing with it: its base job template "
            yield Problem(
                file, key, f"{text}lacks {{{{ {plain} }}}}; add it there, or name another work pool"
            )
        elif plain in known:
            checked = _schema_problems("", value, {**known[plain], **_definitions(schema)})
            ours = "" if key.endswith(name) else f"variable `{name}`, which shipping sets, "
            yield from (
                Problem(file, f"{key}{place}", ours + text) for place, text in checked if plain == name
            )
        elif key.endswith(name):
            listed = ", ".join(sorted(known)) or "none"
            guess = did_you_mean(name, known)
            text = f"work pool {target.work_pool} has no such job variable{guess}; it has: {listed}"
            yield Problem(file, key, text)
        else:
            text = (
                f"the base job template of {target.work_pool} lacks the variable `{name}`, which shipping sets; "
                "add it there, or name another work pool"
            )
            yield Problem(file, key, text)


def _uses(base_job_template: Mapping[str, Json], variable: str) -> bool:
    """Whether the template puts the variable somewhere. `env` is merged into what the template has of it."""
    configuration = base_job_template.get("job_configuration")
    if configuration is None or variable == "env":
        return True
    return re.search(rf"\{{\{{\s*{re.escape(variable)}\s*\}}\}}", json.dumps(configuration)) is not None


def _written_in(flow: str, deployment: DeploymentSpec, target: Target, name: str) -> tuple[str, str]:
    """File and key that a job variable comes from: the flow's, the target's, or the work pool shipping needs."""
    if name in deployment.job_variables:
        return f"flows/{flow}/{FLOW_FILE}", f"deployments.{deployment.name}.job-variables.{name}"
    if name in target.job_variables:
        return REGISTRY_FILE, f"targets.{target.name}.job-variables.{name}"
    return REGISTRY_FILE, f"targets.{target.name}.work-pool"
