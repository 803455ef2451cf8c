"""Dates, times and spans, naive and with a zone."""

import datetime
import zoneinfo

from prefect import flow
from pydantic import AwareDatetime, FutureDate

from seen import seen


@flow
def times(
    at: datetime.datetime,
    until: FutureDate,
    aware: AwareDatetime = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc),
    naive: datetime.datetime = datetime.datetime(2026, 1, 2, 3, 4, 5, 678),
    day: datetime.date = datetime.date(2026, 1, 2),
    hour: datetime.time = datetime.time(23, 59, 59),
    span: datetime.timedelta = datetime.timedelta(days=1, milliseconds=500),
    zone: zoneinfo.ZoneInfo = zoneinfo.ZoneInfo("UTC"),
):
    return seen(locals())
