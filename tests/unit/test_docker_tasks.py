"""Which flows a flow calls, which release of each, in which order they are shipped, and how they are pinned."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from flowyard.deployed import read_deployments
from flowyard.errors import ConfigurationError, FlowFailed
from flowyard.fingerprints import fingerprint
from flowyard.images import ImageReference, Repository
from flowyard.inputs import Inputs
from flowyard.outcome import Outcome
from flowyard.pipeline import plan_flows
from flowyard.plan import Desired
from flowyard.planning.context import ContextFile
from flowyard.planning.docker_tasks import (
    check,
    in_call_order,
    named_in,
    tasks_of,
    with_pins,
    with_releases,
)
from flowyard.planning.observe import warned
from flowyard.planning.pool_limits import PoolLimits, with_warnings
from flowyard.registering.deployment import MARK, STATE, normal
from flowyard.registering.live import LiveDeployment, released
from flowyard.registering.pins import ensure_pins, pin_body, pin_name
from flowyard.report import ship_notes
from flowyard.runtime.names import PINS_ENV
from flowyard.target import PrefectChoice, Target, VolumeStorage
from flowyard.values import BaseImage, Dependencies, DeploymentSpec, Flow, Json, Project
from tests.ecs_site import REGISTRY as ECS
from tests.ecs_site import ecs_site
from tests.support import FLOW, REGISTRY, alive, lock, make_project, write_files
from tests.yard_site import Site

TARGET = Target(
    "local",
    "host",
    "flows/{flow}",
    "pool",
    "docker",
    PrefectChoice("embedded"),
    results=VolumeStorage("results"),
)
SPEC = DeploymentSpec(name="default", entrypoint="flow.py", targets=("local",))


def flow(name: str, **more: Any) -> Flow:
    return Flow(
        name=name,
        folder=Path("flows") / name,
        base=BaseImage("python:3.13-slim", None, "3.13"),
        dependencies=Dependencies("none", None, ()),
        entrypoints=("flow.py",),
        deployments=more.pop("deployments", (SPEC,)),
        **more,
    )


def desired(name: str, *tasks: str) -> Desired:
    reference = ImageReference(Repository("host", f"flows/{name}"), "tag")
    return Desired(
        flow(name), (SPEC,), f"key-{name}", f"spec-{name}", Inputs(), reference, docker_tasks=tasks
    )


def live(name: str, key: str = "k" * 32, **more: Any) -> LiveDeployment:
    """A deployment of a flow as it is in Prefect after a ship; `changed` is what somebody changed since."""
    changed = more.pop("changed", {})
    labels = more.pop("labels", {})
    body: dict[str, Json] = {
        "id": f"id-{name}",
        "flow_id": f"flow-{name}",
        "name": "default",
        "entrypoint": f"flowyard.runtime.flows.{name}",
        "pull_steps": [],
        "parameter_openapi_schema": {"properties": {}},
        "enforce_parameter_schema": True,
        "job_variables": {"image": f"host/flows/{name}@sha256:1", "env": {"A": "1"}},
        "work_pool_name": "pool",
        "work_queue_name": "default",
        **more,
    }
    marks = {"project": "acme", "target": "local", "flow": name, "key": key, "spec": "s" * 32}
    labels |= {f"{MARK}{mark}": value for mark, value in marks.items()}
    (found,) = alive([{**body, "labels": {**labels, STATE: fingerprint(normal(body))}, **changed}])
    return found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from flowyard import docker_task\nclean = docker_task('clean')\n", [(2, "clean")]),
        ("from flowyard import docker_task as call\ncall(name='clean')\n", [(2, "clean")]),
        ("import flowyard\nflowyard.docker_task('clean').map([1])\n", [(2, "clean")]),
        ("from flowyard import docker_task\ndocker_task(NAME)\ndocker_task()\n", [(2, None), (3, None)]),
        ("# docker_task('clean')\n'docker_task'\n", []),
        ("docker_task('clean'", []),
    ],
)
def test_tasks_are_found_in_the_code(source: str, found: list[tuple[int, str | None]]) -> None:
    assert list(named_in(source.encode())) == found


def file(tmp_path: Path, path: str, source: str) -> ContextFile:
    written = tmp_path / path.replace("/", "_")
    written.write_text(source)
    return ContextFile(f"project/{path}", path, written, "hash")


def test_the_tasks_of_a_flow(tmp_path: Path) -> None:
    etl = flow("etl", includes=(Path("shared"),))
    files = [
        file(tmp_path, "flows/etl/flow.py", "docker_task('clean')"),
        file(tmp_path, "flows/etl/notes.txt", "docker_task('not python')"),
        file(tmp_path, "shared/calls.py", "docker_task('load'); docker_task('etl')"),
    ]
    assert tasks_of(etl, files) == ("clean", "load")  # a shared folder may name whoever includes it
    assert tasks_of(replace(etl, docker_tasks=("other",)), files) == ("other",)
    with pytest.raises(ConfigurationError) as caught:
        tasks_of(etl, [file(tmp_path, "flows/etl/more.py", "\ndocker_task(NAME)")])
    (problem,) = caught.value.problems
    assert (problem.file, "does not say which flow" in problem.text) == ("flows/etl/more.py, line 2", True)


def problems(
    tasks: dict[str, tuple[str, ...]], target: Target = TARGET, *flows: Flow
) -> list[tuple[str, str]]:
    known = flows or tuple(flow(name) for name in ("etl", "clean", "load"))
    project = Project("acme", Path(), known, {"local": target}, "local", ())
    first = dict(list(tasks.items())[:1])
    try:
        check(project, target, first, lambda one: tasks.get(one.name, ()))
    except ConfigurationError as error:
        return [(problem.file, problem.text) for problem in error.problems]
    return []


def test_calls_that_cannot_be_made_are_told_of() -> None:
    assert problems({"etl": ("clean",), "clean": ("load",)}) == []
    assert problems({"etl": ("claen",)}) == [
        ("flows/etl", "there is no folder flows/claen (did you mean `clean`?); flows: clean, etl, load")
    ]
    elsewhere = flow("clean", deployments=())
    assert problems({"etl": ("clean",)}, TARGET, flow("etl"), elsewhere) == [
        ("flows/etl", "flows/clean has no deployment on target local; give it one")
    ]
    ((where, text),) = problems({"etl": ("clean",)}, replace(TARGET, results=None))
    assert (where, "need a place for their values" in text) == ("registry.toml", True)


@pytest.mark.parametrize(
    "tasks", [{"etl": ("etl",)}, {"etl": ("clean",), "clean": ("load",), "load": ("etl",)}]
)
def test_circles_are_found_in_whatever_is_called(tasks: dict[str, tuple[str, ...]]) -> None:
    ((_, text),) = problems(tasks)
    assert text.startswith("calls itself as a Docker task: ")
    assert text.count("->") == len(tasks)


def test_flows_are_shipped_after_what_they_call() -> None:
    tasks = {"etl": ("clean", "load"), "clean": ("load",), "load": (), "hello": (), "other": ("elsewhere",)}
    assert in_call_order(tasks) == (("load", "hello", "other"), ("clean",), ("etl",))


def test_a_flow_is_what_its_tasks_are() -> None:
    alone = with_releases([desired("etl", "clean")], {"clean": (live("clean"),)})[0]
    again = with_releases([desired("etl", "clean")], {"clean": (live("clean"),)})[0]
    newer = with_releases([desired("etl", "clean")], {"clean": (live("clean", key="n" * 32),)})[0]
    assert alone.spec == again.spec != newer.spec
    assert alone.inputs == Inputs(calls={"clean": f"{'k' * 32}/{'s' * 32}"})
    together = with_releases([desired("etl", "clean"), desired("clean")], {"clean": (live("clean"),)})[0]
    assert together.inputs == Inputs(calls={"clean": "key-clean/spec-clean"})


def test_a_spec_with_calls_is_a_constant_of_both() -> None:
    """What is deployed with this one is registered anew under any other."""
    there = {name: (live(name),) for name in ("clean", "load")}
    (one,) = with_releases([desired("etl", "clean", "load")], there)
    assert one.spec == "d670252451ac3d5f069096ba9a26153c"


def test_a_task_of_a_task_changes_both() -> None:
    def specs(key: str) -> list[str]:
        flows = [desired("etl", "clean"), desired("clean", "load")]
        return [one.spec for one in with_releases(flows, {"load": (live("load", key=key),)})]

    first, second = specs("a"), specs("b")
    assert all(one != other for one, other in zip(first, second, strict=True))


def test_a_task_that_is_not_deployed_has_to_be_shipped_as_well() -> None:
    with pytest.raises(ConfigurationError) as caught:
        with_releases([desired("etl", "clean")], {})
    (problem,) = caught.value.problems
    assert problem.text == "flows/clean is not deployed here; ship it as well: python build.py flows/clean"


def test_who_calls_what_is_shipped_without_it_is_told_of() -> None:
    caller = live("etl", labels={f"{MARK}calls": json.dumps({"clean": "old/old"})})
    (one,) = with_releases([desired("clean")], {"etl": (caller,), "other": (live("other"),)})
    assert one.notes == ("stays as it was for flows/etl, until etl is shipped as well",)
    both = with_releases([desired("clean"), desired("etl", "clean")], {"etl": (caller,)})
    assert [one.notes for one in both] == [(), ()]
    for changed in ("changed by somebody", "[[]]"):
        assert live("etl", labels={f"{MARK}calls": changed}).calls == {}


CALLER = "from flowyard import docker_task\n\nhello = docker_task('hello')\n" + FLOW.replace(
    "hello", "caller"
)


def in_docker(root: Path) -> Site:
    project = make_project(root, {"registry.toml": f'{REGISTRY}results = "volume:r"\n', **CALLERS})
    lock(project)
    return Site(project)


def on_ecs(root: Path) -> Site:
    return ecs_site(root, {"registry.toml": f"{ECS.replace('order =', STORED)}", **CALLERS})


CALLERS = {"flows/caller/flow.py": CALLER}
STORED = 'results = "s3://acme-results/flows"\norder ='


@pytest.mark.parametrize("made", [in_docker, on_ecs])
def test_a_caller_lags_behind_until_it_is_shipped(tmp_path: Path, made: Callable[[Path], Site]) -> None:
    site = made(tmp_path / "project")
    assert {name: one.error for name, one in site.ship().items()} == {"caller": None, "hello": None}
    assert [flow.action for flow in site.plan().changes] == []
    write_files(site.root, {"flows/hello/flow.py": f"{FLOW}\nCHANGED = 1\n"})
    behind = ("stays as it was for flows/caller, until caller is shipped as well",)
    assert notes(site, "hello") == behind
    site.ship("hello")
    assert notes(site, "hello") == behind  # nothing to do for it, and still true
    assert [(flow.name, flow.reasons) for flow in site.plan().changes] == [
        ("caller", ("docker task hello changed",))
    ]
    site.ship()
    assert (notes(site, "hello"), site.plan().changes) == ((), ())


def notes(site: Site, flow: str) -> tuple[str, ...]:
    """What a plan of this flow alone says beside what would happen."""
    yard = site.yard()
    (planned,) = plan_flows(yard, [one for one in yard.project.flows if one.name == flow]).flows
    assert planned.desired is not None
    return planned.desired.notes


def test_several_releases_are_none() -> None:
    assert released([live("clean")]) == f"{'k' * 32}/{'s' * 32}"
    assert released([live("clean"), live("clean", key="n" * 32)]) is None
    assert released([]) is None


def test_pins_are_carried_in_the_environment() -> None:
    pins = {"clean": {"default": {"id": "1", "image": "image", "release": "k/s"}}}
    one = with_pins(desired("etl", "clean"), pins)
    assert (one.pinned, json.loads(one.deployments[0].env[PINS_ENV])) == ({"clean": "image"}, pins)


def warnings(limits: PoolLimits, *queues: str) -> list[tuple[str, ...]]:
    specs = [replace(SPEC, work_queue=queue or None) for queue in queues]
    flows = [desired("etl", "clean"), desired("clean")]
    wanted = [replace(one, deployments=(spec,)) for one, spec in zip(flows, specs, strict=True)]
    return [one.notes for one in with_warnings(wanted, limits, TARGET, {})]


def test_callers_that_could_take_all_the_room_are_told_of() -> None:
    assert warnings(PoolLimits("pool", None, {"calm": 3}), "", "") == [(), ()]
    (note,), none = warnings(PoolLimits("pool", 1), "", "")
    assert (note, none) == (
        "work pool pool executes one run at once; so many of it would wait for their Docker tasks in vain: "
        "raise that limit",
        (),
    )
    ((note,), _) = warnings(PoolLimits("pool", None, {"busy": 3}), "busy", "busy")
    assert note.startswith("work queue busy executes 3 runs at once")
    assert warnings(PoolLimits("pool", None, {"busy": 3}), "busy", "calm") == [(), ()]


def test_the_limits_are_asked_for_where_a_plan_is_shown_and_where_a_caller_changes(tmp_path: Path) -> None:
    site = in_docker(tmp_path / "project")
    site.server.pools["pool"]["concurrency_limit"] = 1
    assert [bool(told) for told in told_by(site.ship()["caller"])] == [True]
    site.server.requests.clear()
    assert told_by(site.ship()["caller"]) == ()
    assert pools_asked(site) == 0
    yard, plan = site.yard(), site.plan()
    shown = warned(yard, plan, plan.flows, read_deployments(site.server, "acme"))
    assert [bool(flow.desired and flow.desired.notes) for flow in shown.flows] == [True, False]
    assert pools_asked(site) == 2
    site.server.requests.clear()
    assert warned(yard, plan, plan.changes, ()) is plan
    write_files(site.root, {"flows/hello/flow.py": f"{FLOW}\nCHANGED = 1\n"})
    assert told_by(site.ship("hello")["hello"]) == ()  # it calls none, whoever calls it
    assert [bool(told) for told in told_by(site.ship()["caller"])] == [True]


def told_by(outcome: Outcome) -> tuple[str, ...]:
    """The notes about limits that a ship prints of a flow."""
    return tuple(text for text in ship_notes(outcome) if "at once" in text)


def pools_asked(site: Site) -> int:
    """How many requests there were about the limits of work pools and their queues."""
    return sum(path.startswith("/work_pools/") for _, path, _ in site.server.requests)


class Server:
    """Deployments, and what was asked."""

    def __init__(self, *there: dict[str, Json]) -> None:
        self.there = list(there)
        self.made: list[Json] = []

    def request(self, method: str, path: str, body: Json = None) -> Json:
        if path == "/deployments/filter":
            names = body["deployments"]["name"]["any_"]
            return [one for one in self.there if one["name"] in names and not body.get("offset")]
        assert (method, path) == ("POST", "/deployments/")
        self.made.append(body)
        self.there.append({**body, "id": f"new-{len(self.made)}"})
        return self.there[-1]


RELEASE = f"{'k' * 32}/{'s' * 32}"


def test_a_pin_is_made_once_for_a_release() -> None:
    server, deployed = Server(), live("clean")
    expected = {"default": {"id": "new-1", "image": "host/flows/clean@sha256:1", "release": RELEASE}}
    assert ensure_pins(server, "clean", RELEASE, [deployed]) == expected
    assert ensure_pins(server, "clean", RELEASE, [deployed]) == expected
    assert server.made == [pin_body(deployed)]


@pytest.mark.parametrize(
    "change",
    [
        {"job_variables": {"image": "another", "env": {}}},
        {"entrypoint": "flowyard.runtime.flows.other"},
        {"parameters": {"day": "today"}},
    ],
)
def test_a_pin_that_somebody_changed_is_let_alone(change: dict[str, Json]) -> None:
    server = Server()
    ensure_pins(server, "clean", RELEASE, [live("clean")])
    server.there[0] |= change
    assert ensure_pins(server, "clean", RELEASE, [live("clean")])["default"]["id"] == "new-2"
    assert [one["name"] for one in server.made] == [pin_name(live("clean")), f"{pin_name(live('clean'))}-2"]
    assert ensure_pins(server, "clean", RELEASE, [live("clean")])["default"]["id"] == "new-2"
    for _ in range(7):
        server.there[-1] |= change
        ensure_pins(server, "clean", RELEASE, [live("clean")])
    server.there[-1] |= change
    with pytest.raises(FlowFailed, match="and 8 more pins of it in Prefect were changed"):
        ensure_pins(server, "clean", RELEASE, [live("clean")])


def test_what_a_pin_is() -> None:
    body = pin_body(live("clean"))
    assert body["name"] == pin_name(live("clean")) == f"pin-default-{'k' * 12}-{'s' * 8}"
    assert (body["enforce_parameter_schema"], body["tags"]) == (False, ["flowyard-pin:acme"])
    assert body["job_variables"]["env"] == {"A": "1", "FLOWYARD_DOCKER_TASK": "clean"}
    assert (body["entrypoint"], body["flow_id"]) == ("flowyard.runtime.flows.clean", "flow-clean")
    assert "schedules" not in body


@pytest.mark.parametrize(
    ("deployed", "release", "text"),
    [
        (live("clean"), "other/other", "another ship changed it"),
        (live("clean", changed={"entrypoint": "x"}), RELEASE, "deployment default of it was changed"),
        (live("clean", changed={"job_variables": None}), RELEASE, "deployment default of it was changed"),
        (live("clean", job_variables={}), RELEASE, "deployment default of it was changed"),
    ],
)
def test_what_was_changed_meanwhile_is_not_pinned(deployed: LiveDeployment, release: str, text: str) -> None:
    with pytest.raises(FlowFailed, match=f"Docker task clean is not as it was planned: {text}"):
        ensure_pins(Server(), "clean", release, [deployed])
