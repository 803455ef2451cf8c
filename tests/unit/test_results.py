"""Results are described from their files alone: nothing is unpickled on this machine."""

from __future__ import annotations

import datetime
import json
import pickle
from collections.abc import Iterator
from typing import Any

import pytest

from flowyard.running.results import BEGINNING, MOST, ResultFile, describe_result
from flowyard.runtime import codec
from flowyard.values import ResultPlace

ADDRESS = "s3://acme-results/flows/k"


def described(data: bytes, serializer: Any = None, *, read: int | None = None) -> Any:
    """What is told of a result of which so many bytes were read; by default all."""
    place = ResultPlace(ADDRESS, json.dumps(serializer or {}))
    return describe_result(ResultFile(data[:read], len(data), ADDRESS), place)


def iter_nothing() -> Iterator[int]:
    yield from ()


class Bomb:
    def __reduce__(self) -> Any:
        return pytest.fail, ("a result was unpickled",)


def test_the_beginning_holds_what_people_are_shown() -> None:
    assert BEGINNING > 2 * (codec.SHOWN_JSON + codec.SHOWN_REPR)
    assert BEGINNING < MOST


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, None]}, {"type": "builtins.dict", "json": {"a": [1, None]}}),
        (datetime.date(2020, 1, 1), {"type": "datetime.date", "json": "2020-01-01"}),
        (ValueError("no"), {"type": "builtins.ValueError", "repr": "ValueError('no')"}),
        ({"flowyard": 2}, {"type": "builtins.dict", "json": {"flowyard": 2}}),
    ],
)
def test_what_the_runtime_part_wrote_is_shown(value: Any, shown: dict[str, Any]) -> None:
    assert described(codec.dumps(value).encode()) == shown


def test_what_could_not_be_kept_says_so() -> None:
    shown = described(codec.dumps({"all": iter_nothing()}).encode())
    assert shown == {
        "type": "builtins.dict",
        "json": {"all": []},
        "lost": "TypeError: cannot pickle 'generator' object",
    }


@pytest.mark.parametrize(
    ("data", "serializer", "shown"),
    [
        (b"[1]", {"type": "json"}, {"type": "builtins.list", "json": [1]}),
        (b"null", {"type": "json"}, {"type": "builtins.NoneType", "json": None}),
        (
            b'{"metadata": {"serializer": {"type": "json"}}, "result": "[1]"}',
            {"type": "pickle"},
            {"type": "builtins.list", "json": [1]},
        ),
    ],
)
def test_plain_json_of_prefect_is_shown(data: bytes, serializer: Any, shown: Any) -> None:
    assert described(data, serializer) == shown


@pytest.mark.parametrize(
    ("data", "serializer", "kind"),
    [
        (pickle.dumps(Bomb()), {"type": "pickle"}, "pickle"),
        (b'{"__class__": "datetime.date", "data": "2020-01-01"}', {"type": "json"}, "json"),
        (b"gAWV", {"type": "compressed/pickle"}, "compressed/pickle"),
        (b"gAWV", {}, "unknown"),
        (b'{"metadata": {"serializer": {"type": "pickle"}}, "result": "gAWV"}', {"type": "json"}, "pickle"),
    ],
)
def test_other_formats_are_told_and_not_loaded(data: bytes, serializer: Any, kind: str) -> None:
    text = (
        f"(the result was written with serializer {kind!r}, which is not loaded on this machine: {len(data)} bytes "
        f"at {ADDRESS})"
    )
    assert described(data, serializer) == {"type": "unknown", "repr": text}


class Large:
    def __init__(self, shown: str = "") -> None:
        self.data = bytes(1 << 20)
        self.shown = shown

    def __repr__(self) -> str:
        return f"<Large {self.shown}>"


@pytest.mark.parametrize("shown", ["", ', "pickle": "', '\\", "pickle": "'])
def test_of_a_large_pickled_value_the_beginning_is_enough(shown: str) -> None:
    document = codec.dumps(Large(shown)).encode()
    assert len(document) > 1 << 20
    found = described(document, read=BEGINNING)
    assert found == {"type": f"{__name__}.Large", "repr": repr(Large(shown))}


def test_of_a_large_pickled_value_json_is_shown_too() -> None:
    value = ({"x": 1, "pickle": "y"}, "\xe9" * 5_000)
    document = codec.dumps(value).encode()
    assert described(document, read=len(document) - 9)["json"] == [value[0], value[1]]


def test_a_large_json_value_says_where_it_is() -> None:
    document = codec.dumps(["x" * MOST]).encode()
    text = f"(the result is too large to be shown: {len(document)} bytes at {ADDRESS})"
    assert described(document, read=BEGINNING) == {"type": "builtins.list", "repr": text}
    assert described(b"x" * 9, {"type": "pickle"}, read=3) == {
        "type": "unknown",
        "repr": f"(the result is too large to be shown: 9 bytes at {ADDRESS})",
    }
