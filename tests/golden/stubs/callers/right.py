import asyncio
import datetime
from decimal import Decimal
from typing import Any

from prefect_stand_in import unmapped

from flowyard import ChildFailed, DockerFuture, DockerTask, docker_task

clean = docker_task("clean")
rows: list[dict[str, Any]] = []
models, sums = clean([], rows, datetime.date.min, Decimal(1), "FR", limit=5, names=["a"], either=None)
first: Decimal = sums[0]
later: DockerFuture[tuple[dict[str, Any], list[Decimal]]] = clean.submit([], rows, datetime.date.min)
parts = clean.map(
    [[], []], [rows, rows], datetime.date.min, country=["DE", "FR"], names=unmapped(["a"]), limit=2
)
total: list[Decimal] = [one.result(timeout=3)[1][0] for one in parts]
large = clean.with_options(deployment="large", timeout=3, tags=["a"], job_variables={"cpu": 1})
again: Any = large.with_options(retries=2)([], rows, datetime.date.min)[0]["a"]
anything: DockerTask = clean
texts: list[str] = [
    one.result() for one in docker_task("fan-out").with_options(deployment="one").map(range(3))
]


async def awaited() -> str:
    try:
        return await docker_task("fan-out").with_options(deployment="one").acall(3)
    except ChildFailed as error:
        return error.task


asyncio.run(awaited())
