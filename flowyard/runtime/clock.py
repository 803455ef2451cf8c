"""Another time of day for the code of a module: what its names for the clock stand for meanwhile.

Python's own clock is not to be changed from inside; the names a module knows it by are.
"""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any


@contextmanager
def clock_at(moment: datetime.datetime, spaces: Sequence[dict[str, Any]]) -> Iterator[None]:
    """It is `moment` (with its zone) for what looks at the clock through these modules' names."""
    stands_for = _clock(moment)
    kept = [dict(space) for space in spaces]
    try:
        for space, names in zip(spaces, kept, strict=True):
            space.update({name: stands_for[id(it)] for name, it in names.items() if id(it) in stands_for})
        yield
    finally:
        for space, names in zip(spaces, kept, strict=True):
            for name in set(space) - set(names):
                del space[name]
            space.update(names)


def _clock(moment: datetime.datetime) -> Mapping[int, Any]:
    """What stands for each object that tells the time, by the object's id."""
    date, date_and_time = _date(moment), _date_and_time(moment)
    functions = _functions(moment.timestamp())
    calendar = {**vars(datetime), "date": date, "datetime": date_and_time}
    return {
        id(datetime): SimpleNamespace(**calendar),
        id(datetime.date): date,
        id(datetime.datetime): date_and_time,
        id(time): SimpleNamespace(**{**vars(time), **functions}),
        **{id(getattr(time, name)): function for name, function in functions.items()},
    }


class _Date(type):
    """Takes every date for its own: `isinstance` answers as ever."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, datetime.date)


class _DateAndTime(type):
    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, datetime.datetime)


def _date(moment: datetime.datetime) -> type[datetime.date]:
    class Date(datetime.date, metaclass=_Date):
        @classmethod
        def today(cls) -> Any:
            return moment.astimezone().date()

    return Date


def _date_and_time(moment: datetime.datetime) -> type[datetime.datetime]:
    local = moment.astimezone().replace(tzinfo=None)

    class DateAndTime(datetime.datetime, metaclass=_DateAndTime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return local if tz is None else moment.astimezone(tz)

        @classmethod
        def today(cls) -> Any:
            return local

        @classmethod
        def utcnow(cls) -> Any:
            return moment.astimezone(datetime.UTC).replace(tzinfo=None)

    return DateAndTime


def _functions(seconds: float) -> Mapping[str, Any]:
    return {
        "time": lambda: seconds,
        "time_ns": lambda: int(seconds * 10**9),
        "localtime": lambda given=None: time.localtime(seconds if given is None else given),
        "gmtime": lambda given=None: time.gmtime(seconds if given is None else given),
        "ctime": lambda given=None: time.ctime(seconds if given is None else given),
        "strftime": lambda form, given=None: time.strftime(form, given or time.localtime(seconds)),
    }
