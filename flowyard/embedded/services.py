"""`up` and `down`: start what is missing of the embedded services, and stop all of them.

Both hold one lock per state folder and trust no note they did not check, so they can be called at any time,
in any number, after any accident.
"""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from flowyard.embedded import engine, registry, server, worker
from flowyard.embedded.addresses import choose_port
from flowyard.embedded.database import (
    OWN,
    Database,
    forget_choice,
    keep_choice,
    kept_choice,
    parse_database,
)
from flowyard.embedded.options import Call, UpOptions
from flowyard.embedded.state import (
    LOOPBACK,
    STATE_FILE,
    EmbeddedState,
    Ports,
    read_state,
    write_state,
)
from flowyard.errors import EngineError, StateError
from flowyard.ports import Progress
from flowyard.state_folder import LOGS


def up(options: UpOptions, progress: Progress) -> EmbeddedState:
    """Start the services that do not run, and return all of them.

    When it fails or is interrupted, whatever this call started is stopped again; services that already ran
    stay. Raises UsageError, EngineError, RegistryError or PrefectError.
    """
    options = replace(options, folder=options.folder.resolve())
    _make_folder(options.folder)
    with _locked(options.folder, progress):
        before = _noted(options.folder, progress)
        database = _chosen_database(options)
        kept = _healthy(before, options, database)
        if kept.registry and kept.prefect and kept.worker:
            return kept
        with ExitStack() as undo:
            write_state(options.folder, kept)
            undo.callback(write_state, options.folder, kept)
            state = _start_missing(Call(options, progress, undo), before, kept, database)
            keep_choice(options.folder, database)
            write_state(options.folder, state)
            undo.pop_all()
        return state


def down(folder: Path, progress: Progress, *, delete_data: bool = False) -> None:
    """Stop every service of this state folder, and the runs its worker had started.

    Images, the database and the ports are kept unless `delete_data` is true. Nothing running is no error.
    Raises EngineError when a registry container cannot be stopped.
    """
    folder = folder.resolve()
    if not folder.is_dir():
        return
    with _locked(folder, progress):
        state = _noted(folder, progress)
        _stop_worker(state, folder, progress)
        registry.ask_to_stop(state.registry)  # it takes two seconds, which the server's end takes as well
        progress.done("prefect", _stopped(server.stop(state.prefect, folder)))
        _stop_postgres(state, folder, progress)
        progress.done("registry", _stopped(registry.stop(state.registry, folder)))
        if delete_data:
            _delete(state, folder)
            progress.done(
                "data", "the registry's images and the database deleted; the Docker engine keeps its own"
            )
        elif (folder / STATE_FILE).exists():
            write_state(folder, EmbeddedState(ports=state.ports))


def _chosen_database(options: UpOptions) -> Database:
    if options.database is None:
        return kept_choice(options.folder)
    return parse_database(options.database, options.environ)


def _healthy(noted: EmbeddedState, options: UpOptions, database: Database) -> EmbeddedState:
    """The noted state without the services that do not run as they should."""
    pool = options.work_pool
    found_registry = noted.registry if registry.healthy(noted.registry) else None
    found_postgres = noted.postgres if _postgres_healthy(noted, database) else None
    same = database == kept_choice(options.folder) and (database.kind != OWN or found_postgres is not None)
    found_prefect = noted.prefect if same and server.healthy(noted.prefect) else None
    found_worker = None
    if noted.work_pool == pool and found_prefect is None:
        found_worker = noted.worker  # it is judged when its server runs again
    elif noted.work_pool == pool and found_prefect and worker.healthy(noted.worker, found_prefect.port, pool):
        found_worker = noted.worker
    ports = noted.ports
    return EmbeddedState(found_registry, found_prefect, found_worker, ports, noted.work_pool, found_postgres)


def _postgres_healthy(noted: EmbeddedState, database: Database) -> bool:
    if database.kind != OWN or noted.postgres is None:
        return False
    from flowyard.embedded import postgres

    return postgres.healthy(noted.postgres)


def _start_missing(
    call: Call, before: EmbeddedState, kept: EmbeddedState, database: Database
) -> EmbeddedState:
    state = replace(kept, ports=kept.ports or call.options.ports)
    if state.registry is None:
        state = _start_registry(call, before, state)
    if state.prefect is None:
        server.stop(before.prefect, call.folder)  # before its database is
        state = _start_database(call, before, state, database)
        state = _start_server(call, before, state, _with_url(call.folder, state, database))
    return _start_worker(call, before, state)


def _start_database(
    call: Call, before: EmbeddedState, state: EmbeddedState, database: Database
) -> EmbeddedState:
    """See to the database that the Prefect server is about to use, and stop one it used before."""
    if database.kind != OWN:
        _stop_postgres(before, call.folder, call.progress)
    if database.url is not None:
        from flowyard.embedded import postgres_client

        call.progress.step("database", f"asking {database.shown}")
        postgres_client.check(database.url, database.shown)
    elif database.kind == OWN and state.postgres is None:
        from flowyard.embedded import postgres

        postgres.stop(before.postgres, call.folder)
        call.progress.step("database", "starting PostgreSQL")
        service = postgres.start(call)
        call.progress.done("database", f"PostgreSQL on port {service.port}")
        return replace(state, postgres=service)
    return state


def _with_url(folder: Path, state: EmbeddedState, database: Database) -> Database:
    if database.kind != OWN or state.postgres is None:
        return database
    from flowyard.embedded import postgres

    return replace(database, url=postgres.url(folder, state.postgres.port))


def _stop_postgres(state: EmbeddedState, folder: Path, progress: Progress) -> None:
    from flowyard.embedded import postgres

    if state.postgres is not None or postgres.data_folder(folder).exists():
        postgres.stop(state.postgres, folder)
        progress.done("database", "PostgreSQL stopped")


def _start_registry(call: Call, before: EmbeddedState, state: EmbeddedState) -> EmbeddedState:
    registry.stop(before.registry, call.folder)
    wanted = _ports(state)
    port = choose_port(wanted.registry, (LOOPBACK,))
    moved = f", ship again what was shipped to {wanted.registry}" if before.ports is not None else ""
    _say_moved(call.progress, "registry", wanted.registry, port, moved)
    call.progress.step("registry", f"starting on port {port}")
    service = registry.start(call, port)
    call.progress.done("registry", f"{LOOPBACK}:{port}")
    return replace(state, registry=service, ports=replace(wanted, registry=port))


def _start_server(
    call: Call, before: EmbeddedState, state: EmbeddedState, database: Database
) -> EmbeddedState:
    gateway = engine.bridge_gateway()
    addresses = (LOOPBACK,) if gateway is None else (LOOPBACK, gateway)
    wanted = _ports(state)
    port = choose_port(wanted.prefect, addresses)
    _say_moved(call.progress, "prefect", wanted.prefect, port)
    call.progress.step("prefect", f"starting on port {port}")
    service = server.start(call, port, addresses, database)
    call.progress.done("prefect", f"http://{LOOPBACK}:{port}")
    return replace(state, prefect=service, ports=replace(wanted, prefect=port))


def _start_worker(call: Call, before: EmbeddedState, state: EmbeddedState) -> EmbeddedState:
    port, pool = _ports(state).prefect, call.options.work_pool
    worker.ensure_pool(port, pool)
    if worker.healthy(state.worker, port, pool):
        return state
    worker.stop(before.worker, call.folder)
    call.progress.step("worker", f"starting for the work pool {pool}")
    service = worker.start(call, port)
    call.progress.done("worker", f"polls {pool}")
    return replace(state, worker=service, work_pool=pool)


def _stop_worker(state: EmbeddedState, folder: Path, progress: Progress) -> None:
    """End the worker and its runs, while the API still answers.

    Told to stop, the worker takes no new run but waits for those it has: they are ended meanwhile, and again
    after it, since a container may have been on its way.
    """
    if state.worker is not None:
        progress.step("worker", "stopping")
    port = state.prefect.port if state.prefect and server.healthy(state.prefect) else None
    worker.ask_to_stop(state.worker)
    try:
        count = worker.stop_runs(folder, port)
        ran = worker.stop(state.worker, folder, asked=True)
        count += worker.stop_runs(folder, port)
    except EngineError as error:  # no engine, no containers: the processes must still be stopped
        ran = worker.stop(state.worker, folder, asked=True)
        progress.done("worker", f"{_stopped(ran)}; its containers could not be looked for ({error.message})")
        return
    progress.done("worker", f"stopped, and its running containers ({count})" if count else _stopped(ran))


def _stopped(ran: bool) -> str:
    return "stopped" if ran else "not running"


def _ports(state: EmbeddedState) -> Ports:
    return state.ports or Ports()


def _say_moved(progress: Progress, service: str, wanted: int, port: int, moved: str = "") -> None:
    if port != wanted:
        progress.step(service, f"another program has port {wanted}; using {port}{moved}")


def _noted(folder: Path, progress: Progress) -> EmbeddedState:
    try:
        return read_state(folder)
    except StateError as error:
        progress.step("services", f"{error.message}; the services are looked for by their mark instead")
        return EmbeddedState()


def _delete(state: EmbeddedState, folder: Path) -> None:
    from flowyard.embedded import postgres

    registry.delete_data(state.registry, folder)
    server.delete_data(folder)
    postgres.delete_data(folder)
    forget_choice(folder)
    worker.delete_data(folder)
    for name in ("registry", "prefect", "worker", "postgres"):
        for log in (folder / LOGS).glob(f"{name}*.log"):
            log.unlink(missing_ok=True)
    (folder / STATE_FILE).unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(parents=True)
        (folder / ".gitignore").write_text("*\n", encoding="utf-8")  # databases and logs are nobody's source


@contextmanager
def _locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Hold the state folder's lock. The file stays: removing it would let two holders in at once."""
    with (folder / "services.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.step("services", "waiting for another `up` or `down` of this project")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
