"""Release records and heads in a real Prefect server, and our payloads against Prefect's own models."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.server.schemas.actions import ArtifactCreate, ArtifactUpdate

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.inputs import Inputs
from flowyard.ports import PrefectApi
from flowyard.releasing.artifact_keys import artifact_key
from flowyard.releasing.records import (
    Head,
    ReleaseRecord,
    append,
    head_artifact,
    latest_of,
    move_head,
    read_head,
    record_artifact,
)
from flowyard.values import PrefectAddress
from tests.fakes_prefect import FakePrefect
from tests.release_records import history, latest

OLD, NEW = "a" * 40, "b" * 40


def record(project: str, flow: str = "etl_daily", key: str = "k1") -> ReleaseRecord:
    return ReleaseRecord(
        project=project,
        target="local",
        flow=flow,
        key=key,
        spec="s1",
        image="127.0.0.1:5000/flows/etl@sha256:" + "0" * 64,
        commit=NEW,
        dirty=False,
        deployments=("etl/daily",),
        shipped_by="ada",
        inputs=Inputs({f"flows/etl/file_{number}.py": "f" * 64 for number in range(600)}),
    )


@pytest.fixture(params=["fake", "real"])
def api(request: pytest.FixtureRequest) -> PrefectApi:
    if request.param == "fake":
        return FakePrefect()
    return PrefectRest(PrefectAddress(request.getfixturevalue("prefect_api")))


def test_records_come_back_newest_first(api: PrefectApi) -> None:
    first = append(api, record("records"))
    second = append(api, record("records", key="k2"))
    other = append(api, record("records", flow="clean"))
    assert replace(first, created="") == record("records")
    assert first.created < second.created
    assert latest(api, "records", "local", "etl_daily") == second
    assert latest_of(api, "records", "local", ["etl_daily", "clean", "never"]) == {
        "etl_daily": second,
        "clean": other,
    }
    assert history(api, "records", "local", "etl_daily") == (second, first)


def test_a_head_comes_back_and_is_one_artifact(api: PrefectApi) -> None:
    assert read_head(api, "heads", "local") == Head("heads", "local", {})
    first = move_head(api, Head("heads", "local", {}), {"etl": OLD, "clean": None})
    second = move_head(api, Head("heads", "local", {}), {"etl": NEW})
    assert second == Head("heads", "local", {"etl": NEW, "clean": None}, first.artifact)
    assert read_head(api, "heads", "local") == second
    body = {"artifacts": {"key": {"any_": [artifact_key("heads", "local")]}}}
    assert len(api.request("POST", "/artifacts/filter", body)) == 1


def test_no_update_of_a_head_is_lost(api: PrefectApi) -> None:
    """Eight ships of different flows end at once."""
    believed = Head("crowd", "local", {})
    with ThreadPoolExecutor(8) as pool:
        ships = [pool.submit(move_head, api, believed, {f"flow{number}": NEW}) for number in range(8)]
    assert [ship.exception() for ship in ships] == [None] * 8
    assert read_head(api, "crowd", "local").commits == {f"flow{number}": NEW for number in range(8)}


def test_payloads_are_what_prefects_own_models_accept() -> None:
    for payload in (record_artifact(record("models")), head_artifact(Head("models", "local", {"etl": None}))):
        assert ArtifactCreate.model_validate(payload).model_dump(mode="json", exclude_unset=True) == payload
        changes = {name: payload[name] for name in ("data", "description")}
        assert ArtifactUpdate.model_validate(changes).model_dump(mode="json", exclude_unset=True) == changes


def test_prefects_own_client_reads_the_record(prefect_api: str) -> None:
    kept = append(PrefectRest(PrefectAddress(prefect_api)), record("client"))
    key = ArtifactFilterKey(any_=["flowyard--client--local--etl---daily"])
    with SyncPrefectClient(prefect_api) as client:
        (found,) = client.read_artifacts(artifact_filter=ArtifactFilter(key=key))
    assert (found.type, found.data) == ("table", record_artifact(record("client"))["data"])
    assert found.created is not None
    assert found.created.isoformat() == kept.created.replace("Z", "+00:00")
