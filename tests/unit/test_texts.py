"""Many names in one sentence."""

from __future__ import annotations

import pytest

from flowyard.texts import shortened


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        ((), ""),
        (("a",), "a"),
        (("a", "b", "c"), "a, b, c"),
        (("a", "b", "c", "d", "e"), "a, b, c and 2 more"),
    ],
)
def test_the_first_names_are_shown_and_the_others_counted(names: tuple[str, ...], shown: str) -> None:
    assert shortened(names, 3) == shown


def test_what_has_commas_itself_is_kept_apart() -> None:
    assert shortened(["a, b", "c", "d"], 2, "; ") == "a, b; c and 1 more"
