"""What is taken from the disk of the engine and of the state folder, what stays there and why."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flowyard.adapters.log_folder import LogFolder
from flowyard.adapters.processes import is_alive
from flowyard.cleaning.clean import Cleaned, Cleaning
from flowyard.cleaning.holdings import HeldImage, Holdings
from flowyard.cleaning.leftovers import leftovers, size_of
from flowyard.cleaning.needed import Judge, Judged, Needed, judge, needed_by, sharing
from flowyard.cleaning.told import clean_json, clean_notes, clean_text
from flowyard.errors import EngineError, PrefectError
from flowyard.load import load
from flowyard.target import EcrSettings, Target
from tests.fakes_images import FakeImages
from tests.fakes_server import FakeServer
from tests.release_records import history
from tests.support import FLOW, IN_A_BUCKET, REGISTRY, lock, make_project, target_of, write_files
from tests.yard_site import Site

HELLO = "registry.example:5000/hello"
START = datetime(2026, 1, 1, tzinfo=UTC)
DIGEST = f"sha256:{'a' * 64}"


def image(number: int, *names: str, flow: str = "hello", used: bool = False) -> HeldImage:
    """An image of the engine, made so many days after the first."""
    return HeldImage(f"image-{number}", names, flow, START + timedelta(days=number), 0, used)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project whose flow calls nothing."""
    made = make_project(tmp_path / "project")
    lock(made)
    return made


@pytest.fixture
def site(root: Path) -> Site:
    """It was shipped three times, each time changed."""
    made = Site(root)
    for number in range(3):
        write_files(root, {"flows/hello/flow.py": f"{FLOW}\nCHANGED = {number}\n"})
        assert [one.error for one in made.ship().values()] == [None]
    return made


@pytest.fixture
def target(root: Path) -> Target:
    return target_of(load(root))


def images_of(site: Site) -> list[str]:
    """What was shipped, the newest first."""
    return [record.image for record in history(site.server, "acme", "local", "hello")]


def test_why_an_image_stays(target: Target) -> None:
    images = [
        image(1, f"{HELLO}:old", f"{HELLO}@{DIGEST}"),
        image(2),
        image(3, f"{HELLO}:deployed"),
        image(4, f"{HELLO}:moved", f"{HELLO}@sha256:deployed"),
        image(5, f"{HELLO}:started", used=True),
        image(6, f"{HELLO}:key", "mine:best"),
        image(7, "registry.example:4000/hello:key"),
        image(8, "registry.example:4999/hello@sha256:b"),
        image(9, f"{HELLO}:built"),
        image(1, "registry.example:5000/gone:built", flow="gone"),
        image(1, flow=""),
    ]
    needed = Needed(
        frozenset({f"{HELLO}:deployed", f"{HELLO}@sha256:deployed"}),
        frozenset({"registry.example:4000/hello"}),
    )
    named = "it is deployed, pinned or of a release that is kept"
    assert [one.why for one in judge(images, needed, target)] == [
        "",
        "",
        named,
        named,
        "there is a container of it",
        "mine:best is no name that target local gives",
        "",
        "registry.example:4999/hello@sha256:b is no name that target local gives",
        "it is the newest one of its flow",
        "it is the newest one of its flow",
        "",
    ]


def test_releases_that_are_kept_and_what_is_deployed_are_needed(site: Site) -> None:
    newest, second, oldest = images_of(site)
    assert {newest, second, oldest} <= needed_by(site.server, "acme", "local", 20).names
    found = needed_by(site.server, "acme", "local", 2)
    assert {newest, second} <= found.names
    assert oldest not in found.names
    assert found.repositories == {HELLO}
    assert f"{HELLO}:{history(site.server, 'acme', 'local', 'hello')[0].key}" in found.names


def test_what_somebody_else_s_deployment_runs_is_needed(site: Site) -> None:
    oldest = images_of(site)[-1]
    row = site.server.by_name()["hello/default"]
    copy = {**row, "id": "x", "name": "copy", "labels": {}, "tags": [], "job_variables": {"image": oldest}}
    site.server.deployments["x"] = copy
    assert oldest in needed_by(site.server, "acme", "local", 1).names


def test_every_server_is_asked_on_which_a_target_shares_the_names(site: Site, target: Target) -> None:
    newest, second, oldest = images_of(site)
    images = [image(number, name) for number, name in enumerate((newest, second, oldest, f"{HELLO}:other"))]
    none_there = FakeServer()
    told = Judge("acme", target, ((none_there, "other"), (site.server, "local")), 2)(images)
    kept = "it is deployed, pinned or of a release that is kept"
    assert [one.why for one in told] == [kept, kept, "", "it is the newest one of its flow"]
    told = Judge("acme", target, ((none_there, "other"),), 2)(images)
    assert [one.why for one in told] == ["", "", "", "it is the newest one of its flow"]


def test_history_of_a_flow_that_is_gone_needs_nothing(site: Site) -> None:
    site.server.deployments.clear()
    found = needed_by(site.server, "acme", "local", 20)
    assert not found.names & set(images_of(site))
    assert found.repositories == {HELLO}


def test_targets_that_push_to_one_place_are_asked_together(tmp_path: Path) -> None:
    second = IN_A_BUCKET.replace("production", "staging").replace("other", "second")
    text = REGISTRY + IN_A_BUCKET + second
    project = load(make_project(tmp_path / "project", {"registry.toml": text}))
    staging, local = project.targets["staging"], project.targets["local"]
    assert {one.name for one in sharing(staging, project.targets.values())} == {"staging", "production"}
    assert sharing(local, project.targets.values()) == (local,)


def test_an_account_of_ecr_that_is_not_named_may_be_any(tmp_path: Path) -> None:
    project = load(make_project(tmp_path / "project", {"registry.toml": REGISTRY}))
    local = project.targets["local"]

    def target(name: str, **settings: Any) -> Target:
        return replace(local, name=name, ecr=EcrSettings("eu-west-1", **settings))

    own, named = target("own"), target("named", account="1" * 12, tags={"team": "a"}, create=False)
    other = target("other", account="2" * 12)
    far = replace(local, name="far", ecr=EcrSettings("us-east-1"))
    every = (local, own, named, other, far)
    assert [one.name for one in sharing(own, every)] == ["own", "named", "other"]
    assert [one.name for one in sharing(named, every)] == ["own", "named"]
    assert [one.name for one in sharing(far, every)] == ["far"]
    assert [one.name for one in sharing(local, every)] == ["local"]


def all_unneeded(images: Sequence[HeldImage]) -> Sequence[Judged]:
    return tuple(Judged(one, "" if one.id != "image-3" else "deployed") for one in images)


@pytest.fixture
def store() -> FakeImages:
    """Three images on one base, the first two with a layer that the third has not, and the check of the second."""
    return FakeImages(
        [image(number, f"{HELLO}:{number}") for number in (1, 2, 3)],
        {
            "image-1": ("base", "pandas", "one"),
            "image-2": ("base", "pandas", "two"),
            "image-3": ("base", "three"),
        },
        {"base": 1000, "pandas": 500, "one": 10, "two": 20, "three": 30, "of-another": 7, "check": 3},
        below={"check": "two", "of-another": "base"},
    )


def test_images_go_with_the_steps_that_only_they_held(store: FakeImages) -> None:
    cleaned = Cleaning("acme", "local", all_unneeded).run(store)
    assert [one.id for one in cleaned.images] == ["image-1", "image-2"]
    assert (cleaned.freed, cleaned.idle) == (533, 7)
    assert sorted(store.kept) == ["base", "of-another", "three"]
    assert [(one.image.id, one.why) for one in cleaned.kept] == [("image-3", "deployed")]


def test_a_dry_run_removes_nothing(store: FakeImages, tmp_path: Path) -> None:
    file = write_files(tmp_path, {"old.log": "x"}) / "old.log"
    cleaned = Cleaning("acme", "local", all_unneeded, (file,)).run(store, dry_run=True)
    assert [one.id for one in cleaned.images] == ["image-1", "image-2"]
    assert (cleaned.freed, cleaned.least) == (None, 30 + size_of(file))
    assert (store.asked, len(store.kept), file.exists()) == ([], 7, True)


def test_an_engine_that_stops_answering_meanwhile_ends_with_what_is_gone(store: FakeImages) -> None:
    class Leaving(FakeImages):
        def remove(self, image: HeldImage) -> bool:
            if image.id == "image-2":
                raise EngineError("no answer")
            return super().remove(image)

    leaving = Leaving(store.images, store.layers, store.sizes)
    with pytest.raises(EngineError) as caught:
        Cleaning("acme", "local", all_unneeded).run(leaving)
    assert str(caught.value) == f"no answer; removed by then: {HELLO}:1"
    assert caught.value.hint == "clean again: it goes on where it stopped"


def test_an_image_that_comes_into_use_meanwhile_stays(store: FakeImages) -> None:
    store.busy = frozenset({"image-1"})
    cleaned = Cleaning("acme", "local", all_unneeded).run(store)
    assert [one.id for one in cleaned.images] == ["image-2"]
    assert cleaned.freed == 23
    assert [one.why for one in cleaned.kept] == ["it has just come into use", "deployed"]
    assert "pandas" in store.kept


def test_where_prefect_does_not_answer_nothing_is_removed(store: FakeImages, tmp_path: Path) -> None:
    file = write_files(tmp_path, {"old.log": "x"}) / "old.log"

    def unknown(images: Sequence[HeldImage]) -> Sequence[Judged]:
        raise PrefectError("no answer")

    with pytest.raises(PrefectError):
        Cleaning("acme", "local", unknown, (file,)).run(store)
    assert (store.asked, file.exists()) == ([], True)


def test_what_a_build_beside_it_adds_is_not_taken_for_a_loss() -> None:
    class Growing(FakeImages):
        def look(self, project: str) -> Holdings:
            found = super().look(project)
            return found if len(self.images) == 1 else replace(found, layers=9999)

    store = Growing([image(1)], {"image-1": ("base",)}, {"base": 10})
    assert Cleaning("acme", "local", all_unneeded).run(store).freed == 0


def test_files_that_no_command_reads_any_more(tmp_path: Path) -> None:
    gone = [
        "logs/build/gone.log",
        "logs/build/gone.steps.json",
        "contexts/17/hello/Dockerfile",
        "rendered/a.json",
    ]
    kept = [
        "logs/build/hello.log",
        "logs/build/hello.steps.json",
        "contexts/18/hello/Dockerfile",
        "logs/worker.log",
    ]
    write_files(tmp_path, dict.fromkeys([*gone, *kept, "services.json"], "x" * 5000))
    found = leftovers(tmp_path, {"hello"}, alive=lambda process: process == 18)
    assert [one.relative_to(tmp_path).as_posix() for one in found] == [
        *gone[:2],
        "contexts/17",
        gone[3],
    ]
    assert size_of(tmp_path / "contexts/17") >= 5000
    Cleaning("acme", "local", lambda images: (), found).run(FakeImages([], {}, {}))
    assert not any(path.exists() for path in found)
    assert all((tmp_path / path).exists() for path in [*kept, "services.json"])


def test_the_log_that_a_build_writes_is_known_as_its_flows(tmp_path: Path) -> None:
    log = LogFolder(tmp_path).path("hello")
    log.write_text("")
    assert leftovers(tmp_path, {"hello"}, is_alive) == ()
    assert leftovers(tmp_path, (), is_alive) == (log,)


def test_a_command_that_runs_keeps_its_contexts(tmp_path: Path) -> None:
    write_files(tmp_path, {f"contexts/{os.getpid()}/hello/Dockerfile": ""})
    assert leftovers(tmp_path, (), is_alive) == ()
    assert leftovers(tmp_path / "nowhere", (), is_alive) == ()


def cleaned(freed: int | None) -> Cleaned:
    """One image of three, and a file."""
    kept = tuple(Judged(image(number), "there is a container of it") for number in (2, 3))
    return Cleaned("local", (image(1, "r/a:1"),), (Path("old.log"),), kept, 1_500_000, 2_000, freed)


def test_what_is_told() -> None:
    assert clean_text(cleaned(7)) == "r/a:1\nold.log"
    *first, last = clean_notes(cleaned(2_000))
    assert first == [
        "removed: 1 image, 1 path; 2.0 kB freed",
        "kept, because there is a container of it: 2 images",
    ]
    assert last.startswith("the build cache has 1.5 MB that no image needs; nobody can tell of which project")
    assert next(clean_notes(cleaned(None))) == "would be removed: 1 image, 1 path, 2.0 kB at least"


def test_what_a_program_is_told() -> None:
    value = json.loads(clean_json(cleaned(None)))
    one = {"id": "image-1", "names": ["r/a:1"], "flow": "hello", "own": 0}
    why = "there is a container of it"
    assert value == {
        "version": 1,
        "target": "local",
        "dry_run": True,
        "images": [one],
        "files": ["old.log"],
        "kept": [{**one, "id": f"image-{number}", "names": [], "why": why} for number in (2, 3)],
        "freed": None,
        "at_least": 2_000,
        "build_cache": {"idle": 1_500_000},
    }
