"""Reads lists of Prefect's API to their end, page by page.

One place, because a server hands out so many at most and does not say that there are more.
"""

from __future__ import annotations

from collections.abc import Mapping

from flowyard.ports import PrefectApi
from flowyard.values import Json

PAGE = 200  # the most that a Prefect server hands out at once


def read_all(api: PrefectApi, path: str, body: Mapping[str, Json]) -> list[Json]:
    """Every object of a filter endpoint, page by page. `body` must sort, so that no page overlaps.

    Raises PrefectError.
    """
    found: list[Json] = []
    while True:
        page = api.request("POST", path, {**body, "limit": PAGE, "offset": len(found)})
        found += page
        if len(page) < PAGE:
            return found
