"""Values on their way to a Docker task and back."""

from __future__ import annotations

import dataclasses
import datetime
import enum
import json
import uuid
import zoneinfo
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, SecretStr

from flowyard.runtime.storage import Folder, Storage
from flowyard.runtime.tasks import frames
from flowyard.runtime.tasks.errors import StorageFailed
from flowyard.runtime.tasks.storage import open_storage, sweep_folder
from flowyard.runtime.tasks.trees import MARK, NotSerialisable, is_plain
from flowyard.runtime.tasks.values import Values, fingerprint, is_reference


class Colour(enum.Enum):
    RED = 1


class Access(enum.Flag):
    READ = 1
    WRITE = 2


@dataclasses.dataclass(frozen=True)
class Point:
    x: float
    y: float = 0.0


ORIGIN = Point(0.0)


class Order(BaseModel):
    number: int
    at: datetime.date
    points: list[Point] = []


ROUND_TRIPS = [
    None,
    True,
    "text",
    [1, {"a": None}],
    {MARK: "not ours"},
    {1: "a", (2, 3): "b"},
    (1, [2, (3,)]),
    {1, 2},
    frozenset({"a"}),
    b"short",
    b"\x00" * (frames.BYTES + 1),
    bytearray(b"ab"),
    float("inf"),
    1 + 2j,
    datetime.datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"), fold=1),
    datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC),
    datetime.date(2026, 1, 1),
    datetime.time(1, 2),
    datetime.timedelta(days=-1, microseconds=3),
    Decimal("1.10"),
    uuid.UUID(int=7),
    Path("a/b"),
    Colour.RED,
    Access.READ,
    Access.READ | Access.WRITE,
    Access(0),
    Point(1.5, 2.5),
    Order(number=1, at=datetime.date(2026, 1, 1), points=[Point(1.0)]),
    {"deep": [Order(number=2, at=datetime.date(2026, 1, 2)), (Colour.RED, b"x")]},
]


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Folder(tmp_path)


@pytest.fixture
def values(storage: Storage) -> Values:
    return Values(storage, limit=1 << 20)


def test_files_by_key(storage: Storage) -> None:
    assert not storage.has("values/a")
    with pytest.raises(FileNotFoundError):
        storage.read("values/a")
    with pytest.raises(FileNotFoundError), storage.fetched("values/a"):
        pass
    storage.put("values/a", b"some bytes")
    assert (storage.has("values/a"), storage.read("values/a")) == (True, b"some bytes")
    source = storage.scratch() / "test-part"
    source.write_bytes(b"more bytes")
    storage.put("values/b", source)
    with storage.fetched("values/b") as path:
        assert path.read_bytes() == b"more bytes"
    source.unlink(missing_ok=True)


@pytest.mark.parametrize("address", ["", "ftp://elsewhere", "file://host/folder"])
def test_without_a_storage_nothing_can_travel(address: str) -> None:
    with pytest.raises(StorageFailed, match="Docker tasks need a result storage"):
        open_storage({"FLOWYARD_RESULTS": address})


@pytest.mark.parametrize("value", ROUND_TRIPS, ids=lambda value: type(value).__name__)
def test_a_value_comes_back_as_it_is(values: Values, value: Any) -> None:
    tree = json.loads(json.dumps(values.tree(value, "value")))
    found = values.value(tree)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("name", [None, "value", "amount", "", 5, ("a", "b")])
def test_a_series_keeps_its_name_or_that_it_has_none(name: Any) -> None:
    column, notes = frames.as_column(name)
    assert column is not None  # a file of columns has a name for each
    assert frames.of_column(column, {b"pandas": b"{}", **notes}) == name


def test_a_zone_is_kept_by_name(values: Values) -> None:
    moment = datetime.datetime(2026, 10, 25, 2, 30, tzinfo=zoneinfo.ZoneInfo("Europe/Paris"), fold=1)
    found = values.value(values.tree(moment, "value"))
    assert (str(found.tzinfo), found.fold) == ("Europe/Paris", 1)


def test_plain_values_travel_as_they_are_and_others_by_reference(values: Values) -> None:
    assert values.argument({"a": [1, None]}, "value", room=100) == {"a": [1, None]}
    for value in ("x" * 200, (1, 2), {MARK: 1}, Point(1.0)):
        argument = values.argument(value, "value", room=100)
        assert is_reference(argument)
        assert values.brought_in(argument) == value
    assert not is_plain({MARK: 1})


def test_equal_content_has_one_file(tmp_path: Path) -> None:
    values = Values(Folder(tmp_path))
    first = values.argument(b"\x01" * 100_000, "value", room=0)
    second = values.argument(b"\x01" * 100_000, "value", room=0)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (first, len(files)) == (second, 2)  # the bytes, and the document that names them
    assert (first["type"], first["size"] > 100_000) == ("builtins.bytes", True)


def test_sets_have_one_order(values: Values) -> None:
    first = {"value": values.tree({"x", "y", "z"}, "value")}
    second = {"value": values.tree({"z", "y", "x"}, "value")}
    assert fingerprint(first) == fingerprint(second)


def recursive() -> Any:
    value: list[Any] = []
    value.append(value)
    return value


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: {"a": [1, object()]}, "value['a'][1] is a builtins.object: neither JSON nor a model"),
        (lambda: len, "value is a builtins.builtin_function_or_method"),
        (lambda: SecretStr("hidden"), "value is a pydantic.types.SecretStr"),
        (recursive, "value holds itself, or is too deep"),
        (
            lambda: b"\x00" * (1 << 21),
            "value cannot be written: it is 2097152 bytes, and 1048576 are allowed",
        ),
    ],
)
def test_what_cannot_travel_is_named(values: Values, make: Callable[[], Any], text: str) -> None:
    with pytest.raises(NotSerialisable) as caught:
        values.tree(make(), "value")
    assert str(caught.value).startswith(text)
    assert "hidden" not in str(caught.value)


def test_pickling_is_only_done_on_purpose(values: Values) -> None:
    tree = values.tree(complex, "value", pickle=True)
    assert values.value(tree, pickle=True) is complex
    with pytest.raises(frames.CannotRead, match="was pickled, and its caller does not allow that"):
        values.value(tree)


def test_an_argument_is_unpickled_when_the_call_itself_says_so(values: Values) -> None:
    argument = values.argument([complex], "value", room=100, pickle=True)
    assert values.brought_in(argument) == [complex]
    with pytest.raises(frames.CannotRead, match="was pickled"):
        values.brought_in({name: each for name, each in argument.items() if name != "pickle"})
    assert "pickle" not in values.argument((1, 2), "value", room=100, pickle=True)


def test_a_class_that_is_not_here(values: Values) -> None:
    tree = {MARK: "object", "type": "elsewhere:Order", "value": {"number": 1}}
    assert values.value(tree, loose=True) == {"number": 1}
    with pytest.raises(frames.CannotRead, match=r"elsewhere\.Order, which cannot be imported here"):
        values.value(tree)


HERE = f"{__name__}:"


@pytest.mark.parametrize("loose", [False, True])
@pytest.mark.parametrize(
    ("name", "type", "value", "text"),
    [
        ("enum", f"{HERE}Colour", "BLUE", r"is 'BLUE' of .*Colour, which has here only RED"),
        ("enum", f"{HERE}Access", "READ|WRITE", "which has here only READ, WRITE"),
        ("flags", f"{HERE}Access", "all", "which has here only READ, WRITE"),
        ("enum", "os:environ", "PATH", r"was written as a os\.environ, which here is no enumeration"),
        ("flags", "builtins:eval", "1", "which here is no enumeration"),
        ("object", "subprocess:Popen", {"args": "true"}, "which here is no model or dataclass"),
        ("object", f"{HERE}ORIGIN", {"x": 1.0}, "which here is no model or dataclass"),
    ],
)
def test_a_value_is_made_of_what_it_is_said_to_be_only(
    values: Values, loose: bool, name: str, type: str, value: Any, text: str
) -> None:
    with pytest.raises(frames.CannotRead, match=text):
        values.value({MARK: name, "type": type, "value": value}, loose=loose)


def test_a_model_is_checked_where_it_arrives(values: Values) -> None:
    tree = values.tree(Order(number=1, at=datetime.date(2026, 1, 1)), "value")
    tree["value"]["number"] = "many"
    with pytest.raises(ValueError, match="number"):
        values.value(tree)


def test_a_file_that_was_changed_is_not_read(tmp_path: Path) -> None:
    values = Values(Folder(tmp_path))
    argument = values.argument(b"\x01" * 100_000, "value", room=0)
    large = max(
        (path for path in tmp_path.rglob("*") if path.is_file()), key=lambda path: path.stat().st_size
    )
    large.write_bytes(b"\x02" * 100_000)
    with pytest.raises(frames.CannotRead, match="not what was written"):
        values.brought_in(argument)


def test_old_files_are_removed_once_an_hour(tmp_path: Path) -> None:
    storage = Folder(tmp_path)
    storage.put("values/old", b"1")
    now = (tmp_path / "values/old").stat().st_mtime
    assert sweep_folder(tmp_path, 7, now + 8 * 86400) == 1
    storage.put("values/new", b"1")
    assert sweep_folder(tmp_path, 7, now + 8 * 86400) == 0
    assert storage.has("values/new")
    assert not storage.has("values/old")
