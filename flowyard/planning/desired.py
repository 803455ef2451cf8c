"""What the files want of a flow on a target: its Dockerfile, its inputs by name, its key.

The bridge from configuration to planning: files are read and hashed here, nothing is asked of anybody.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from flowyard.configuration.targets import misfits
from flowyard.errors import ConfigurationError, LockError, Problem
from flowyard.images import ImageReference
from flowyard.inputs import Inputs
from flowyard.locking.locks import REMEDY, locks_of, other_versions
from flowyard.plan import Desired
from flowyard.planning.context import collect, source_files
from flowyard.planning.docker_tasks import check, tasks_of
from flowyard.planning.key import image_inputs, key_of
from flowyard.registering.deployment import spec_inputs, spec_of, spec_origins
from flowyard.render import Renderer, render
from flowyard.target import Target
from flowyard.texts import shortened
from flowyard.values import Flow, Project


def want_all(
    project: Project, flows: Iterable[Flow], target: Target, renderer: Renderer = render
) -> tuple[Desired, ...]:
    """All the flows as the files want them.

    Raises one ConfigurationError with the problems of all of them, or one LockError that names every lock to be
    mended.
    """
    wanted: list[Desired] = []
    errors: list[LockError] = []
    problems: list[Problem] = []
    for flow in flows:
        try:
            wanted.append(want(project, flow, target, renderer))
        except LockError as error:
            errors.append(error)
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError(tuple(dict.fromkeys(problems)))
    if errors:
        messages = dict.fromkeys(error.message for error in errors)
        raise LockError(
            "\n       ".join(messages), hint=errors[0].hint if len(errors) == 1 else REMEDY.format("")
        )
    tasks = {one.flow.name: one.docker_tasks for one in wanted}
    check(project, target, tasks, lambda flow: tasks_of(flow, source_files(project.root, flow)))
    return tuple(wanted)


def check_target(project: Project, target: Target) -> Target:
    """The target, which every flow with a deployment on it fits. Raises ConfigurationError with all that do not."""
    problems = [problem for flow in project.flows for problem in misfits(flow, target)]
    if problems:
        raise ConfigurationError(tuple(dict.fromkeys(problems)))
    return target


def want(project: Project, flow: Flow, target: Target, renderer: Renderer = render) -> Desired:
    """The flow as the files want it. Raises LockError and ConfigurationError."""
    problems = tuple(misfits(flow, target))
    if problems:
        raise ConfigurationError(problems)
    locks = locks_of(project.root, flow)
    files = collect(project.root, flow, locks.files)
    rendered = renderer(project.root, flow, locks.install)
    image = image_inputs(project, flow, files, rendered)
    deployments = flow.deployments_on(target.name)
    spec = spec_inputs(target, deployments)
    notes = (_own_prefect(project.root, flow),) if locks.own_prefect else ()
    return Desired(
        flow=flow,
        deployments=deployments,
        key=key_of(image),
        spec=spec_of(spec),
        inputs=Inputs(image, {**spec, **spec_origins(target, deployments)}),
        reference=ImageReference(target.repository_of(flow.name), key_of(image)),
        files=files,
        dockerfile=rendered.text,
        notes=notes,
        docker_tasks=tasks_of(flow, files),
    )


def _own_prefect(root: Path, flow: Flow) -> str:
    others = shortened(other_versions(root, flow), 3)
    which = f" ({others})" if others else ""
    return (
        f"has other versions than the locks in images/locks{which}, "
        "so its image shares no Prefect layer with others"
    )
