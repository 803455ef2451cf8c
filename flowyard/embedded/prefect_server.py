"""Runs a Prefect server on several addresses: `prefect_server.py HOME PORT ADDRESS...`.

`prefect server start` listens on one address, and the one that serves this machine and its containers is
"all of them"; here loopback and the bridge's gateway share a port, and nobody else can connect.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
import time
import zoneinfo
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

_GRACEFUL_SECONDS = 3  # open web sockets of workers and browsers would hold the server for ever
# How long a write on SQLite waits for another one. Prefect's 60 s are longer than a lease lives, and for as long the
# server sometimes answers nobody: what waits can keep what it waits for from going on.
_BUSY_SECONDS = 5
_COLLECT_SECONDS = 2
_YOUNG_COLLECTIONS = 15  # of the younger objects, between two of all


def listen(address: str, port: int) -> socket.socket:
    """A bound socket. Raises OSError when the port is taken."""
    # The protocol is said because asyncio looks for it: only then does it switch Nagle's algorithm off, which
    # costs 40 ms in each answer.
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((address, port))
    bound.set_inheritable(True)
    return bound


def main(arguments: Sequence[str]) -> None:
    """Serve until SIGTERM. Settings are read from the environment, as Prefect itself reads them."""
    home, port, *addresses = arguments
    os.chdir(home)  # Prefect also reads .env, prefect.toml and pyproject.toml of the working directory
    sockets = [listen(address, int(port)) for address in addresses]

    list_time_zones_once()
    _wait_shorter_for_sqlite()
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    api = get_current_settings().server.api
    collect_garbage_apart()
    config = uvicorn.Config(
        create_app(final=True),
        host=addresses[0],
        port=int(port),
        timeout_keep_alive=api.keepalive_timeout,
        ws_ping_interval=api.websocket_ping_interval,
        ws_ping_timeout=api.websocket_ping_timeout,
        timeout_graceful_shutdown=_GRACEFUL_SECONDS,
        log_level="warning",
    )
    uvicorn.Server(config).run(sockets=sockets)


def list_time_zones_once() -> None:
    """Prefect does it for each schedule that it reads or writes, which takes longer than all else about a deployment.

    To be called before Prefect is imported.
    """
    zoneinfo.available_timezones = cache(zoneinfo.available_timezones)


def _wait_shorter_for_sqlite() -> None:
    """Let a write that waits too long fail, which clients are told as "not done, try again"."""
    from prefect.server.database.configurations import AioSqliteConfiguration
    from prefect.server.database.dependencies import MODELS_DEPENDENCIES
    from prefect.settings import PREFECT_API_DATABASE_CONNECTION_URL

    class Sqlite(AioSqliteConfiguration):
        """SQLite as Prefect sets it up, but for how long it waits."""

        def setup_sqlite(self, conn: DBAPIConnection, record: ConnectionPoolEntry) -> None:
            super().setup_sqlite(conn, record)
            cursor = conn.cursor()
            cursor.execute(f"PRAGMA busy_timeout = {_BUSY_SECONDS * 1000}")
            cursor.close()

    url = PREFECT_API_DATABASE_CONNECTION_URL.value()
    if url.startswith("sqlite"):
        MODELS_DEPENDENCIES["database_config"] = Sqlite(connection_url=url)


def collect_garbage_apart() -> None:
    """Free what refers to itself in a thread that nobody waits for.

    A cursor that it frees may be of a connection that waits for SQLite, and is then waited for; elsewhere that is the
    event loop, in which the write goes on that keeps SQLite busy.
    """
    gc.collect()
    gc.freeze()  # what is loaded stays
    gc.disable()
    threading.Thread(target=_collect, name="garbage", daemon=True).start()


def _collect() -> None:
    while True:
        for _ in range(_YOUNG_COLLECTIONS):
            time.sleep(_COLLECT_SECONDS)
            gc.collect(1)
        gc.collect()


if __name__ == "__main__":
    main(sys.argv[1:])
