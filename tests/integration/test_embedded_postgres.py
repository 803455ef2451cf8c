"""`up --database`: a PostgreSQL of its own, and the address of a running one. Where its programs are missing
these tests fail: `scripts/postgres` installs them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
import urllib3

from flowyard.embedded import postgres
from flowyard.embedded.options import UpOptions
from flowyard.embedded.postgres_client import check, make_database
from flowyard.embedded.process import MARK
from flowyard.embedded.services import up
from flowyard.embedded.state import api_url
from flowyard.errors import EngineError, PrefectError
from flowyard.pipeline import ship
from flowyard.state_folder import STATE_FOLDER
from flowyard.values import Secret
from tests.integration.embedded_services import POOL, Said, call, killed, ours, pid, services_in
from tests.integration.pipeline_projects import SmallProject
from tests.integration.yard import RunningYard, running_yard

RUNS = 20


@pytest.fixture(scope="module")
def yard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningYard]:
    """A yard whose Prefect server has a PostgreSQL of its own."""
    with running_yard(tmp_path_factory.mktemp("postgres"), ["hello"], "postgres") as running:
        data = postgres.data_folder(running.project.root / STATE_FOLDER)
        assert data.is_dir()
        yield running
    assert not data.exists()


def state_folder(yard: RunningYard) -> Path:
    return yard.project.root / STATE_FOLDER


def again(yard: RunningYard) -> UpOptions:
    """What an `up` without --database says."""
    return UpOptions(state_folder(yard), yard.target.work_pool, dict(os.environ))


def test_ship_and_run_on_a_postgresql_of_its_own(yard: RunningYard) -> None:
    folder = state_folder(yard)
    assert ours(folder) == ["postgres", *[role for role in ours(folder) if role != "postgres"]]
    assert set(ours(folder)) == {"postgres", "prefect", "registry", "worker"}
    assert psutil.Process(pid(yard.state.postgres)).username() != "root"
    bound = [c.laddr.ip for c in psutil.Process(pid(yard.state.postgres)).net_connections("inet")]
    assert set(bound) == {"127.0.0.1"}
    (outcome,) = ship(yard.yard, yard.project.flows)
    assert outcome.error is None
    done = SmallProject(yard.project.root, yard.project.name, yard).program("run", "hello", "-p", "name=Ada")
    assert (done.returncode, done.stdout) == (0, '"Hello, Ada!"\n'), done.stderr


def test_many_runs_at_once_are_all_accepted_at_once(yard: RunningYard) -> None:
    api = api_url(yard.state)
    flow = call("POST", f"{api}/flows/", {"name": "many"})["id"]

    def create(number: int) -> int:
        body = {"flow_id": flow, "name": f"run {number}"}
        return urllib3.request("POST", f"{api}/flow_runs/", json=body, retries=False, timeout=60).status

    with ThreadPoolExecutor(RUNS) as pool:
        assert list(pool.map(create, range(RUNS))) == [201] * RUNS


def test_killed_it_is_started_again_with_its_data_and_its_server(yard: RunningYard) -> None:
    found = up(again(yard), Said())
    name = call("POST", f"{api_url(found)}/flows/", {"name": "kept"})["id"]
    killed(found.postgres)
    after = up(again(yard), Said())
    assert pid(after.postgres) != pid(found.postgres)
    assert after.registry == found.registry
    assert call("GET", f"{api_url(after)}/flows/name/kept")["id"] == name
    assert up(again(yard), Said()) == after


def secrets_shown(folder: Path, words: set[str]) -> list[str]:
    """Where one of the words can be read: files others may read, logs, and command lines."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        private = path.stat().st_mode & 0o077 == 0
        if (not private or path.suffix == ".log") and any(
            word.encode() in path.read_bytes() for word in words
        ):
            found.append(str(path))
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARK, "").endswith(str(folder)):
                found += [line for line in process.cmdline() for word in words if word in line]
        except psutil.Error:
            continue
    return found


def test_the_address_of_a_running_one(yard: RunningYard, tmp_path: Path) -> None:
    running = up(again(yard), Said())
    assert running.postgres is not None
    port = running.postgres.port
    own = postgres.url(state_folder(yard), port)
    password = own.reveal().split(":")[2].partition("@")[0]
    make_database(own, "second")
    with services_in(tmp_path) as chosen:
        environ = {**chosen.environ, "PGPASSWORD": password}
        said = Said()
        state = up(
            replace(chosen, environ=environ, database=f"postgresql://prefect@127.0.0.1:{port}/second"), said
        )
        assert state.postgres is None
        assert ours(chosen.folder) == ["prefect", "registry", "worker"]
        assert f"database: asking postgresql://prefect@127.0.0.1:{port}/second" in said.lines
        assert call("GET", f"{api_url(state)}/work_pools/{POOL}")["type"] == "docker"
        assert up(chosen, Said()) == state  # the choice was kept
        assert not (chosen.folder / "prefect/prefect.db").exists()
        assert password not in json.dumps(said.lines)
        assert secrets_shown(chosen.folder, {password}) == []
        assert "PGPASSWORD" not in psutil.Process(pid(state.worker)).environ()
        with pytest.raises(PrefectError) as caught:
            up(replace(chosen, database=f"postgresql://prefect:wrong@127.0.0.1:{port}/second"), Said())
        assert (caught.value.message, caught.value.hint) == (
            f"postgresql://prefect@127.0.0.1:{port}/second did not let us in: "
            'password authentication failed for user "prefect"',
            "give the password in PGPASSWORD, in ~/.pgpass or in the address",
        )
        repaired = up(chosen, Said())  # on the database that was kept
        assert call("GET", f"{api_url(repaired)}/work_pools/{POOL}")["type"] == "docker"


def test_databases_that_cannot_be_used(yard: RunningYard) -> None:
    running = up(again(yard), Said())
    assert running.postgres is not None
    port = running.postgres.port
    own = postgres.url(state_folder(yard), port).reveal()
    check(Secret(own), "shown")
    with pytest.raises(PrefectError) as caught:
        check(Secret(own.removesuffix("/prefect") + "/absent"), "postgresql://db/absent")
    assert (caught.value.message, caught.value.hint) == (
        'postgresql://db/absent: database "absent" does not exist',
        "make it: CREATE DATABASE absent",
    )
    with pytest.raises(PrefectError) as caught:
        check(Secret("postgresql+asyncpg://u:p@127.0.0.1:1/x"), "postgresql://u@127.0.0.1:1/x")
    assert caught.value.message.startswith("postgresql://u@127.0.0.1:1/x cannot be reached (")
    assert caught.value.hint == "check host and port"


def test_data_whose_password_is_lost_is_not_touched(tmp_path: Path) -> None:
    with services_in(tmp_path) as chosen:
        folder = chosen.folder.resolve()
        data = postgres.data_folder(folder)
        data.mkdir(parents=True)
        (data / "PG_VERSION").write_text("17\n")
        with pytest.raises(EngineError) as caught:
            up(replace(chosen, database="postgres"), Said())
        assert (caught.value.message, caught.value.hint) == (
            f"{data} is the data of a PostgreSQL whose password is lost: "
            f"{folder / 'postgres.password'} is not there",
            "put that file back, or delete the data: python build.py down --delete-data",
        )
        assert [path.name for path in data.iterdir()] == ["PG_VERSION"]
        assert ours(folder) == []


def test_data_that_a_killed_up_had_half_made_is_made_anew(tmp_path: Path) -> None:
    with services_in(tmp_path) as chosen:
        data = postgres.data_folder(chosen.folder.resolve())
        half = data.with_name(f"{data.name}.new")
        half.mkdir(parents=True)
        (half / "PG_VERSION").write_text("9\n")
        state = up(replace(chosen, database="postgres"), Said())
        assert postgres.healthy(state.postgres)
        assert (data / "PG_VERSION").exists()
        assert not half.exists()
    assert not data.exists()


def test_data_of_another_major_version_is_not_touched(tmp_path: Path) -> None:
    with services_in(tmp_path) as chosen:
        data = postgres.data_folder(chosen.folder.resolve())
        data.mkdir(parents=True)
        (data / "PG_VERSION").write_text("9\n")
        chosen.folder.mkdir()
        (chosen.folder / "postgres.password").write_text("word\n")
        beside = postgres.programs(chosen.environ).folder.parent.name
        with pytest.raises(EngineError) as caught:
            up(replace(chosen, database="postgres"), Said())
        assert caught.value.message == (f"{data} was written by PostgreSQL 9, and this machine has {beside}")
        assert (data / "PG_VERSION").read_text() == "9\n"
        assert ours(chosen.folder) == []
