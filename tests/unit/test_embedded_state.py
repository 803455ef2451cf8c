"""The state file of the embedded services: what is written is read, and anything else is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flowyard.embedded.state import (
    EmbeddedState,
    Ports,
    Service,
    api_url,
    read_state,
    registry_host,
    write_state,
)
from flowyard.errors import StateError

RUNNING = EmbeddedState(
    registry=Service(None, None, 5006, Path("/p/logs/registry.log"), "container", "flowyard-registry-1"),
    prefect=Service(41, 1700000000.25, 4201, Path("/p/logs/prefect.log")),
    worker=Service(42, 1700000001.5, 4201, Path("/p/logs/worker.log")),
    ports=Ports(5006, 4201),
    work_pool="local-docker",
    postgres=Service(43, 1700000000.75, 5433, Path("/p/logs/postgres.log")),
)


@pytest.mark.parametrize("state", [RUNNING, EmbeddedState(), EmbeddedState(ports=Ports(5007, 4207))])
def test_what_is_written_is_read(tmp_path: Path, state: EmbeddedState) -> None:
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_a_state_from_before_there_was_a_database_of_its_own_is_read(tmp_path: Path) -> None:
    (tmp_path / "services.json").write_text(_changed(work_pool="local-docker"))
    assert read_state(tmp_path) == EmbeddedState(work_pool="local-docker")


def test_a_second_write_replaces_the_first_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    write_state(tmp_path, RUNNING)
    write_state(tmp_path, EmbeddedState())
    assert read_state(tmp_path) == EmbeddedState()
    assert [file.name for file in tmp_path.iterdir()] == ["services.json"]


def test_no_file_is_an_empty_state(tmp_path: Path) -> None:
    assert read_state(tmp_path / "never") == EmbeddedState()


def _changed(**changes: object) -> str:
    empty = {
        "version": 1,
        "registry": None,
        "prefect": None,
        "worker": None,
        "ports": None,
        "work_pool": None,
    }
    return json.dumps({**empty, **changes})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "JSONDecodeError: Expecting value: line 1 column 1 (char 0)"),
        ('{"version": 1', "JSONDecodeError: Expecting ',' delimiter: line 1 column 14 (char 13)"),
        ("[]", "TypeError: list indices must be integers or slices, not str"),
        ("{}", "KeyError: 'version'"),
        (_changed(version=2), "ValueError: version 2 is not 1"),
        (_changed(ports={"registry": 5005}), "KeyError: 'prefect'"),
        (_changed(worker={"kind": "vm"}), "ValueError: kind 'vm' is neither 'process' nor 'container'"),
        (
            _changed(worker={"kind": "process", "pid": "x"}),
            "ValueError: invalid literal for int() with base 10: 'x'",
        ),
    ],
)
def test_a_file_that_is_not_a_state_is_refused_with_its_remedy(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "services.json").write_text(text)
    with pytest.raises(StateError) as caught:
        read_state(tmp_path)
    assert (caught.value.message, caught.value.hint) == (
        f"{tmp_path / 'services.json'} cannot be read ({why})",
        "run `up`: it finds the services it had started and writes the file anew",
    )


@pytest.mark.parametrize(
    ("state", "addresses"),
    [
        (
            EmbeddedState(),
            ("127.0.0.1:5005", "http://127.0.0.1:4200/api"),
        ),
        (RUNNING, ("127.0.0.1:5006", "http://127.0.0.1:4201/api")),
        (
            EmbeddedState(ports=Ports(5009, 4209)),
            ("127.0.0.1:5009", "http://127.0.0.1:4209/api"),
        ),
    ],
)
def test_addresses_follow_the_ports_running_or_not(state: EmbeddedState, addresses: tuple[str, ...]) -> None:
    assert (registry_host(state), api_url(state)) == addresses
