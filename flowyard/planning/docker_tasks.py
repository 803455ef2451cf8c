"""Which flows a flow calls as Docker tasks, and which release of each it is to call.

Read from the flow's code, where `docker_task("clean")` stands, or named in its flow.toml. Nothing is imported.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from flowyard.configuration.paths import REGISTRY_FILE
from flowyard.errors import ConfigurationError, Problem
from flowyard.fingerprints import KEY_LENGTH, fingerprint
from flowyard.planning.context import SourceFile
from flowyard.program import PROGRAM
from flowyard.registering.live import Live, released
from flowyard.releasing.records import release_name
from flowyard.runtime.names import PINS_ENV
from flowyard.target import Target
from flowyard.texts import did_you_mean
from flowyard.values import Flow, Project

if TYPE_CHECKING:
    from flowyard.plan import Desired

_FUNCTION = "docker_task"


def tasks_of(flow: Flow, files: Iterable[SourceFile]) -> tuple[str, ...]:
    """The names of the flows this one calls. Raises ConfigurationError for a call that does not say which."""
    if flow.docker_tasks is not None:
        return flow.docker_tasks
    names: set[str] = set()
    problems: list[Problem] = []
    for file in files:
        if not (file.path.startswith("project/") and file.path.endswith(".py")):
            continue
        source = file.source.read_bytes()
        if _FUNCTION.encode() in source:
            for line, name in named_in(source):
                if name is None:
                    problems.append(Problem(f"{file.shown}, line {line}", "", _UNNAMED.format(flow.name)))
                elif name != flow.name or not _is_included(file, flow):
                    names.add(name)
    if problems:
        raise ConfigurationError(problems)
    return tuple(sorted(names))


_UNNAMED = (
    "docker_task(...) does not say which flow as a text; write the name as it is, as in "
    'docker_task("clean"), or name all that are called in flows/{}/flow.toml: docker-tasks = ["clean"]'
)


def _is_included(file: SourceFile, flow: Flow) -> bool:
    """Whether a file is shared with other flows: it may name a flow that includes it."""
    return not file.path.startswith(f"project/{flow.folder.as_posix()}/")


def named_in(source: bytes) -> Iterator[tuple[int, str | None]]:
    """Each call of `docker_task` in a file: its line, and the name it gives; None where that is no text.

    A file that is no Python has none: the image's own check says what is wrong with it.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return
    known = {_FUNCTION}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "flowyard":
            known |= {alias.asname for alias in node.names if alias.name == _FUNCTION and alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and _called(node.func) in known:
            yield node.lineno, _name(node)


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _name(call: ast.Call) -> str | None:
    given = [*call.args[:1], *(keyword.value for keyword in call.keywords if keyword.arg == "name")]
    found = given[0].value if given and isinstance(given[0], ast.Constant) else None
    return found if isinstance(found, str) else None


def check(
    project: Project,
    target: Target,
    tasks: Mapping[str, tuple[str, ...]],
    of: Callable[[Flow], tuple[str, ...]],
) -> None:
    """Raise ConfigurationError for calls of flows that are not there or not deployed here, for circles, and for
    a target without a result storage. `tasks` are the selected flows' own; `of` says those of the others."""
    flows = {flow.name: flow for flow in project.flows}
    known = dict(tasks)
    problems: list[Problem] = []
    waiting = list(tasks)
    while waiting:
        name = waiting.pop()
        for task in known[name]:
            problem = _problem(task, flows, target)
            if problem is not None:
                problems.append(Problem(f"flows/{name}", f"docker_task({task!r})", problem))
            elif task not in known:
                known[task] = of(flows[task])
                waiting.append(task)
    if any(known.values()) and target.results is None:
        text = 'Docker tasks need a place for their values; say one, as in results = "volume:flow-results"'
        problems.append(Problem(REGISTRY_FILE, f"targets.{target.name}.results", text))
    if not problems:
        problems += _circles(known)
    if problems:
        raise ConfigurationError(tuple(dict.fromkeys(problems)))


def _problem(task: str, flows: Mapping[str, Flow], target: Target) -> str | None:
    if task not in flows:
        known = ", ".join(sorted(flows))
        return f"there is no folder flows/{task}{did_you_mean(task, flows)}; flows: {known}"
    if not flows[task].deployments_on(target.name):
        return f"flows/{task} has no deployment on target {target.name}; give it one"
    return None


def _circles(tasks: Mapping[str, tuple[str, ...]]) -> Iterator[Problem]:
    try:
        TopologicalSorter(tasks).prepare()
    except CycleError as error:
        names = [str(name) for name in error.args[1]]
        circle = " -> ".join(reversed(names))  # the sorter tells it from called to caller
        yield Problem(f"flows/{names[0]}", "", f"calls itself as a Docker task: {circle}")


def with_releases(desired: Iterable[Desired], live: Live) -> tuple[Desired, ...]:
    """The flows with the releases of their Docker tasks in what they are deployed as.

    Of a flow that is shipped with them it is the one it is about to have, else the one that is deployed. So a
    flow is registered anew when what it calls has changed, and only when it is shipped itself.
    """
    wanted = {one.flow.name: one for one in desired}
    order = TopologicalSorter({name: one.docker_tasks for name, one in wanted.items()}).static_order()
    for name in order:
        if name in wanted and wanted[name].docker_tasks:
            wanted[name] = _with_releases(wanted[name], wanted, live)
    return tuple(replace(one, notes=(*one.notes, *_behind(one, wanted, live))) for one in wanted.values())


def _behind(one: Desired, wanted: Mapping[str, Desired], live: Live) -> Iterator[str]:
    """What to know about flows that call this one and are not shipped with it."""
    release = release_name(one.key, one.spec)
    for caller in sorted(live.keys() - wanted.keys()):
        called = {deployment.calls.get(one.flow.name, release) for deployment in live[caller]}
        if called - {release}:
            yield f"stays as it was for flows/{caller}, until {caller} is shipped as well"


def _with_releases(one: Desired, wanted: Mapping[str, Desired], live: Live) -> Desired:
    releases: dict[str, str] = {}
    missing: list[Problem] = []
    for task in one.docker_tasks:
        child = wanted.get(task)
        release = release_name(child.key, child.spec) if child else released(live.get(task, ()))
        if release is None:
            text = f"flows/{task} is not deployed here; ship it as well: {PROGRAM} flows/{task}"
            missing.append(Problem(f"flows/{one.flow.name}", f"docker_task({task!r})", text))
        else:
            releases[task] = release
    if missing:
        raise ConfigurationError(missing)
    inputs = replace(one.inputs, calls=releases)
    return replace(one, spec=fingerprint([one.spec, inputs.named_calls])[:KEY_LENGTH], inputs=inputs)


def calls_mark(desired: Desired) -> str:
    """The releases that a flow calls, as its deployments are marked with them."""
    calls = {task: desired.inputs.calls[task] for task in desired.docker_tasks}
    return json.dumps(calls, sort_keys=True, separators=(",", ":")) if calls else ""


def with_pins(one: Desired, pins: Mapping[str, Mapping[str, Mapping[str, str]]]) -> Desired:
    """The flow with the pins of its tasks (by task and deployment) in the environment of its runs."""
    variable = json.dumps(pins, sort_keys=True, separators=(",", ":"))
    deployments = tuple(replace(each, env={**each.env, PINS_ENV: variable}) for each in one.deployments)
    images = {task: next(iter(by_name.values()))["image"] for task, by_name in pins.items()}
    return replace(one, deployments=deployments, pinned=images)


def in_call_order(tasks: Mapping[str, tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
    """The flows in the order in which they are shipped: each after all that it calls."""
    sorter = TopologicalSorter(
        {name: [one for one in called if one in tasks] for name, called in tasks.items()}
    )
    sorter.prepare()
    groups: list[tuple[str, ...]] = []
    while sorter.is_active():
        ready = sorter.get_ready()
        groups.append(tuple(name for name in tasks if name in ready))
        sorter.done(*ready)
    return tuple(groups)
