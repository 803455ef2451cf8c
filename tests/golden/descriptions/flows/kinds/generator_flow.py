"""A flow that yields."""

import decimal

from prefect import flow

from seen import seen


@flow
def generator_flow(step: decimal.Decimal, times: int = 2):
    for _ in range(times):
        yield seen({"step": step, "times": times})
