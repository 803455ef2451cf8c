"""Parameters and job variables, checked against the schemas that will judge them later.

Prefect accepts an unknown job variable in silence and a wrong default parameter until the run crashes; here
both are errors before anything is registered. jsonschema is imported only when something is registered.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flowyard.configuration.parse import did_you_mean, show
from flowyard.errors import ConfigurationError, Problem
from flowyard.values import DeploymentSpec, FlowDescription, Json


def validate_parameters(flow: str, deployment: DeploymentSpec, described: FlowDescription) -> None:
    """Check the deployment's and its schedules' parameters. Raises ConfigurationError."""
    key = f"deployments.{deployment.name}"
    sets = [(f"{key}.parameters", deployment.parameters)]
    for position, schedule in enumerate(deployment.schedules):
        sets.append((f"{key}.schedules[{position}].parameters", schedule.parameters))
    problems = [
        Problem(f"flows/{flow}/flow.toml", f"{place}.{name}", text)
        for place, parameters in sets
        for name, text in parameter_problems(parameters, described.parameter_schema, described.name)
    ]
    if problems:
        raise ConfigurationError(problems)


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
        yield f"{name}{path}", f"{show(error.instance)} does not fit: {error.message}"


def validate_job_variables(
    flow: str,
    deployment: DeploymentSpec,
    variables: Mapping[str, Json],
    base_job_template: Mapping[str, Json],
    pool: str,
) -> None:
    """Check job variables against the work pool's own base job template. Raises ConfigurationError."""
    schema = base_job_template.get("variables", {})
    known = schema.get("properties", {})
    problems = []
    for name, value in variables.items():
        key = f"deployments.{deployment.name}.job-variables.{name}"
        plain = name.partition(".")[0]  # `env.NAME` sets one entry of `env`
        if plain not in known:
            listed = ", ".join(sorted(known))
            text = f"work pool {pool} has no such job variable{did_you_mean(name, known)}; it has: {listed}"
            problems.append(Problem(f"flows/{flow}/flow.toml", key, text))
        elif plain == name:
            for place, text in _schema_problems(key, value, {**known[name], **_definitions(schema)}):
                problems.append(Problem(f"flows/{flow}/flow.toml", place, text))
    if problems:
        raise ConfigurationError(problems)
