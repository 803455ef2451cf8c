"""What a ship that was killed between two writes did not note, the next one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.errors import OrderError
from flowyard.plan import Action
from flowyard.releasing.records import read_head
from tests.release_records import history
from tests.support import FLOW, lock, make_project, write_files
from tests.yard_site import FIRST, SECOND, Site

HEAD = "flowyard--acme--local"
RECORD = "flowyard--acme--local--hello"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Shipped once from the first commit."""
    root = make_project(tmp_path / "project")
    lock(root)
    one = Site(root)
    one.ship()
    return one


def undo(site: Site, key: str) -> None:
    """The newest artifact of the key was never written."""
    newest = max(number for number, item in enumerate(site.server.artifacts) if item["key"] == key)
    del site.server.artifacts[newest]


def state(site: Site) -> tuple[object, ...]:
    head = read_head(site.server, "acme", "local")
    records = history(site.server, "acme", "local", "hello")
    named = [(one.commit, one.key, one.spec, one.image) for one in records]
    return head.commits, head.releases, head.whole, named, sorted(site.server.by_name())


@pytest.mark.parametrize("commit", [FIRST, None])
def test_a_ship_killed_before_its_record_is_recorded_by_the_next(tmp_path: Path, commit: str | None) -> None:
    root = make_project(tmp_path / "project")
    lock(root)
    site = Site(root, commit=commit)
    site.ship()
    shipped = state(site)
    undo(site, RECORD)
    undo(site, HEAD)
    assert site.actions() == {"hello": Action.UNCHANGED}
    outcome = site.ship()["hello"]
    assert (outcome.plan.action, outcome.plan.reasons) == (
        Action.REGISTER,
        ("the ship that registered it was interrupted and kept no release record",),
    )
    assert state(site) == shipped
    assert len(site.built()) == 1


def test_a_ship_killed_before_the_head_moved_is_not_recorded_twice(site: Site) -> None:
    shipped = state(site)
    undo(site, HEAD)
    assert site.ship()["hello"].plan.action is Action.UNCHANGED
    assert state(site) == shipped


def test_a_ship_killed_after_it_had_removed_a_flow(site: Site) -> None:
    head = dict(next(item for item in site.server.artifacts if item["key"] == HEAD))
    site.commit = SECOND
    write_files(site.root, {"flows/hello/flow.py": None})
    (site.root / "flows/hello/requirements.lock").unlink(missing_ok=True)
    (site.root / "flows/hello").rmdir()
    site.ship()
    removed = state(site)
    assert removed[:3] == ({"hello": SECOND}, {}, SECOND)
    next(item for item in site.server.artifacts if item["key"] == HEAD).update(data=head["data"])
    assert site.ship()["hello"].plan.reasons == (
        "the ship that removed it was interrupted and did not note it",
    )
    assert state(site) == removed


def test_an_older_commit_does_not_bring_what_the_newer_one_never_had(site: Site) -> None:
    site.commit = SECOND
    site.ship()
    site.commit = FIRST
    write_files(site.root, {"flows/extra/flow.py": FLOW})
    lock(site.root)
    assert isinstance(site.ship("extra")["extra"].error, OrderError)
    site.commit = SECOND
    assert site.ship("extra")["extra"].error is None


def test_a_ship_with_nothing_to_do_asks_twice_and_writes_nothing(site: Site) -> None:
    site.server.requests.clear()
    site.ship()
    assert [(method, path) for method, path, _ in site.server.requests] == [
        ("POST", "/deployments/filter"),
        ("POST", "/artifacts/latest/filter"),
    ]
