"""What holds for all values: results come back exactly, and different names make different artifact keys."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from flowyard.releasing.artifact_keys import artifact_key
from flowyard.runtime import codec

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
NAME = st.from_regex(r"[a-b0-1]([a-b0-1_-]{0,8}[a-b0-1])?", fullmatch=True)
NAMES = st.tuples(NAME, NAME, st.none() | NAME)
SAME_EVERYWHERE = settings(derandomize=True, database=None, deadline=None)


@SAME_EVERYWHERE
@given(PLAIN)
def test_plain_values_are_json_and_come_back_exactly(value: Any) -> None:
    document = json.loads(codec.dumps(value))
    assert set(document) == {"flowyard", "type", "json"}
    assert codec.loads(codec.dumps(value)) == value


@SAME_EVERYWHERE
@given(NAMES, NAMES)
def test_different_names_make_different_keys(
    one: tuple[str, str, str | None], other: tuple[str, str, str | None]
) -> None:
    assert (artifact_key(*one) == artifact_key(*other)) == (one == other)
