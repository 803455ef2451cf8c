from __future__ import annotations

import pytest

from flowyard.paging import read_all
from flowyard.values import Json


class Pages:
    """A filter endpoint with so many objects."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.requests: list[tuple[str, str, Json]] = []

    def request(self, method: str, path: str, body: Json = None) -> Json:
        self.requests.append((method, path, body))
        return list(range(self.count))[body["offset"] : body["offset"] + body["limit"]]


@pytest.mark.parametrize(("count", "asked"), [(0, 1), (199, 1), (200, 2), (401, 3)])
def test_read_all(count: int, asked: int) -> None:
    pages = Pages(count)
    assert read_all(pages, "/artifacts/filter", {"sort": "KEY_ASC"}) == list(range(count))
    assert pages.requests == [
        ("POST", "/artifacts/filter", {"sort": "KEY_ASC", "limit": 200, "offset": 200 * page})
        for page in range(asked)
    ]
