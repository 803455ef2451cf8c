"""Words in messages: many names in one sentence, what was found, what was probably meant."""

from __future__ import annotations

import pytest

from flowyard.texts import did_you_mean, quoted, shortened, show


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


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text", '"text"'),
        (True, "true"),
        (False, "false"),
        (3, "3"),
        (2.5, "2.5"),
        ([1, "a"], "[1, 'a']"),
        ("x" * 70, '"' + "x" * 56 + "..."),
    ],
)
def test_show(value: object, shown: str) -> None:
    assert show(value) == shown


@pytest.mark.parametrize(
    ("found", "guess"),
    [
        ("shedules", " (did you mean `schedules`?)"),
        ("work_queue", " (did you mean `work-queue`?)"),
        ("zzz", ""),
        ("", ""),
    ],
)
def test_did_you_mean(found: str, guess: str) -> None:
    assert did_you_mean(found, ["schedules", "work-queue", "tags"]) == guess


def test_a_word_of_the_command_line_is_one_line() -> None:
    assert quoted("a\nb") == r"'a\nb'"
    assert quoted("x" * 70) == "'" + "x" * 56 + "..."
