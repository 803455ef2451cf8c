"""Which database is meant: the forms of an address, what is refused, and that a password is never shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.embedded.database import (
    OWN_POSTGRES,
    SQLITE_FILE,
    Database,
    forget_choice,
    keep_choice,
    kept_choice,
    parse_database,
    without_password,
)
from flowyard.errors import UsageError
from flowyard.values import Secret

FORMS = "write `sqlite`, `postgres` or postgresql://USER@HOST:5432/NAME"
BEGIN = "postgresql+asyncpg://"


def address(shown: str, url: str) -> Database:
    return Database("address", f"postgresql://{shown}", Secret(f"{BEGIN}{url}"))


@pytest.mark.parametrize(
    ("text", "environ", "database"),
    [
        ("sqlite", {}, SQLITE_FILE),
        ("postgres", {}, OWN_POSTGRES),
        ("postgres://db/prefect", {}, address("db/prefect", "db/prefect")),
        ("postgresql://u@db:6432/prefect", {}, address("u@db:6432/prefect", "u@db:6432/prefect")),
        ("postgresql://u:p@db/prefect", {}, address("u@db/prefect", "u:p@db/prefect")),
        ("postgresql+asyncpg://u:p%40@db/x", {"PGPASSWORD": "y"}, address("u@db/x", "u:p%40@db/x")),
        ("postgresql://u@db/x", {"PGPASSWORD": "a/b@c"}, address("u@db/x", "u:a%2Fb%40c@db/x")),
        ("postgresql://u@[::1]:5432/x", {}, address("u@[::1]:5432/x", "u@[::1]:5432/x")),
        (
            "postgresql://u:p@db/x?sslmode=require&timeout=5",
            {},
            address("u@db/x", "u:p@db/x?ssl=require&timeout=5"),
        ),
        (
            "postgresql:///x?host=/var/run/postgresql",
            {},
            Database("address", "postgresql:///x", Secret(f"{BEGIN}/x?host=%2Fvar%2Frun%2Fpostgresql")),
        ),
    ],
)
def test_a_database(text: str, environ: dict[str, str], database: Database) -> None:
    assert parse_database(text, environ) == database


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mysql://u:word@db/x", "--database is an address that begins with mysql://, which is no database"),
        ("postgre", "--database is 'postgre', which is no database Prefect can use"),
        ("", "--database is '', which is no database Prefect can use"),
        ("postgresql://u:word@db", "--database is no PostgreSQL address: it names no database"),
        ("postgresql://u:word@db/", "--database is no PostgreSQL address: it names no database"),
        ("postgresql:///x", "--database is no PostgreSQL address: it names no host"),
        ("postgresql://u:word@db:many/x", "--database is no PostgreSQL address: Port could not be cast"),
    ],
)
def test_what_is_no_database(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_database(text, {})
    assert caught.value.message.startswith(message)
    assert caught.value.hint == FORMS
    assert "word" not in caught.value.message


@pytest.mark.parametrize("text", ["sqlite", "postgres", "postgresql://u:p%40@db/x?sslmode=require"])
def test_the_choice_is_kept_where_only_its_owner_reads_it(tmp_path: Path, text: str) -> None:
    assert kept_choice(tmp_path) == SQLITE_FILE
    chosen = parse_database(text, {})
    keep_choice(tmp_path, chosen)
    assert kept_choice(tmp_path) == chosen
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    forget_choice(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_printed_holds_the_password() -> None:
    database = parse_database("postgresql://u:p%40ss@db/x", {})
    assert "p%40ss" not in repr(database)
    log = "cannot connect to postgresql+asyncpg://u:p%40ss@db/x: p@ss is wrong"
    assert (
        without_password(log, database) == "cannot connect to postgresql+asyncpg://u:***@db/x: *** is wrong"
    )
    assert without_password("p@ss", SQLITE_FILE) == "p@ss"
