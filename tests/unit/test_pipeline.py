"""The whole pipeline on fakes: what is built, published and registered, in which order, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from flowyard.adapters.terminal import SilentProgress
from flowyard.building.pace import Pace
from flowyard.building.workshop import build_images
from flowyard.errors import (
    BuildFailed,
    Defect,
    FlowFailed,
    OrderError,
    PrefectError,
    PushFailed,
    RegistryError,
)
from flowyard.images import ImageReference
from flowyard.pipeline import changed_images, ship
from flowyard.plan import Action
from flowyard.report import exit_code
from flowyard.values import ImageDescription
from tests.fakes import FakeContainerRegistry
from tests.fakes_builder import FakeBuilder
from tests.support import FLOW, lock, make_project, write_files
from tests.yard_site import FIRST, SECOND, Site, described


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    root = make_project(
        tmp_path / "project", {"flows/etl/flow.py": FLOW, "flows/etl/flow.toml": "[deployments.daily]\n"}
    )
    lock(root)
    one = Site(root)
    yield one
    assert one.server.leases == {}, "every lease is given back"
    assert all(limit["active_slots"] == 0 for limit in one.server.limits.values())


def test_the_first_ship_builds_publishes_and_registers(site: Site) -> None:
    outcomes = site.ship()
    assert {name: one.plan.action for name, one in outcomes.items()} == {
        "etl": Action.BUILD,
        "hello": Action.BUILD,
    }
    assert {item.name for one in outcomes.values() for item in one.deployments} == {
        "etl/daily",
        "hello/default",
    }
    images = {name: row["job_variables"]["image"] for name, row in site.server.by_name().items()}
    assert images == {
        "etl/daily": str(outcomes["etl"].image),
        "hello/default": str(outcomes["hello"].image),
    }
    assert all("@sha256:" in image for image in images.values())
    assert (site.heads(), exit_code(outcomes.values())) == ({"etl": FIRST, "hello": FIRST}, 0)


def test_a_ship_with_nothing_to_do_asks_prefect_twice_and_the_registry_never(site: Site) -> None:
    site.ship()
    site.server.requests.clear()
    site.registry.failure = RegistryError("must not be asked")
    outcomes = site.ship()
    assert [one.plan.action for one in outcomes.values()] == [Action.UNCHANGED] * 2
    assert [(method, path) for method, path, _ in site.server.requests] == [
        ("POST", "/deployments/filter"),
        ("POST", "/artifacts/latest/filter"),
    ]


def test_an_edit_builds_that_flow_only_and_going_back_builds_nothing(site: Site) -> None:
    before = site.ship()
    write_files(site.root, {"flows/etl/flow.py": FLOW + "# edited\n"})
    assert site.actions() == {"etl": Action.BUILD, "hello": Action.UNCHANGED}
    edited = site.ship()
    assert site.built() == ["etl", "etl", "hello"]
    assert edited["etl"].image != before["etl"].image
    write_files(site.root, {"flows/etl/flow.py": FLOW})
    back = site.ship()
    assert (back["etl"].plan.action, back["etl"].plan.reasons) == (
        Action.REUSE,
        ("flows/etl/flow.py changed",),
    )
    assert (back["etl"].image, site.built()) == (before["etl"].image, ["etl", "etl", "hello"])


def test_a_schedule_is_registered_without_a_build(site: Site) -> None:
    before = site.ship()
    write_files(
        site.root, {"flows/etl/flow.toml": '[deployments.daily]\nschedules = [{ cron = "0 6 * * *" }]\n'}
    )
    after = site.ship()
    assert (after["etl"].plan.action, after["etl"].image) == (Action.REGISTER, before["etl"].image)
    assert len(site.server.by_name()["etl/daily"]["schedules"]) == 1
    assert site.built() == ["etl", "hello"]


def test_one_failure_does_not_keep_the_others_from_being_shipped(site: Site) -> None:
    site.builder.failures["etl"] = BuildFailed("RUN false failed")
    outcomes = site.ship()
    assert outcomes["etl"].error == site.builder.failures["etl"]
    assert outcomes["hello"].error is None
    assert set(site.server.by_name()) == {"hello/default"}
    assert (exit_code(outcomes.values()), site.heads()) == (1, {"hello": FIRST})
    site.builder.failures.clear()
    assert site.actions() == {"etl": Action.BUILD, "hello": Action.UNCHANGED}


def test_a_push_that_failed_is_what_the_registry_says_of_it(site: Site) -> None:
    """An answer that was lost, or a tag that never moves and was pushed by another ship in the meantime."""
    site.builder.lost["etl"] = site.builder.failures["hello"] = PushFailed("tag invalid")
    outcomes = site.ship()
    assert outcomes["etl"].error is None
    (reference,) = {one.reference for one in site.builder.requests if one.flow == "etl"}
    assert (reference.repository.path, outcomes["etl"].image) == ("etl", site.registry.find(reference))
    assert outcomes["hello"].error is site.builder.failures["hello"]
    assert set(site.server.by_name()) == {"etl/daily"}


def test_a_refused_registration_keeps_what_was_there(site: Site) -> None:
    site.ship()
    before = site.server.by_name()["etl/daily"]["job_variables"]["image"]
    write_files(site.root, {"flows/etl/flow.py": FLOW + "# edited\n"})
    posts = 0

    def refuse(method: str, path: str, body: object) -> str | None:
        nonlocal posts
        posts += (method, path) == ("POST", "/deployments/")
        return "no" if posts == 1 and path == "/deployments/" else None

    site.server.refuse = refuse
    outcomes = site.ship()
    assert isinstance(outcomes["etl"].error, PrefectError)
    assert site.server.by_name()["etl/daily"]["job_variables"]["image"] == before
    assert site.actions()["etl"] is Action.REUSE  # the image is there: only registering is left


def test_register_builds_nothing(site: Site) -> None:
    outcomes = site.ship("etl", build=False)
    error = outcomes["etl"].error
    assert isinstance(error, FlowFailed)
    assert error.hint == "run `python build.py ship etl`, which builds it"
    assert (site.built(), site.server.deployments) == ([], {})


def test_an_image_that_was_published_already_is_registered_without_a_build(site: Site) -> None:
    site.ship()
    site.server.deployments.clear()
    outcomes = site.ship(build=False)
    assert [one.plan.action for one in outcomes.values()] == [Action.REUSE] * 2
    assert set(site.server.by_name()) == {"etl/daily", "hello/default"}


def test_the_first_image_under_a_key_is_everybody_s(site: Site) -> None:
    """Another builder pushes the same key between our push and our question to the registry."""

    class Race(FakeContainerRegistry):
        def put(self, reference, layers, env=None):  # type: ignore[no-untyped-def]
            ours = super().put(reference, layers, env)
            self.theirs = super().put(reference, [*layers[:-1], {"x": b"other"}, layers[-1]], env)
            return ours

    race = Race()
    site.registry, site.builder = race, FakeBuilder(race, described)
    outcome = site.ship("etl")["etl"]
    assert outcome.image is not None
    assert outcome.image.digest == race.theirs
    assert site.server.by_name()["etl/daily"]["job_variables"]["image"] == str(outcome.image)


def test_a_push_that_the_registry_does_not_hold_is_an_error(site: Site) -> None:
    class Forgetful(FakeContainerRegistry):
        def digest(self, reference: ImageReference) -> None:
            return None

    site.registry = Forgetful()
    site.builder = FakeBuilder(site.registry, described)
    error = site.ship("etl")["etl"].error
    assert isinstance(error, RegistryError)
    assert "but the registry does not hold it" in error.message


def test_a_folder_that_is_gone_is_removed_by_a_whole_ship_only(site: Site) -> None:
    site.ship()
    write_files(site.root, {"flows/etl/flow.py": None, "flows/etl/flow.toml": None})
    (site.root / "flows/etl").rmdir()
    write_files(site.root, {"flows/third/flow.py": FLOW})
    site.ship("third")
    assert set(site.server.by_name()) == {"etl/daily", "hello/default", "third/default"}
    outcomes = site.ship()
    assert outcomes["etl"].plan.action is Action.REMOVE
    assert set(site.server.by_name()) == {"hello/default", "third/default"}


def test_an_older_commit_never_replaces_a_newer_one(site: Site) -> None:
    site.commit = SECOND
    site.ship()
    images = {name: row["job_variables"]["image"] for name, row in site.server.by_name().items()}
    site.commit = FIRST
    write_files(site.root, {"flows/etl/flow.py": FLOW + "# older\n"})
    outcomes = site.ship()
    assert isinstance(outcomes["etl"].error, OrderError)
    assert (outcomes["hello"].error, site.heads()) == (None, {"etl": SECOND, "hello": SECOND})
    assert {name: row["job_variables"]["image"] for name, row in site.server.by_name().items()} == images


def test_a_commit_that_changes_nothing_moves_the_head_all_the_same(site: Site) -> None:
    site.ship()
    site.commit = SECOND
    site.ship()
    assert site.heads() == {"etl": SECOND, "hello": SECOND}


def test_two_ships_of_one_flow_do_not_run_at_once(site: Site) -> None:
    site.ship()
    write_files(site.root, {"flows/etl/flow.py": FLOW + "# edited\n"})
    site.server.limits["flowyard:acme:local:etl"]["active_slots"] = 1
    with pytest.raises(OrderError, match="etl"):
        site.ship()
    assert site.built() == ["etl", "hello"]
    site.server.limits["flowyard:acme:local:etl"]["active_slots"] = 0


def test_build_leaves_images_in_the_engine_and_keeps_every_outcome(site: Site) -> None:
    site.builder.failures["etl"] = BuildFailed("no")
    yard = site.yard()
    outcomes = build_images(yard.workshop, yard.project.flows, Pace(2))
    assert [(one.flow, one.built is not None, one.error) for one in outcomes] == [
        ("etl", False, site.builder.failures["etl"]),
        ("hello", True, None),
    ]
    assert [request.push for request in site.builder.requests] == [False, False]
    assert site.server.requests == []


def test_a_mistake_of_ours_is_told_with_its_traceback(site: Site) -> None:
    def broken(flow: str) -> ImageDescription:
        raise ZeroDivisionError

    site.builder = FakeBuilder(site.registry, broken)
    errors = [outcome.error for outcome in site.ship().values()]
    assert {type(error) for error in errors} == {Defect}
    assert all(error is not None and "raise ZeroDivisionError" in error.message for error in errors)


def test_a_work_pool_of_another_type_is_an_error_before_anything_is_built(site: Site) -> None:
    site.server.pools["pool"] = {**site.server.pools["pool"], "type": "process"}
    with pytest.raises(PrefectError, match="work pool pool is of type process, but target local says docker"):
        site.ship()
    assert site.built() == []


def test_what_is_told_of_a_ship(site: Site) -> None:
    said: list[tuple[str, str]] = []

    class Listener(SilentProgress):
        def step(self, flow: str, text: str) -> None:
            said.append((flow, text))

        def done(self, flow: str, text: str, *, failed: bool = False) -> None:
            said.append((flow, text))

    yard = site.yard()
    yard = replace(yard, workshop=replace(yard.workshop, progress=Listener()))
    ship(yard, [flow for flow in yard.project.flows if flow.name == "etl"])
    assert said == [
        ("etl", "staging the build context"),
        ("etl", "registering"),
        ("etl", "registered etl/daily"),
    ]


def test_an_image_that_is_another_is_told_from_a_schedule_that_is(site: Site) -> None:
    site.ship()
    schedule = '[deployments.daily]\nschedules = [{ cron = "0 6 * * *" }]\n'
    write_files(site.root, {"flows/hello/flow.py": FLOW + "# edited\n", "flows/etl/flow.toml": schedule})
    yard = site.yard()
    assert [flow.name for flow in changed_images(yard, yard.project.flows)] == ["hello"]
