"""How many primes lie in a range: a small piece of work, for the flows that have many of it."""

from prefect import flow


@flow
def count_primes(start: int, stop: int) -> int:
    """Count the primes from `start` up to, but not including, `stop`.

    Args:
        start: the first number that is looked at.
        stop: the first number that is not.
    """
    sieve = bytearray([1]) * max(stop, 2)
    sieve[:2] = b"\0\0"
    for number in range(2, int(len(sieve) ** 0.5) + 1):
        if sieve[number]:
            sieve[number * number :: number] = bytes(len(range(number * number, len(sieve), number)))
    return sum(sieve[start:stop])
