"""Where values lie on their way between two images: the target's result storage, below one prefix of it."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from flowyard.runtime import storage
from flowyard.runtime.names import RESULTS_ENV
from flowyard.runtime.storage import Storage, folder_of, is_bucket
from flowyard.runtime.tasks.errors import StorageFailed
from flowyard.runtime.tasks.settings import number

PREFIX = "docker-tasks"
KEPT_DAYS_ENV = "FLOWYARD_DOCKER_TASKS_KEPT_DAYS"
KEPT_DAYS = 7.0
_SWEPT = ".swept"  # its time is when files were last removed by age
_SWEEP_EVERY = 3600.0  # seconds
_DAY = 86400.0


def open_storage(environ: Mapping[str, str]) -> Storage:
    """The storage of this environment. Raises StorageFailed where there is none."""
    address = environ.get(RESULTS_ENV, "")
    try:
        return storage.open_storage(f"{address.rstrip('/')}/{PREFIX}")
    except ValueError as error:
        raise StorageFailed(
            f"Docker tasks need a result storage and {RESULTS_ENV} is {address or 'not set'}: "
            "say `results` in the target of registry.toml, and ship again"
        ) from error


def sweep(environ: Mapping[str, str]) -> None:
    """Remove what is too old to be of use, where that is not the storage's own business. Raises BadSetting."""
    address = environ.get(RESULTS_ENV, "")
    if is_bucket(address):
        return
    days = number(environ, KEPT_DAYS_ENV, KEPT_DAYS)
    with suppress(OSError, ValueError):  # a later run will
        sweep_folder(folder_of(address) / PREFIX, days, time.time())


def sweep_folder(folder: Path, days: float, now: float) -> int:
    """Remove files that are older than so many days; how many. At most once an hour, whoever asks."""
    mark = folder / _SWEPT
    try:
        if now - mark.stat().st_mtime < _SWEEP_EVERY:
            return 0
    except FileNotFoundError:
        folder.mkdir(parents=True, exist_ok=True)
    mark.touch()
    os.utime(mark, (now, now))
    removed = 0
    for path in [path for path in folder.rglob("*") if path.is_file() and path != mark]:
        with suppress(FileNotFoundError):  # another run sweeps as well
            if now - path.stat().st_mtime > days * _DAY:
                path.unlink()
                removed += 1
    return removed
