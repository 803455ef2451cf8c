"""Twenty parts, each in a container of its own: a fan-out over Docker tasks.

What each part needs to be installed is in the image of `count_primes`, not here. For parts that need the same
packages as this flow, and take less than a container's start, see `fan_out_dask` and docs/fan-out.md.
"""

from flowyard import docker_task
from prefect import flow

count_primes = docker_task("count_primes")


@flow
def fan_out(stop: int = 2_000_000, parts: int = 20, at_once: int = 4) -> int:
    """Count the primes below a number, in parts.

    Args:
        stop: the first number that is not looked at.
        parts: into how many parts the numbers are divided.
        at_once: how many containers run at the same time.
    """
    edges = [stop * part // parts for part in range(parts + 1)]
    counts = count_primes.map(edges[:-1], edges[1:], limit=at_once)
    return sum(count.result() for count in counts)
