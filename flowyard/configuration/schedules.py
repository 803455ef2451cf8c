"""Schedules as written in flow.toml -> checked `Schedule` values.

Cron expressions and time zones are checked here, by libraries that know them, because a wrong one would
otherwise only be found by the server, after the image was built.
"""

from __future__ import annotations

import re
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from flowyard.configuration.models import ScheduleTable
from flowyard.texts import did_you_mean, show
from flowyard.values import Schedule

Finding = tuple[str, str]
_NO_STEP = re.compile(r"INTERVAL=[+-]?0+(?![0-9])", re.IGNORECASE)
_CRON = "`0 6 * * 1` (minute, hour, day of the month, month, day of the week)"
LONGEST_RRULE = 6500  # what a Prefect server takes
_NOT_IANA = frozenset({"posix", "right", "localtime", "posixrules", "Factory"})  # in zone folders, not zones


def schedule_of(table: ScheduleTable) -> tuple[Schedule, tuple[Finding, ...]]:
    """The schedule, and all that is wrong with it as (key suffix such as `.cron`, text)."""
    schedule = Schedule(**{name: getattr(table, name) for name in ScheduleTable.model_fields})
    kinds = [kind for kind in ("cron", "interval", "rrule") if getattr(table, kind) is not None]
    if len(kinds) != 1:
        found = " and ".join(kinds) or "none of them"
        return schedule, (("", f"needs exactly one of `cron`, `interval` and `rrule`; found {found}"),)
    checks = (_cron_problem, _rrule_problem, _timezone_problem, _anchor_problem)
    return schedule, tuple(finding for check in checks if (finding := check(table)) is not None)


def _cron_problem(table: ScheduleTable) -> Finding | None:
    if table.cron is None:
        return None
    from datetime import datetime

    from cronsim import CronSim, CronSimError

    fields = len(table.cron.split())
    why = f"it needs five fields and has {fields}"
    if fields == 5:  # the library would also take a sixth, for seconds
        try:
            CronSim(table.cron, datetime(2024, 1, 1))
            return None
        except CronSimError as error:
            why = str(error).lower()
    return ".cron", f"{show(table.cron)} is not a cron expression such as {_CRON}: {why}"


def _rrule_problem(table: ScheduleTable) -> Finding | None:
    if table.rrule is None:
        return None
    from dateutil.rrule import rrulestr

    if len(table.rrule) > LONGEST_RRULE:
        return ".rrule", f"has {len(table.rrule)} characters; a Prefect server takes {LONGEST_RRULE} at most"
    if _NO_STEP.search(table.rrule):
        return ".rrule", f"{show(table.rrule)} has an interval of 0, which never comes to an end"
    why = ""
    try:
        rrulestr(table.rrule)
        return None
    except (ArithmeticError, LookupError, TypeError, AttributeError):
        pass  # the library does not check everything before it uses it
    except ValueError as error:
        why = "" if "unpack" in str(error) else f": {error}"
    return ".rrule", f"{show(table.rrule)} is not a recurrence rule such as `FREQ=DAILY;BYHOUR=6`{why}"


def _timezone_problem(table: ScheduleTable) -> Finding | None:
    if table.timezone.partition("/")[0] not in _NOT_IANA:
        try:
            ZoneInfo(table.timezone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            pass
        else:
            return None
    guess = did_you_mean(table.timezone, available_timezones() - _NOT_IANA)
    return ".timezone", f"{show(table.timezone)} is not an IANA time zone{guess}; such as `Europe/Paris`"


def _anchor_problem(table: ScheduleTable) -> Finding | None:
    from datetime import datetime

    if table.anchor is None:
        return None
    if table.interval is None:
        return ".anchor", "is for schedules with `interval` only; remove it"
    try:
        datetime.fromisoformat(table.anchor)
    except ValueError:
        return (
            ".anchor",
            f"{show(table.anchor)} is not an ISO 8601 date and time, such as `2026-01-01T06:00:00`",
        )
    return None
