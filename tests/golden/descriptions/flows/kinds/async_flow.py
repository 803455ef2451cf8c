"""An async flow."""

import asyncio
import datetime

from prefect import flow

from seen import seen


@flow
async def async_flow(day: datetime.date, times: int = 1):
    await asyncio.sleep(0)
    return seen(locals())
