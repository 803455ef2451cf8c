"""An async flow that yields."""

import uuid

from prefect import flow

from seen import seen


@flow
async def async_generator_flow(key: uuid.UUID, times: int = 1):
    for _ in range(times):
        yield seen({"key": key, "times": times})
