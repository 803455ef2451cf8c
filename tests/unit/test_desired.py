"""What the files want of all flows, and where a target is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowyard.connect import choose_target, connect, locate, ui_url
from flowyard.errors import LockError, UsageError
from flowyard.load import load
from flowyard.planning.desired import want_all
from flowyard.values import PrefectAddress, Project
from tests.support import FLOW, MINIMAL, lock, make_project, target_of, write_files

EMBEDDED = """[project]
name = "acme"

[targets.local]
registry = { type = "embedded" }
work-pool = { name = "pool", type = "docker" }
prefect = { api = "embedded" }
"""
STATE = {
    "version": 1,
    "ports": {"registry": 5999, "prefect": 4299},
    "registry": None,
    "worker": None,
    "work_pool": "pool",
    "prefect": {"kind": "process", "pid": 1, "started": 1.0, "port": 4299, "log": "x"},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    flows = {f"flows/{name}/flow.py": FLOW for name in ("etl", "etl_daily", "news")}
    return load(write_files(tmp_path, {**MINIMAL, **flows}))


def test_all_stale_locks_are_named_at_once(tmp_path: Path) -> None:
    root = make_project(
        tmp_path / "p",
        {
            "flows/hello/requirements.txt": "a\n",
            "flows/etl/flow.py": FLOW,
            "flows/etl/requirements.txt": "a\n",
        },
    )
    lock(root)
    write_files(root, {f"flows/{name}/requirements.txt": "b\n" for name in ("etl", "hello")})
    project = load(root)
    with pytest.raises(LockError) as caught:
        want_all(project, project.flows, target_of(project))
    assert [line.split()[0] for line in caught.value.message.splitlines()] == [
        "flows/etl/requirements.lock",
        "flows/hello/requirements.lock",
    ]


def test_the_target(project: Project) -> None:
    assert choose_target(project, None) is choose_target(project, "local")


def test_an_unknown_target_is_an_error(project: Project) -> None:
    with pytest.raises(UsageError) as caught:
        choose_target(project, "loacl")
    assert caught.value.message == "no target is called 'loacl' (did you mean `local`?); targets: local"


def test_a_configured_target_is_where_the_files_say(project: Project, tmp_path: Path) -> None:
    target = target_of(project)
    connection = connect(target, tmp_path, {"PREFECT_PROFILES_PATH": str(tmp_path / "none")})
    assert (connection.target, connection.prefect) == (target, PrefectAddress("http://prefect.example/api"))
    assert ui_url(connection.prefect) == "http://prefect.example"


def test_an_embedded_target_is_where_up_found_ports(tmp_path: Path) -> None:
    root = write_files(
        tmp_path, {**MINIMAL, "registry.toml": EMBEDDED, ".flowyard/services.json": json.dumps(STATE)}
    )
    connection = connect(target_of(load(root)), root, {})
    assert connection.target.registry_host == "127.0.0.1:5999"
    assert connection.prefect == PrefectAddress("http://127.0.0.1:4299/api", embedded=True)


def test_embedded_services_that_are_not_up_are_an_error_with_its_remedy(tmp_path: Path) -> None:
    root = write_files(tmp_path, {**MINIMAL, "registry.toml": EMBEDDED})
    target = target_of(load(root))
    with pytest.raises(UsageError) as caught:
        connect(target, root, {})
    assert caught.value.hint == "run `python build.py up` first"
    assert locate(target, root).registry_host == "127.0.0.1:5005"  # rendering works all the same


@pytest.mark.parametrize(
    ("api", "ui"),
    [
        ("http://127.0.0.1:4200/api", "http://127.0.0.1:4200"),
        ("https://ada:hush@prefect.example/api/", "https://prefect.example"),
        ("https://ada:hu@sh@prefect.example:8443/x/api", "https://prefect.example:8443/x"),
    ],
)
def test_the_address_of_the_ui_shows_no_credentials(api: str, ui: str) -> None:
    assert ui_url(PrefectAddress(api)) == ui
