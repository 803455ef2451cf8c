"""Calls the flow `called` in each side's own way, in turn, and says how long that took."""

import asyncio
import time
from pathlib import Path

from prefect import flow
from prefect.deployments import arun_deployment, run_deployment
from prefect.settings import PREFECT_LOCAL_STORAGE_PATH, temporary_settings

from flowyard import docker_task

OURS = "flowyard"
PEER_RESULTS = Path("/var/lib/flowyard/results/peer")
called = docker_task("called")


@flow
def caller(peers: dict[str, dict], calls: int, maps: int, many: int, at_once: int) -> dict:
    """`peers`: how each of the other sides calls run_deployment, by its name. The first call warms up."""
    sides = [OURS, *peers]
    found = {side: {"calls": [], "maps": []} for side in sides}
    with temporary_settings({PREFECT_LOCAL_STORAGE_PATH: PEER_RESULTS}):
        for number in range(calls + 1 if calls else 0):
            for side in turned(sides, number):
                one = timed(call, peers.get(side), number)
                if number:
                    found[side]["calls"].append(one)
        for number in range(maps):
            for side in turned(sides, number):
                one = timed(mapped, peers.get(side), many, at_once)
                found[side]["maps"].append(one)
    return found


def turned(sides: list[str], number: int) -> list[str]:
    """The sides, each round another one first."""
    first = number % len(sides)
    return sides[first:] + sides[:first]


def timed(act, *arguments):
    """The seconds that it took, when its value was there, and the runs that gave it."""
    began = time.time()
    runs = act(*arguments)
    ended = time.time()
    return {"seconds": ended - began, "ended": ended, "runs": runs}


def call(peer: dict | None, value: int) -> list[str]:
    if peer is None:
        future = called.submit(value)
        check(future.result(), value)
        return [future.run]
    run = run_deployment(peer["deployment"], parameters={"value": value}, **peer["options"])
    check(run.state.result(), value)
    return [str(run.id)]


def mapped(peer: dict | None, many: int, at_once: int) -> list[str]:
    if peer is None:
        futures = called.map(list(range(many)), limit=at_once)
        check([future.result() for future in futures], list(range(many)))
        return [future.run for future in futures]
    return asyncio.run(gathered(peer, many, at_once))


async def gathered(peer: dict, many: int, at_once: int) -> list[str]:
    room = asyncio.Semaphore(at_once)

    async def one(value: int) -> str:
        async with room:
            run = await arun_deployment(peer["deployment"], parameters={"value": value}, **peer["options"])
            check(await run.state.aresult(), value)
            return str(run.id)

    return list(await asyncio.gather(*[one(value) for value in range(many)]))


def check(found: object, wanted: object) -> None:
    if found != wanted:
        raise ValueError(f"{found} came back instead of {wanted}")
