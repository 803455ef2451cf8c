"""The embedded PostgreSQL: the programs of this machine's distribution, with a data folder of its own.

SQLite takes one writer at a time, and under many runs Prefect's answers become 503. PostgreSQL refuses to run
as root: then it runs as the user `postgres`, in that user's home, since the state folder may be closed to it.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from flowyard.embedded import process
from flowyard.embedded.addresses import choose_port
from flowyard.embedded.options import Call
from flowyard.embedded.postgres_client import make_database, probe, recovered
from flowyard.embedded.process import Launch
from flowyard.embedded.state import LOOPBACK, Service, write_private
from flowyard.errors import EngineError, PrefectError
from flowyard.program import PROGRAM
from flowyard.values import Secret

_USER = "postgres"
_ROLE = _NAME = "prefect"
_PORT = 5433
_SECONDS = 60.0
_DEBIAN = Path("/usr/lib/postgresql")
_INSTALL = "on Debian and Ubuntu: apt-get install postgresql; or give --database the address of a running one"


@dataclass(frozen=True, slots=True)
class Programs:
    """The folder of `initdb` and `postgres`, and the user they run as, None for the caller."""

    folder: Path
    user: str | None

    def argv(self, program: str, *arguments: str) -> tuple[str, ...]:
        """The command that runs one of them, as a user that PostgreSQL accepts."""
        command = (str(self.folder / program), *arguments)
        if self.user is None:
            return command
        setpriv = shutil.which("setpriv") or "/usr/bin/setpriv"
        return (setpriv, f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", "--", *command)


def find_programs(path: str | None, debian: Path = _DEBIAN) -> Path:
    """The folder that holds `initdb` and `postgres`: on PATH, or the newest one of Debian's packages.

    Raises EngineError when neither is there.
    """
    found = shutil.which("initdb", path=path)
    if found and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    versions = [one for one in debian.glob("*/bin/initdb") if one.parent.parent.name.isdecimal()]
    if not versions:
        raise EngineError(
            f"PostgreSQL is not installed: `initdb` is neither on PATH nor below {debian}", hint=_INSTALL
        )
    return max(versions, key=lambda one: int(one.parent.parent.name)).parent


def programs(environ: Mapping[str, str]) -> Programs:
    """What is started here. Raises EngineError."""
    folder = find_programs(environ.get("PATH"))
    if os.geteuid() != 0:
        return Programs(folder, None)
    try:
        pwd.getpwnam(_USER)
    except KeyError:
        raise EngineError(
            f"PostgreSQL does not run as root, and there is no user {_USER!r}", hint=_INSTALL
        ) from None
    return Programs(folder, _USER)


def data_folder(folder: Path) -> Path:
    """Where the data is: in the state folder, or in the home of the user it runs as."""
    if os.geteuid() != 0:
        return folder / "postgres"
    try:
        home = Path(pwd.getpwnam(_USER).pw_dir)
    except KeyError:
        home = Path("/var/lib/postgresql")
    return home / f"flowyard-{process.instance_id(folder)}"


def healthy(service: Service | None) -> bool:
    """Whether the noted server runs and takes connections."""
    return service is not None and process.alive(service) and probe(LOOPBACK, service.port)


def start(call: Call) -> Service:
    """Start PostgreSQL on a free port of loopback, with a database for Prefect, and wait until it is there.

    Raises EngineError when its programs are missing, PrefectError, with the end of its log, when it fails.
    """
    installed = programs(call.options.environ)
    data = data_folder(call.folder)
    _make(installed, data, call)
    port = choose_port(_PORT, (LOOPBACK,))
    arguments = command(data, port)
    env = process.inherited_environment(call.options.environ)
    launch = Launch("postgres", installed.argv("postgres", *arguments), env, call.log("postgres"))
    service = process.start(launch, call.folder, port)
    call.undo.callback(process.stop, service)
    first = url(call.folder, port, "postgres")
    problem = process.wait_ready(service, lambda: probe(LOOPBACK, port) and recovered(first), _SECONDS)
    if problem:
        raise PrefectError(
            f"PostgreSQL on port {port} {problem}; the end of its log:\n{process.last_lines(service.log)}",
            hint="the log says why; then run `up` again",
            log=service.log,
        )
    make_database(first, _NAME)
    return service


def stop(service: Service | None, folder: Path) -> None:
    """Stop it, also one that the state does not know. Its data stays."""
    if service is not None:
        process.stop(service)
    process.stop_marked(folder, "postgres")


def delete_data(folder: Path) -> None:
    """Delete the data, also what is half made of it, and the password."""
    data = data_folder(folder)
    for made in (data, _new(data)):
        shutil.rmtree(made, ignore_errors=True)
    for password in (_password_file(folder), _handed_over(data)):
        password.unlink(missing_ok=True)


def url(folder: Path, port: int, name: str = _NAME) -> Secret:
    """The database's address, as SQLAlchemy takes it. Raises EngineError when its password is lost."""
    try:
        password = _password_file(folder).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        raise _password_lost(folder) from None
    return Secret(f"postgresql+asyncpg://{_ROLE}:{password}@{LOOPBACK}:{port}/{name}")


def command(data: Path, port: int) -> tuple[str, ...]:
    """Its arguments: loopback only, no socket file, and none of the settings of a cluster of Debian's."""
    settings = {
        "listen_addresses": LOOPBACK,
        "port": str(port),
        "unix_socket_directories": "",
        "logging_collector": "off",
    }
    return (
        "-D",
        str(data),
        *(word for name, value in settings.items() for word in ("-c", f"{name}={value}")),
    )


def _password_file(folder: Path) -> Path:
    return folder / "postgres.password"


def _new(data: Path) -> Path:
    return data.with_name(f"{data.name}.new")


def _handed_over(data: Path) -> Path:
    return data.with_name(f"{data.name}.new.password")


def _password_lost(folder: Path) -> EngineError:
    return EngineError(
        f"{data_folder(folder)} is the data of a PostgreSQL whose password is lost: "
        f"{_password_file(folder)} is not there",
        hint=f"put that file back, or delete the data: {PROGRAM} down --delete-data",
    )


def _make(installed: Programs, data: Path, call: Call) -> None:
    """Make the data folder with a new password, unless it is there. What is there is never deleted."""
    if data.exists():
        if not _password_file(call.folder).exists():
            raise _password_lost(call.folder)
        _check_version(installed, data)
        return
    new, handed_over, password = _new(data), _handed_over(data), secrets.token_urlsafe(24)
    shutil.rmtree(new, ignore_errors=True)  # half made by one that was killed
    write_private(handed_over, f"{password}\n")
    try:
        if installed.user is not None:
            shutil.chown(handed_over, installed.user)
        arguments = ("--pgdata", str(new), "--username", _ROLE, "--pwfile", str(handed_over))
        options = ("--auth", "scram-sha-256", "--encoding", "UTF8", "--no-locale")
        _run(installed.argv("initdb", *arguments, *options), call)
    finally:
        handed_over.unlink()
    write_private(_password_file(call.folder), f"{password}\n")  # before there is data that needs it
    new.rename(data)


def _run(argv: Sequence[str], call: Call) -> None:
    env = process.inherited_environment(call.options.environ)
    done = subprocess.run(
        argv, env=env, cwd="/", capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode != 0:
        said = "\n".join(f"  {line}" for line in (done.stdout + done.stderr).splitlines()[-10:])
        raise PrefectError(f"PostgreSQL's data folder could not be made; initdb said:\n{said}")


def _check_version(installed: Programs, data: Path) -> None:
    """Data of one major version cannot be read by another."""
    try:
        version = (data / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError:
        raise EngineError(
            f"{data} is no PostgreSQL data folder: it has no PG_VERSION",
            hint=f"delete it: {PROGRAM} down --delete-data",
        ) from None
    beside = installed.folder.parent.name
    if beside.isdecimal() and beside != version:
        raise EngineError(
            f"{data} was written by PostgreSQL {version}, and this machine has {beside}",
            hint="install that version beside it and move the data with pg_upgrade, or `down --delete-data`",
        )
