"""What is asked of a PostgreSQL server before Prefect's server is: does it answer, and may we in.

The driver is imported when it is needed; whether somebody listens takes a socket only.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any
from urllib.parse import unquote, urlsplit

from flowyard.errors import PrefectError
from flowyard.values import Secret

_SECONDS = 10.0
_OLDEST = 14  # Prefect 3's oldest
_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


def probe(host: str, port: int) -> bool:
    """Whether a PostgreSQL server takes connections there: it answers a question for TLS with S or N."""
    with suppress(OSError), socket.create_connection((host, port), timeout=1.0) as connection:
        connection.settimeout(2.0)
        connection.sendall(_SSL_REQUEST)
        return connection.recv(1) in (b"S", b"N")
    return False


def check(url: Secret, shown: str) -> None:
    """Raise PrefectError when Prefect's server could not use the database; `shown` is its address."""
    version = int(_run(_version(url), shown))
    if version < _OLDEST:
        raise PrefectError(f"{shown} is PostgreSQL {version}; Prefect needs {_OLDEST} or newer")


def recovered(url: Secret) -> bool:
    """Whether the server that listens does work already: after a crash it reads its log again first."""
    return bool(_run(_recovered(url), "the embedded PostgreSQL"))


def make_database(url: Secret, name: str) -> None:
    """Make the database of this name unless it is there. `url` is of another one on the same server."""
    _run(_make(url, name), "the embedded PostgreSQL")


async def _version(url: Secret) -> int:
    connection = await _connect(url)
    try:
        return int(connection.get_server_version().major)
    finally:
        await connection.close()


async def _recovered(url: Secret) -> int:
    import asyncpg

    try:
        connection = await _connect(url)
    except (asyncpg.CannotConnectNowError, OSError):
        return 0
    await connection.close()
    return 1


async def _make(url: Secret, name: str) -> int:
    connection = await _connect(url)
    try:
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name) is None:
            await connection.execute(f'CREATE DATABASE "{name}"')
        return 1
    finally:
        await connection.close()


async def _connect(url: Secret) -> Any:
    import asyncpg

    dsn = url.reveal().replace("postgresql+asyncpg://", "postgresql://", 1).replace("?ssl=", "?sslmode=")
    return await asyncpg.connect(dsn.replace("&ssl=", "&sslmode="), timeout=_SECONDS)


def _run(asked: Coroutine[Any, Any, int], shown: str) -> int:
    import asyncpg

    try:
        return asyncio.run(asked)
    except (asyncpg.InvalidPasswordError, asyncpg.InvalidAuthorizationSpecificationError) as error:
        raise PrefectError(
            f"{shown} did not let us in: {error}",
            hint="give the password in PGPASSWORD, in ~/.pgpass or in the address",
        ) from None
    except asyncpg.InvalidCatalogNameError as error:
        name = unquote(urlsplit(shown).path.removeprefix("/"))
        raise PrefectError(f"{shown}: {error}", hint=f"make it: CREATE DATABASE {name}") from None
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise PrefectError(f"{shown} refused: {error}") from None
    except (OSError, TimeoutError) as error:
        why = str(error) or f"no answer within {_SECONDS:.0f} s"
        raise PrefectError(f"{shown} cannot be reached ({why})", hint="check host and port") from None
