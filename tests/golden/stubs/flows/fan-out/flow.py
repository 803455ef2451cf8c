"""Two flows in one image, and no deployment that is called when nobody says which."""

from collections.abc import AsyncIterator

from prefect import flow


@flow
async def one(part: int) -> str:
    return str(part)


@flow
async def many(parts: list[int]) -> AsyncIterator[str]:
    for part in parts:
        yield str(part)
