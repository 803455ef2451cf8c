"""Free ports, and the HTTP questions that tell whether a service answers.

Everything here is asked on loopback, so the timeouts are short and a missing answer is not waited for: the
caller decides that.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Sequence

import urllib3

from flowyard.embedded.state import LOOPBACK
from flowyard.errors import EngineError
from flowyard.values import Json

_NEIGHBOURS = 50
_LOCKED = urllib3.Retry(
    total=8,
    connect=0,
    read=0,
    other=0,
    redirect=0,
    allowed_methods=None,
    status_forcelist=(503,),
    backoff_factor=0.1,
    backoff_max=2.0,
    raise_on_status=False,
)


def choose_port(preferred: int, hosts: Sequence[str]) -> int:
    """The first port from `preferred` on that is free on every one of `hosts`.

    Raises EngineError when none of the next fifty is free.
    """
    for port in range(preferred, min(preferred + _NEIGHBOURS, 65536)):
        if all(_free(host, port) for host in hosts):
            return port
    raise EngineError(
        f"no port from {preferred} to {preferred + _NEIGHBOURS - 1} is free on {' and '.join(hosts)}",
        hint="end the programs that hold them (`ss -ltnp` lists them), or name another port",
    )


def answers(port: int, path: str, seconds: float = 5.0) -> bool:
    """Whether GET of `path` on loopback is answered with 200 within `seconds`."""
    return ask("GET", port, path, seconds=seconds)[0] == 200


def ask(method: str, port: int, path: str, body: Json = None, seconds: float = 10.0) -> tuple[int, Json]:
    """One request to loopback: the status, 0 when nothing answered, and the decoded JSON, if any.

    Only 503 is tried again, for about ten seconds: it is what Prefect answers when SQLite is locked.
    """
    timeout = urllib3.Timeout(connect=1.0, read=seconds)
    try:
        with urllib3.HTTPConnectionPool(LOOPBACK, port, timeout=timeout, retries=_LOCKED) as pool:
            answer = pool.request(method, path, json=body)
    except urllib3.exceptions.HTTPError:
        return 0, None
    try:
        return answer.status, json.loads(answer.data) if answer.data else None
    except ValueError:
        return answer.status, None


def _free(host: str, port: int) -> bool:
    # Some systems let a second program bind below a listener on all addresses, so connecting is tried too.
    with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=0.5):
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True
