"""The embedded Prefect server, on SQLite in the state folder or on PostgreSQL.

Nothing of Prefect is imported here: the server runs in a process of its own, and asking for its health is one
HTTP request, so an `up` with nothing to do takes no longer than that.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from flowyard.embedded import process
from flowyard.embedded.addresses import answers
from flowyard.embedded.database import Database, without_password
from flowyard.embedded.options import Call
from flowyard.embedded.process import Launch
from flowyard.embedded.state import LOOPBACK, Service
from flowyard.errors import PrefectError
from flowyard.values import Secret

_LAUNCHER = Path(__file__).with_name("prefect_server.py")
_SECONDS = 180.0  # the first start creates the database, migration by migration
_ENDPOINT = "/api/health"


def healthy(service: Service | None) -> bool:
    """Whether the noted server itself, and not another one on its port, answers."""
    return service is not None and process.alive(service) and answers(service.port, _ENDPOINT)


def start(call: Call, port: int, addresses: tuple[str, ...], database: Database) -> Service:
    """Start the server on these addresses and wait until it answers.

    `database` has a URL where it is PostgreSQL. Raises PrefectError, with the end of its log, when it does not.
    """
    home = call.folder / "prefect"
    home.mkdir(parents=True, exist_ok=True)
    argv = command(sys.executable, home, port, addresses)
    env = environment(call.options.environ, home, port, database.url)
    service = process.start(Launch("prefect", argv, env, call.log("prefect")), call.folder, port)
    call.undo.callback(process.stop, service)
    problem = process.wait_ready(service, lambda: answers(port, _ENDPOINT), _SECONDS)
    if problem:
        raise PrefectError(
            f"the Prefect server on port {port} {problem}; the end of its log:\n"
            f"{without_password(process.last_lines(service.log), database)}",
            hint="the log says why; then run `up` again",
            log=service.log,
        )
    return service


def stop(service: Service | None, folder: Path) -> bool:
    """Stop the server, also one that the state does not know; whether there was one. Its database stays."""
    if service is not None:
        process.stop(service)
    return process.stop_marked(folder, "prefect") or service is not None


def delete_data(folder: Path) -> None:
    """Delete the database: deployments, runs, release records."""
    shutil.rmtree(folder / "prefect", ignore_errors=True)


def command(python: str, home: Path, port: int, addresses: tuple[str, ...]) -> tuple[str, ...]:
    """How the server is started: as a file and not with `-m`, since Flowyard may only be checked out."""
    return (python, "-P", str(_LAUNCHER), str(home), str(port), *addresses)


def environment(
    inherited: Mapping[str, str], home: Path, port: int, database: Secret | None = None
) -> dict[str, str]:
    """The server's whole environment: own home, nothing sent to anybody, browsers only from its own pages.

    `database` is PostgreSQL's URL. Only its owner can read the environment of a process.
    """
    url = {} if database is None else {"PREFECT_SERVER_DATABASE_CONNECTION_URL": database.reveal()}
    return {
        **process.inherited_environment(inherited),
        **url,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": LOOPBACK,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": f"http://{LOOPBACK}:{port}/api",
        "PREFECT_SERVER_UI_STATIC_DIRECTORY": str(home / "ui"),
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": f"http://{LOOPBACK}:{port},http://localhost:{port}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # In memory, a restart would forget the leases of running ships and keep their slots taken for ever.
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        "PREFECT_SERVER_LOGGING_LEVEL": "WARNING",
    }
