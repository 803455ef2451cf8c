"""The called side: what it stores for its caller, and what it does not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flowyard.runtime.storage import Folder
from flowyard.runtime.tasks.calls import Arguments, Options, prepare
from flowyard.runtime.tasks.child import Keeper, outcome_key
from flowyard.runtime.tasks.errors import ArgumentNotSerialisable, BadSetting, ResultNotSerialisable
from flowyard.runtime.tasks.values import INLINE, LIMIT_ENV, is_reference
from tests.fakes_calls import FakeRuns


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    return Keeper(Folder(tmp_path), "run", lambda: False)


@pytest.mark.parametrize(
    "value",
    [b"\x00" * 200_000, "x" * 200_000, ["y" * 50_000] * 3, [b"\x00" * 70_000, b"\x01" * 70_000]],
    ids=["one part", "text", "document", "two parts"],
)
def test_the_limit_holds_for_what_is_returned_and_for_arguments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, keeper: Keeper, value: Any
) -> None:
    monkeypatch.setenv(LIMIT_ENV, "100000")
    with pytest.raises(ResultNotSerialisable, match=rf"^the result.* bytes, and 100000 are .*{LIMIT_ENV}"):
        keeper.returned(value)
    assert not keeper.storage.has(outcome_key("run"))
    place = FakeRuns(Folder(tmp_path)).place
    with pytest.raises(ArgumentNotSerialisable, match="bytes, and 100000 are allowed"):
        prepare(place, "clean", Options(), Arguments((value,), {}))


def test_what_is_within_the_limit_is_stored(monkeypatch: pytest.MonkeyPatch, keeper: Keeper) -> None:
    monkeypatch.setenv(LIMIT_ENV, "300000")
    keeper.returned("x" * 200_000)
    assert json.loads(keeper.storage.read(outcome_key("run"))) == {"flowyard": 1, "value": "x" * 200_000}
    monkeypatch.setenv(LIMIT_ENV, "much")
    with pytest.raises(BadSetting, match=f"{LIMIT_ENV} is 'much'"):
        keeper.returned(1)


def test_the_arguments_of_a_call_have_room_for_as_much_json_as_they_are(tmp_path: Path) -> None:
    """A letter that JSON has no single byte for takes six of them."""
    runs = FakeRuns(Folder(tmp_path), schema=schema_of("a", "b", "c"))
    text = "é" * (INLINE // 6 // 2 - 100)
    call = prepare(runs.place, "clean", Options(), Arguments((text, text, text), {}))
    assert [is_reference(call.arguments[name]) for name in "abc"] == [False, False, True]
    assert sum(len(json.dumps(call.arguments[name])) for name in "ab") <= INLINE


def schema_of(*names: str) -> dict[str, Any]:
    """The schema of a flow with these parameters."""
    return {"type": "object", "properties": {name: {"position": at} for at, name in enumerate(names)}}
