"""What a ship that goes wrong half way leaves behind: whatever is said to be shipped is, and nothing else."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.adapters.terminal import SilentProgress
from flowyard.build import BuildRequest, BuiltImage
from flowyard.building.pace import Pace
from flowyard.building.workshop import build_images
from flowyard.errors import BuildFailed, Defect, FlowFailed, FlowyardError, PrefectError, Refused
from flowyard.pipeline import plan_flows, ship
from flowyard.plan import Action
from flowyard.releasing.lease import hold
from flowyard.releasing.limits import flow_limit
from flowyard.report import exit_code
from flowyard.shipment import Shipment
from flowyard.shipping.registrar import Registrar
from flowyard.values import ImageDescription, Json
from flowyard.work_pools.ensure import WorkPool
from tests.fakes_builder import FakeBuilder
from tests.fakes_server import TEMPLATE, FakeServer
from tests.support import FLOW, desire, lock, make_project, write_files
from tests.yard_site import FIRST, SECOND, Site, described

EDITED = {"flows/etl/flow.py": FLOW + "# edited\n"}
HEAD, RECORD = "flowyard--acme--local", "flowyard--acme--local--etl"


class Picky(FakeServer):
    """A server that can be told to refuse writing artifacts: the head (`HEAD`) or a flow's records."""

    refused_key = ""

    def request(self, method: str, path: str, body: Json = None) -> Json:
        """As PrefectApi.request."""
        identity = path.removeprefix("/artifacts/")
        keys = {item["id"]: item["key"] for item in self.artifacts}
        key = body["key"] if (method, path) == ("POST", "/artifacts/") else keys.get(identity)
        if self.refused_key and key == self.refused_key:
            raise Refused("database is locked", status=500)
        return super().request(method, path, body)


class Editor(SilentProgress):
    """Changes files at the last moment before a flow's context is staged, as somebody at an editor may."""

    def __init__(self, edit: Callable[[str], object]) -> None:
        super().__init__()
        self._edit = edit

    def step(self, flow: str, text: str) -> None:
        """As Progress.step."""
        if text == "staging the build context":
            self._edit(flow)


@pytest.fixture
def server() -> Picky:
    return Picky()


@pytest.fixture
def site(tmp_path: Path, server: Picky) -> Iterator[Site]:
    toml = "[deployments.daily]\n[deployments.weekly]\n"
    root = make_project(
        tmp_path / "project", {"flows/etl/flow.py": FLOW, "flows/etl/flow.toml": toml, "flows/etl/x.sql": "1"}
    )
    lock(root)
    one = Site(root, server)
    yield one
    assert one.server.leases == {}, "every lease is given back"
    assert all(limit["active_slots"] == 0 for limit in one.server.limits.values())


def images(site: Site) -> dict[str, str]:
    return {name: row["job_variables"]["image"] for name, row in site.server.by_name().items()}


def errors(site: Site) -> dict[str, FlowyardError | None]:
    return {name: outcome.error for name, outcome in site.ship().items()}


def test_an_edit_between_plan_and_build_is_not_shipped_under_the_old_key(site: Site) -> None:
    before = desire(site.root, "etl").reference
    yard = site.yard()
    editor = Editor(lambda flow: write_files(site.root, EDITED))
    yard = replace(yard, workshop=replace(yard.workshop, progress=editor))
    outcomes = {one.plan.name: one for one in ship(yard, yard.project.flows)}
    error = outcomes["etl"].error
    assert error is not None
    assert (error.message, error.hint) == (
        "flows/etl/flow.py changed while it was being shipped",
        "ship again",
    )
    assert (site.registry.digest(before), site.built()) == (None, ["hello"])
    assert (outcomes["hello"].error, set(images(site))) == (None, {"hello/default"})
    assert errors(site) == {"etl": None, "hello": None}


def test_a_file_that_is_added_or_made_executable_between_plan_and_build(site: Site) -> None:
    def add(flow: str) -> None:
        write_files(site.root, {f"flows/{flow}/added.py": "1"})
        (site.root / "flows/hello/flow.py").chmod(0o755)

    staged: list[str] = []

    class Looking(FakeBuilder):
        def build(self, request: BuildRequest) -> BuiltImage:
            files = (path for path in request.context.rglob("*") if path.is_file())
            staged.extend(path.name for path in files if "project" in path.parts[:-1])
            assert not os.access(request.context / "project/flows/hello/flow.py", os.X_OK)
            return super().build(request)

    site.builder = Looking(site.registry, described)
    yard = site.yard()
    yard = replace(yard, workshop=replace(yard.workshop, progress=Editor(add)), pace=Pace(1))
    ship(yard, yard.project.flows)
    assert "flow.py" in staged
    assert "added.py" not in staged
    assert site.actions() == {"etl": Action.BUILD, "hello": Action.BUILD}


def test_a_file_that_is_gone_between_plan_and_build_ends_that_flow_only(site: Site) -> None:
    gone = site.root / "flows/etl/x.sql"
    yard = site.yard()
    editor = Editor(lambda flow: gone.unlink() if flow == "etl" else None)
    yard = replace(yard, workshop=replace(yard.workshop, progress=editor))
    outcomes = {one.plan.name: one for one in ship(yard, yard.project.flows)}
    error = outcomes["etl"].error
    assert type(error) is FlowyardError
    assert str(gone) in error.message
    assert (site.built(), set(images(site))) == (["hello"], {"hello/default"})


def test_a_head_that_cannot_be_moved_hides_no_outcome(site: Site, server: Picky) -> None:
    site.builder.failures["hello"] = BuildFailed("RUN false failed")
    server.refused_key = HEAD
    outcomes = site.ship()
    assert outcomes["hello"].error is site.builder.failures["hello"]
    late = outcomes["etl"].error
    assert isinstance(late, PrefectError)
    assert (str(late), late.hint) == (
        "shipped, but the target's head was not moved: database is locked",
        "ship again",
    )
    assert [item.name for item in outcomes["etl"].deployments] == ["etl/daily", "etl/weekly"]
    assert images(site) == dict.fromkeys(("etl/daily", "etl/weekly"), str(outcomes["etl"].image))
    assert site.heads() == {}
    server.refused_key = ""
    site.builder.failures.clear()
    assert site.ship()["etl"].plan.action is Action.UNCHANGED
    assert site.heads() == {"etl": FIRST, "hello": FIRST}


def test_a_release_record_that_cannot_be_kept_puts_the_deployments_back(site: Site, server: Picky) -> None:
    site.ship()
    before = images(site)
    write_files(site.root, EDITED)
    site.commit = SECOND
    server.refused_key = RECORD
    error = errors(site)["etl"]
    assert isinstance(error, PrefectError)
    assert error.message == "database is locked"
    assert (images(site), site.heads()) == (before, {"etl": FIRST, "hello": SECOND})
    assert site.actions()["etl"] is Action.REUSE
    server.refused_key = ""
    assert errors(site) == {"etl": None, "hello": None}
    assert images(site)["etl/daily"] != before["etl/daily"]


def test_a_first_ship_without_a_release_record_leaves_no_deployment(site: Site, server: Picky) -> None:
    server.refused_key = RECORD
    assert isinstance(errors(site)["etl"], PrefectError)
    assert (set(images(site)), site.heads()) == ({"hello/default"}, {"hello": FIRST})


def failing(error: Exception) -> Callable[[str], ImageDescription]:
    def describe(flow: str) -> ImageDescription:
        if flow == "etl":
            raise error
        return described(flow)

    return describe


@pytest.mark.parametrize(
    ("error", "kind", "code", "said"),
    [
        (PermissionError(13, "Permission denied", "x.sql"), FlowyardError, 1, "PermissionError: [Errno 13] "),
        (KeyError("digest"), Defect, 70, "Traceback (most recent call last):"),
    ],
)
def test_an_unforeseen_error_in_one_flow_hides_no_other(
    site: Site, error: Exception, kind: type[FlowyardError], code: int, said: str
) -> None:
    site.builder = FakeBuilder(site.registry, failing(error))
    outcomes = site.ship()
    found = outcomes["etl"].error
    assert type(found) is kind
    assert found.message.startswith(said)
    assert str(error) in found.message
    assert (outcomes["hello"].error, exit_code(outcomes.values())) == (None, code)
    assert (set(images(site)), site.heads()) == ({"hello/default"}, {"hello": FIRST})


def test_an_unforeseen_error_of_one_build_hides_no_other(site: Site) -> None:
    class Broken(FakeBuilder):
        def build(self, request: BuildRequest) -> BuiltImage:
            if request.flow == "etl":
                raise OSError(28, "No space left on device")
            return super().build(request)

    site.builder = Broken(site.registry, described)
    yard = site.yard()
    etl, hello = build_images(yard.workshop, yard.project.flows, Pace(2))
    assert etl.error is not None
    assert etl.error.message == "OSError: [Errno 28] No space left on device"
    assert (hello.error, hello.built is not None) == (None, True)
    contexts = site.root / ".flowyard/contexts"
    assert not contexts.exists(), "contexts are removed, whatever became of the build"


def test_a_removal_that_fails_removes_nothing_and_moves_no_head(site: Site) -> None:
    site.ship()
    before = images(site)
    site.commit = SECOND
    for name in ("flow.py", "flow.toml", "x.sql"):
        (site.root / "flows/etl" / name).unlink()
    (site.root / "flows/etl").rmdir()
    site.server.refuse = lambda method, path, body: "no" if path == "/deployments/bulk_delete" else None
    error = errors(site)["etl"]
    assert isinstance(error, PrefectError)
    assert (images(site), site.heads()) == (before, {"etl": FIRST, "hello": SECOND})


def test_after_stop_nothing_is_registered_or_removed(site: Site) -> None:
    site.ship("hello")
    site.server.requests.clear()
    (site.root / "flows/hello/flow.py").unlink()
    (site.root / "flows/hello").rmdir()
    stopped = threading.Event()
    yard = site.yard()
    yard = replace(yard, workshop=replace(yard.workshop, stop=stopped.set))
    plan = plan_flows(yard, yard.project.flows, whole=True)
    assert [flow.action for flow in plan.flows] == [Action.BUILD, Action.REMOVE]
    with hold(yard.api, [flow_limit("acme", "local", flow.name) for flow in plan.flows]) as lease:
        registrar = Registrar(yard, None, WorkPool("1", TEMPLATE), lease)
        shipment = Shipment(yard, None, registrar, build=True)
        shipment.stop()
        for flow in plan.flows:
            with pytest.raises(FlowFailed, match=r"^stopped before anything of it was registered$"):
                shipment.ship_flow(flow)
    assert stopped.is_set()
    assert set(images(site)) == {"hello/default"}


def test_an_interrupted_ship_registers_nothing_more(site: Site) -> None:
    assert all(one.error is None for one in site.ship().values())  # what they share is pushed
    for flow in ("etl", "hello"):
        write_files(site.root, {f"flows/{flow}/flow.py": FLOW + "# edited\n"})
    before = images(site), site.heads()
    stopped, building = threading.Event(), threading.Barrier(2, timeout=10)

    class Interrupted(FakeBuilder):
        """Both builds run when the interruption comes, and end well all the same."""

        def build(self, request: BuildRequest) -> BuiltImage:
            if building.wait() == 0:
                signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
            assert stopped.wait(10)
            return super().build(request)

    site.builder = Interrupted(site.registry, described)
    yard = site.yard()
    yard = replace(yard, workshop=replace(yard.workshop, stop=stopped.set))
    with pytest.raises(KeyboardInterrupt):
        ship(yard, yard.project.flows)
    assert site.built() == ["etl", "hello"]
    assert (images(site), site.heads()) == before
