"""Which database the embedded Prefect server keeps its data in: SQLite, a PostgreSQL of its own, or an address.

The choice is kept in a file of the state folder that only its owner can read, because an address may hold a
password; everything that is shown or noted elsewhere has it without.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from flowyard.embedded.state import write_private
from flowyard.errors import UsageError
from flowyard.values import Secret

SQLITE = "sqlite"
OWN = "postgres"
_SCHEMES = ("postgres", "postgresql", "postgresql+asyncpg")
_FILE = "database.choice"
_FORMS = "write `sqlite`, `postgres` or postgresql://USER@HOST:5432/NAME"


@dataclass(frozen=True, slots=True)
class Database:
    """The choice: `kind` is `sqlite`, `postgres` (one of its own) or `address`, which has the `url`.

    `shown` says it to people, without password.
    """

    kind: str
    shown: str
    url: Secret | None = None


SQLITE_FILE = Database(SQLITE, "SQLite")
OWN_POSTGRES = Database(OWN, "PostgreSQL, its own")


def parse_database(text: str, environ: Mapping[str, str]) -> Database:
    """The database that `up --database` names. Raises UsageError, without repeating a password.

    A password that the address lacks is PGPASSWORD, as for PostgreSQL's own programs.
    """
    plain = {SQLITE: SQLITE_FILE, OWN: OWN_POSTGRES}
    if text in plain:
        return plain[text]
    scheme, separator, _ = text.partition("://")
    if not separator or scheme not in _SCHEMES:
        found = f"an address that begins with {scheme}://" if separator else repr(text)
        raise UsageError(f"--database is {found}, which is no database Prefect can use", hint=_FORMS)
    try:
        return _address(text, environ.get("PGPASSWORD"))
    except ValueError as error:
        raise UsageError(f"--database is no PostgreSQL address: {error}", hint=_FORMS) from None


def _address(text: str, password: str | None) -> Database:
    parts = urlsplit(text)
    name = unquote(parts.path.removeprefix("/"))
    if not name:
        raise ValueError("it names no database")
    options = parse_qsl(parts.query)
    if not parts.hostname and not any(key == "host" for key, _ in options):
        raise ValueError("it names no host")
    user = parts.username or ""
    _ = parts.port  # raises for one that is no number
    place = parts.netloc.rpartition("@")[2]
    secret = parts.password if parts.password is not None else (password and quote(password, safe=""))
    login = f"{user}:{secret}@" if user and secret else f"{user}@" if user else ""
    # SQLAlchemy hands options to the driver by name, and there libpq's sslmode is called ssl.
    query = urlencode([("ssl" if key == "sslmode" else key, value) for key, value in options])
    url = f"postgresql+asyncpg://{login}{place}{parts.path}{query and '?'}{query}"
    shown = f"postgresql://{f'{user}@' if user else ''}{place}{parts.path}"
    return Database("address", shown, Secret(url))


def keep_choice(folder: Path, database: Database) -> None:
    """Keep the choice in the state folder, readable by its owner only."""
    text = database.url.reveal() if database.url else database.kind
    write_private(folder / _FILE, f"{text}\n")


def kept_choice(folder: Path) -> Database:
    """The choice that was kept; SQLite when there is none."""
    try:
        text = (folder / _FILE).read_text(encoding="utf-8")
    except FileNotFoundError:
        return SQLITE_FILE
    return parse_database(text.strip(), {})


def forget_choice(folder: Path) -> None:
    """Delete the kept choice."""
    (folder / _FILE).unlink(missing_ok=True)


def without_password(text: str, database: Database) -> str:
    """A log's text with the password of the database's address left out."""
    if database.url is None:
        return text
    password = urlsplit(database.url.reveal()).password
    for word in {password, unquote(password)} if password else ():
        text = text.replace(word, "***")
    return text
