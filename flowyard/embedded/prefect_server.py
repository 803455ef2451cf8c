"""Runs a Prefect server on several addresses: `prefect_server.py HOME PORT ADDRESS...`.

`prefect server start` listens on one address, and the one that serves this machine and its containers is
"all of them"; here loopback and the bridge's gateway share a port, and nobody else can connect.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Sequence

_GRACEFUL_SECONDS = 3  # open web sockets of workers and browsers would hold the server for ever


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

    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    api = get_current_settings().server.api
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


if __name__ == "__main__":
    main(sys.argv[1:])
