"""How the embedded services are started: commands, environments and files, compared whole."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from flowyard.embedded import postgres, process, registry, server, worker
from flowyard.errors import EngineError
from flowyard.values import Secret

CALLER = {
    "PATH": "/usr/bin",
    "PREFECT_API_KEY": "pnu_secret",
    "PREFECT_API_URL": "https://elsewhere.example/api",
    "PREFECT_PROFILE": "production",
    "REGISTRY_HTTP_ADDR": "0.0.0.0:80",
    "NO_PROXY": "intranet.example",
    "PGPASSWORD": "pg-secret",
    "FLOWYARD_DATABASE": "postgresql://u:pg-secret@db/prefect",
}
INHERITED = {
    "PATH": "/usr/bin",
    "REGISTRY_HTTP_ADDR": "0.0.0.0:80",
    "NO_PROXY": "intranet.example,127.0.0.1,localhost",
    "no_proxy": "127.0.0.1,localhost",
    "DO_NOT_TRACK": "1",
}
HOME = Path("/p/.flowyard/home")
LAUNCHERS = Path(server.__file__).parent


def test_the_environment_is_inherited_without_prefect_settings_and_past_the_proxy() -> None:
    assert process.inherited_environment(CALLER) == INHERITED


def test_the_registry_takes_no_setting_from_the_environment() -> None:
    assert registry.without_overrides(INHERITED) == {
        name: value for name, value in INHERITED.items() if name != "REGISTRY_HTTP_ADDR"
    }


def test_the_registry_listens_on_loopback_and_allows_deleting() -> None:
    assert json.loads(registry.config(Path("/p/.flowyard/registry"), 5005, "s3cret")) == {
        "version": 0.1,
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": "/p/.flowyard/registry"},
            "delete": {"enabled": True},
            "cache": {"blobdescriptor": "inmemory"},
        },
        "http": {"addr": "127.0.0.1:5005", "secret": "s3cret"},
    }


def test_the_server_command() -> None:
    assert server.command("/v/python", HOME, 4200, ("127.0.0.1", "172.17.0.1")) == (
        "/v/python",
        "-P",
        str(LAUNCHERS / "prefect_server.py"),
        "/p/.flowyard/home",
        "4200",
        "127.0.0.1",
        "172.17.0.1",
    )
    assert (LAUNCHERS / "prefect_server.py").is_file()


def test_the_server_environment() -> None:
    assert server.environment(CALLER, HOME, 4200) == {
        **INHERITED,
        "PREFECT_HOME": "/p/.flowyard/home",
        "PREFECT_SERVER_API_HOST": "127.0.0.1",
        "PREFECT_SERVER_API_PORT": "4200",
        "PREFECT_SERVER_UI_API_URL": "http://127.0.0.1:4200/api",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": "/p/.flowyard/home/ui",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": "http://127.0.0.1:4200,http://localhost:4200",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }


def test_the_server_on_postgresql() -> None:
    url = "postgresql+asyncpg://u:pg-secret@db/prefect"
    plain = server.environment(CALLER, HOME, 4200)
    assert server.environment(CALLER, HOME, 4200, Secret(url)) == {
        **plain,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": url,
    }


def test_the_postgresql_command() -> None:
    assert postgres.command(Path("/p/data"), 5433) == (
        *("-D", "/p/data"),
        *("-c", "listen_addresses=127.0.0.1", "-c", "port=5433"),
        *("-c", "unix_socket_directories=", "-c", "logging_collector=off"),
    )


def test_postgresql_does_not_run_as_root() -> None:
    folder = Path("/usr/lib/postgresql/15/bin")
    assert postgres.Programs(folder, None).argv("initdb", "--pgdata", "/p") == (
        "/usr/lib/postgresql/15/bin/initdb",
        "--pgdata",
        "/p",
    )
    assert postgres.Programs(folder, "postgres").argv("postgres", "-D", "/p")[1:] == (
        *("--reuid=postgres", "--regid=postgres", "--init-groups", "--"),
        *("/usr/lib/postgresql/15/bin/postgres", "-D", "/p"),
    )


def installed(folder: Path) -> Path:
    """A folder with PostgreSQL's programs."""
    folder.mkdir(parents=True)
    for name in ("initdb", "postgres"):
        (folder / name).write_text("#!/bin/sh\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_programs_on_path_come_first_then_debians_newest(tmp_path: Path) -> None:
    debian = tmp_path / "debian"
    installed(debian / "9/bin")
    newest = installed(debian / "16/bin")
    assert postgres.find_programs(str(tmp_path / "none"), debian) == newest
    own = installed(tmp_path / "own")
    assert postgres.find_programs(str(own), debian) == own
    (own / "postgres").unlink()  # the client's programs alone
    assert postgres.find_programs(str(own), debian) == newest


def test_without_postgresql_it_is_said_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        postgres.find_programs(str(tmp_path), tmp_path)
    assert (caught.value.message, caught.value.hint) == (
        f"PostgreSQL is not installed: `initdb` is neither on PATH nor below {tmp_path}",
        "on Debian and Ubuntu: apt-get install postgresql; or give --database the address of a running one",
    )


def test_the_worker_command() -> None:
    assert worker.command("/v/python", HOME, "local docker", "flowyard-1") == (
        "/v/python",
        "-P",
        str(LAUNCHERS / "prefect_worker.py"),
        "/p/.flowyard/home",
        "--pool",
        "local docker",
        "--type",
        "docker",
        "--name",
        "flowyard-1",
        "--install-policy",
        "never",
    )
    assert (LAUNCHERS / "prefect_worker.py").is_file()


def test_the_worker_environment() -> None:
    assert worker.environment(CALLER, HOME, 4201, 0.5) == {
        **INHERITED,
        "PREFECT_HOME": "/p/.flowyard/home",
        "PREFECT_API_URL": "http://127.0.0.1:4201/api",
        "PREFECT_WORKER_QUERY_SECONDS": "0.5",
    }


def test_names_belong_to_one_state_folder(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    wanted = hashlib.sha256(str(one.resolve()).encode()).hexdigest()[:8]
    assert (worker.worker_name(one), registry.container_name(one)) == (
        f"flowyard-{wanted}",
        f"flowyard-registry-{wanted}",
    )
    assert worker.worker_name(one) != worker.worker_name(other)
    assert process.mark(one, "worker") == f"worker:{one.resolve()}"


def test_the_end_of_a_log(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    assert process.last_lines(log) == "  (the log is empty)"
    log.write_text("one\ntwo\nthree\n")
    assert process.last_lines(log, 2) == "  two\n  three"
