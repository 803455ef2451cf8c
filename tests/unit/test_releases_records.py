from __future__ import annotations

import json
from dataclasses import replace

import pytest

from flowyard.errors import PrefectError
from flowyard.inputs import Inputs
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.releasing.order import Relation
from flowyard.releasing.records import (
    Head,
    ReleaseRecord,
    append,
    latest_of,
    move_head,
    read_head,
    record_artifact,
    record_of,
)
from tests.fakes_prefect import FakePrefect
from tests.golden_files import GOLDEN
from tests.release_records import history, latest

OLD, NEW = "a" * 40, "b" * 40
RECORD = ReleaseRecord(
    project="acme",
    target="local",
    flow="etl",
    key="k1",
    spec="s1",
    image="127.0.0.1:5000/flows/etl@sha256:" + "0" * 64,
    commit=NEW,
    dirty=True,
    deployments=("etl/daily", "etl/hourly"),
    shipped_by="ada",
    pinned={"clean": "127.0.0.1:5000/flows/clean@sha256:" + "1" * 64},
    inputs=Inputs({"shared/a.py": "h2", "flows/etl/flow.py": "h1"}, {"work pool": "p"}, {"clean": "k/s"}),
)


@pytest.mark.parametrize(
    ("names", "key"),
    [
        (("acme", "local", "etl"), "flowyard--acme--local--etl"),
        (("acme", "local", None), "flowyard--acme--local"),
        (("acme-flows", "local", "etl_daily"), "flowyard--acme-flows--local--etl---daily"),
        (("a", "b", "c__d"), "flowyard--a--b--c----11----d"),
        (("a", "b", "c--d"), "flowyard--a--b--c----00----d"),
        (("a", "b", "c-_d"), "flowyard--a--b--c----01----d"),
    ],
)
def test_artifact_key(names: tuple[str, str, str | None], key: str) -> None:
    assert artifact_key(*names) == key


@pytest.mark.parametrize("name", ["", "-a", "a_", "Etl", "a/b", "a b"])
def test_artifact_key_of_what_is_no_name(name: str) -> None:
    with pytest.raises(ValueError, match="not a name"):
        artifact_key("acme", "local", name)


def test_the_artifact_of_a_record() -> None:
    artifact = record_artifact(RECORD)
    assert {**artifact, "data": json.loads(artifact["data"])} == {
        "key": "flowyard--acme--local--etl",
        "type": "table",
        "description": f"Image `{RECORD.image}`\n\nCommit `{NEW}` with uncommitted changes, shipped by ada",
        "data": [
            {"field": "project", "value": "acme"},
            {"field": "target", "value": "local"},
            {"field": "flow", "value": "etl"},
            {"field": "key", "value": "k1"},
            {"field": "spec", "value": "s1"},
            {"field": "image", "value": RECORD.image},
            {"field": "commit", "value": NEW},
            {"field": "dirty", "value": True},
            {"field": "shipped by", "value": "ada"},
            {"field": "deployment", "value": "etl/daily"},
            {"field": "deployment", "value": "etl/hourly"},
            {"field": "docker task clean", "value": RECORD.pinned["clean"]},
            {"field": "input docker task clean", "value": "k/s"},
            {"field": "input flows/etl/flow.py", "value": "h1"},
            {"field": "input shared/a.py", "value": "h2"},
            {"field": "input work pool", "value": "p"},
        ],
    }


def test_a_record_comes_back_as_it_was() -> None:
    fake = FakePrefect()
    kept = append(fake, RECORD)
    assert kept == replace(RECORD, created="2026-01-01T00:00:01+00:00")
    assert latest(fake, "acme", "local", "etl") == kept


def test_a_record_without_commit_and_extras_comes_back() -> None:
    bare = replace(RECORD, commit=None, dirty=False, deployments=(), pinned={}, inputs=Inputs())
    fake = FakePrefect()
    kept = append(fake, bare)
    assert replace(kept, created="") == bare
    assert fake.artifacts[0]["description"] == f"Image `{RECORD.image}`\n\nCommit none, shipped by ada"


def test_a_record_as_servers_have_them_is_read_and_written_alike() -> None:
    """Other versions of Flowyard read what this one writes, and the other way round."""
    kept = json.loads((GOLDEN / "records/record.json").read_text("utf-8"))
    artifact = {**kept, "data": json.dumps(kept["data"])}
    record = record_of({**artifact, "created": "2026-01-01T00:00:01+00:00"}, "created")
    assert record_artifact(record) == artifact
    assert list(record.pinned) == list(record.calls) == ["clean"]
    assert record.calls["clean"] == f"{'k' * 32}/{'s' * 32}"
    groups = {name.partition(".")[0] for name in record.inputs.deployments}
    assert groups == {"deployments", "targets", "work pool", "registration format"}
    assert {"deployments.shared/a.py", "Dockerfile", "project"} <= record.inputs.image.keys()


def test_latest_and_history() -> None:
    fake = FakePrefect()
    first, second = append(fake, RECORD), append(fake, replace(RECORD, key="k2"))
    other = append(fake, replace(RECORD, flow="clean"))
    append(fake, replace(RECORD, target="production"))
    fake.requests.clear()
    assert latest_of(fake, "acme", "local", ["etl", "clean", "never"]) == {"etl": second, "clean": other}
    assert len(fake.requests) == 1
    assert history(fake, "acme", "local", "etl") == (second, first)
    assert latest(fake, "acme", "local", "never") is None


def test_no_flows_ask_nothing() -> None:
    fake = FakePrefect()
    assert latest_of(fake, "acme", "local", []) == {}
    assert fake.requests == []


@pytest.mark.parametrize("data", ["no JSON", "[]", '[{"field": "project"}]', "3", None])
def test_a_record_that_somebody_changed(data: str | None) -> None:
    fake = FakePrefect()
    append(fake, RECORD)
    fake.artifacts[0]["data"] = data
    with pytest.raises(PrefectError) as caught:
        latest(fake, "acme", "local", "etl")
    assert caught.value.message.startswith(
        "the artifact flowyard--acme--local--etl in Prefect is not as Flowyard wrote it ("
    )


def test_a_head_moves_and_keeps_the_other_flows() -> None:
    fake = FakePrefect()
    empty = read_head(fake, "acme", "local")
    assert empty == Head("acme", "local", {})
    first = move_head(fake, empty, {"etl": OLD, "clean": None})
    # `empty` is what another ship still believes: what was written since must survive.
    second = move_head(fake, empty, {"news": NEW})
    assert second == Head("acme", "local", {"etl": OLD, "clean": None, "news": NEW}, first.artifact)
    assert read_head(fake, "acme", "local") == second
    assert len(fake.artifacts) == 1
    assert fake.leases == {}


def test_a_head_that_says_so_already_is_not_written() -> None:
    fake = FakePrefect()
    head = move_head(fake, Head("acme", "local", {}), {"etl": OLD, "clean": None})
    fake.requests.clear()
    assert move_head(fake, head, {"etl": OLD, "clean": None}) is head
    assert fake.requests == []


class Ages:
    """A History in which the letters of the alphabet follow each other."""

    def relation(self, ours: str, head: str) -> Relation:
        return "same" if ours == head else "descendant" if ours > head else "ancestor"


def test_a_head_never_goes_back_behind_a_ship_that_was_faster() -> None:
    fake = FakePrefect()
    believed = Head("acme", "local", {})
    move_head(fake, believed, {"etl": NEW})
    moved = move_head(fake, believed, {"etl": OLD, "clean": OLD}, Ages())
    assert moved.commits == {"etl": NEW, "clean": OLD}
    assert move_head(fake, moved, {"etl": OLD}).commits == {"etl": OLD, "clean": OLD}


def test_a_head_that_somebody_deleted_is_made_again() -> None:
    fake = FakePrefect()
    head = move_head(fake, Head("acme", "local", {}), {"etl": OLD})
    fake.artifacts.clear()
    assert move_head(fake, head, {"etl": NEW}).commits == {"etl": NEW}


def test_a_head_that_somebody_changed() -> None:
    fake = FakePrefect()
    move_head(fake, Head("acme", "local", {}), {"etl": OLD})
    fake.artifacts[0]["data"] = '{"etl": 1}'
    with pytest.raises(PrefectError, match="flowyard--acme--local in Prefect is not as Flowyard wrote it"):
        read_head(fake, "acme", "local")
