"""The entrypoint's environment: what reaches a run, and what stays with the worker."""

from __future__ import annotations

import pytest

from flowyard.runtime import execute, start

BASE = {"PATH": "/bin", "PREFECT_API_URL": "http://api"}
ALWAYS = {"PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false"}


def _nothing_exists(path: str) -> bool:
    return False


def _everything_exists(path: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, {}),
        ({"PREFECT_HOME": "/worker", "PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_PROFILE": "p"}, {}),
        (
            {"PREFECT__FLOW_RUN_ID": "1", "PREFECT__NEW": "2"},
            {"PREFECT__FLOW_RUN_ID": "1", "PREFECT__NEW": "2"},
        ),
        ({"PREFECT_API_KEY": "k", "PREFECT_API_AUTH_STRING": "a"},) * 2,
        ({"FLOWYARD_RESULTS": "file:///r", "AWS_REGION": "x"},) * 2,
        (
            {"FLOWYARD_KEEP_ENV": "PREFECT_LOGGING_LEVEL, PREFECT_HOME", "PREFECT_LOGGING_LEVEL": "DEBUG"}
            | {"PREFECT_LOGGING_EXTRA_LOGGERS": "x"},
            {"FLOWYARD_KEEP_ENV": "PREFECT_LOGGING_LEVEL, PREFECT_HOME", "PREFECT_LOGGING_LEVEL": "DEBUG"},
        ),
        ({"PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"},) * 2,
    ],
)
def test_the_environment_of_a_run(given: dict[str, str], kept: dict[str, str]) -> None:
    assert start.environment({**BASE, **given}, _nothing_exists) == ({**ALWAYS, **BASE, **kept}, [])


def test_a_certificate_file_is_kept_where_it_exists() -> None:
    given = {"PREFECT_API_SSL_CERT_FILE": "/ca.pem"}
    assert start.environment(given, _everything_exists) == ({**ALWAYS, **given}, [])


def test_a_certificate_file_of_the_worker_alone_is_named() -> None:
    note = "flowyard: PREFECT_API_SSL_CERT_FILE=/ca.pem is the worker's file and not in this image: ignored"
    assert start.environment({"PREFECT_API_SSL_CERT_FILE": "/ca.pem"}, _nothing_exists) == (ALWAYS, [note])


def test_the_deployment_may_name_a_certificate_file_itself() -> None:
    given = {"PREFECT_API_SSL_CERT_FILE": "/ca.pem", "FLOWYARD_KEEP_ENV": "PREFECT_API_SSL_CERT_FILE"}
    assert start.environment(given, _nothing_exists) == ({**ALWAYS, **given}, [])


def test_the_deployment_may_turn_dependency_installation_on() -> None:
    given = {
        "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "true",
        "FLOWYARD_KEEP_ENV": "PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES",
    }
    assert start.environment(given, _nothing_exists) == (given, [])


@pytest.mark.parametrize(
    ("command", "run", "words"),
    [
        (["prefect", "flow-run", "execute"], {}, ["/v/python", "-m", "flowyard.runtime.execute"]),
        (["prefect", "flow-run", "execute"], {"FLOWYARD_RUNNER": "prefect"}, None),
        (["prefect", "flow-run", "execute", "x"], {}, None),
        (["python", "-m", "prefect.engine"], {}, None),
        ([], {}, ["/v/python"]),
    ],
)
def test_the_program_a_container_becomes(
    command: list[str], run: dict[str, str], words: list[str] | None
) -> None:
    assert start.program(command, "/v/python", run) == (words or command)


@pytest.mark.parametrize(
    ("prefect", "environ", "ours"),
    [
        ("3.8.8", {"PREFECT__FLOW_RUN_ID": "7"}, True),
        ("3.8.8", {}, False),
        ("3.7.9", {"PREFECT__FLOW_RUN_ID": "7"}, False),
        ("3.9.0", {"PREFECT__FLOW_RUN_ID": "7"}, False),
        ("", {"PREFECT__FLOW_RUN_ID": "7"}, False),
        (
            "3.8.8",
            {"PREFECT__FLOW_RUN_ID": "7", "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR": "reschedule"},
            False,
        ),
    ],
)
def test_other_versions_are_left_to_their_own_command(
    prefect: str, environ: dict[str, str], ours: bool
) -> None:
    assert execute.is_for_us(prefect, environ) is ours
