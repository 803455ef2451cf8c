"""Twenty parts in the processes of one container: a fan-out with Dask's task runner.

The parts share this flow's image and memory limit, and each begins in milliseconds. See docs/fan-out.md.
"""

from prefect import flow, task
from prefect_dask import DaskTaskRunner

WORKERS = 2  # processes, each for one part at a time: as many as the deployment has cores


@task
def count_primes(start: int, stop: int) -> int:
    """The number of primes from `start` up to, but not including, `stop`."""
    sieve = bytearray([1]) * max(stop, 2)
    sieve[:2] = b"\0\0"
    for number in range(2, int(len(sieve) ** 0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, len(sieve), number)))
    return sum(sieve[start:stop])


@flow(
    task_runner=DaskTaskRunner(
        cluster_kwargs={"n_workers": WORKERS, "threads_per_worker": 1, "dashboard_address": None}
    )
)
def fan_out_dask(stop: int = 2_000_000, parts: int = 20) -> int:
    """Count the primes below a number, in parts.

    Args:
        stop: the first number that is not looked at.
        parts: into how many parts the numbers are divided.
    """
    edges = [stop * part // parts for part in range(parts + 1)]
    counts = count_primes.map(edges[:-1], edges[1:])
    return sum(counts.result())
