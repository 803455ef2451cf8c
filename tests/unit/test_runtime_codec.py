"""A flow's return value comes back exactly, and is shown without unpickling."""

from __future__ import annotations

import base64
import datetime
import enum
import json
import math
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flowyard.runtime import codec, result


class Colour(enum.StrEnum):
    RED = "red"


class Pair(NamedTuple):
    left: int
    right: int


class Silent:
    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Silent)


def iter_nothing() -> Iterator[int]:
    yield from ()


def _shown(value: Any) -> dict[str, Any]:
    return result.read(codec.dumps(value).encode(), {"type": "unused"})


@pytest.mark.parametrize(
    "value",
    [
        (1, 2),
        {1: "a"},
        {"a": (1,)},
        [math.inf],
        Colour.RED,
        Pair(1, 2),
        datetime.date(2020, 1, 1),
        b"\xff",
        {"flowyard": 1, "pickle": "x"},
        {"json": 1, "type": 2},
        Silent(),
    ],
)
def test_every_other_value_comes_back_exactly_too(value: Any) -> None:
    back = codec.loads(codec.dumps(value))
    assert (back, type(back)) == (value, type(value))


def test_a_list_that_holds_itself_comes_back() -> None:
    value: list[Any] = []
    value.append(value)
    back = codec.loads(codec.dumps(value))
    assert back[0] is back


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, None]}, {"type": "builtins.dict", "json": {"a": [1, None]}}),
        ((1, 2), {"type": "builtins.tuple", "json": [1, 2]}),
        (datetime.date(2020, 1, 1), {"type": "datetime.date", "json": "2020-01-01"}),
        (math.nan, {"type": "builtins.float", "repr": "nan"}),
        (ValueError("no"), {"type": "builtins.ValueError", "repr": "ValueError('no')"}),
        (object, {"type": "builtins.type", "repr": "<class 'object'>"}),
    ],
)
def test_what_people_are_shown(value: Any, shown: dict[str, Any]) -> None:
    assert _shown(value) == shown


def test_a_large_value_is_shown_in_short() -> None:
    shown = _shown(tuple(range(100_000)))
    assert (shown["type"], len(shown["repr"]) <= codec.SHOWN_REPR) == ("builtins.tuple", True)


def test_a_value_that_cannot_be_shown_is_still_a_result() -> None:
    assert _shown(Silent())["repr"].startswith("<Silent instance at 0x")


def test_a_value_that_cannot_be_kept_is_described_and_says_why() -> None:
    document = codec.dumps({"numbers": iter_nothing()})
    reason = "TypeError: cannot pickle 'generator' object"
    shown = {"type": "builtins.dict", "json": {"numbers": []}, "lost": reason}
    assert result.read(document.encode(), {"type": "unused"}) == shown
    with pytest.raises(codec.LostResult) as caught:
        codec.loads(document)
    assert str(caught.value) == f"the flow returned a builtins.dict, which cannot be kept: {reason}"


class Unwilling:
    def __reduce__(self) -> str:
        raise ZeroDivisionError("not me")


def test_whatever_a_value_raises_when_it_is_to_be_kept_the_run_goes_on() -> None:
    assert json.loads(codec.dumps(Unwilling()))["lost"] == "ZeroDivisionError: not me"


@pytest.mark.parametrize(
    ("data", "serializer", "shown"),
    [
        (b'{"a": 1}', {"type": "json"}, {"type": "builtins.dict", "json": {"a": 1}}),
        (
            b'{"metadata": {"serializer": {"type": "json"}}, "result": "[1]"}',
            {"type": "pickle"},
            {"type": "builtins.list", "json": [1]},
        ),
        (
            b'{"__class__": "datetime.date", "data": "2020-01-01"}',
            {"type": "json"},
            {"type": "datetime.date", "json": "2020-01-01"},
        ),
        (
            base64.encodebytes(pickle.dumps((1, 2))),
            {"type": "pickle"},
            {"type": "builtins.tuple", "json": [1, 2]},
        ),
    ],
)
def test_results_of_other_serializers(data: bytes, serializer: dict[str, str], shown: dict[str, Any]) -> None:
    assert result.read(data, serializer) == shown


def test_the_program_prints_one_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "key").write_text(codec.dumps((1, 2)), encoding="utf-8")
    monkeypatch.setenv("FLOWYARD_RESULTS", tmp_path.as_uri())
    codes = [
        result.main(["key"]),
        result.main([str(tmp_path / "key")]),
        result.main(["gone"]),
        result.main([]),
    ]
    captured = capsys.readouterr()
    assert (codes, captured.out, captured.err) == (
        [0, 0, 1, 2],
        '{"json": [1, 2], "type": "builtins.tuple"}\n' * 2,
        f"there is no result at {tmp_path}/gone: No such file or directory\n"
        "usage: python -m flowyard.runtime.result STORAGE_KEY [SERIALIZER]\n",
    )
