"""Prefect's parameter schema against the code: what is kept is described, what would be lost is an error."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from flowyard.runtime.defaults import same
from flowyard.runtime.failures import CheckError
from flowyard.runtime.load import find_flow, load_module
from flowyard.runtime.parameters import Parameters, describe_parameters

NO_SECRET = "a secret has no place in a schema; use None and load it inside the flow, from a Secret block"
NAMEABLE = (
    "give an enum's members a text or a number as their value, and annotate with the enum, "
    "not with a Literal of its members"
)
HEADER = """
import datetime, decimal, enum, pathlib, uuid
from dataclasses import dataclass
from typing import Annotated, Any, Callable, Dict, List, Literal, Optional, Sequence, Set, Tuple, Union
from pydantic import AfterValidator, BaseModel, Field, SecretStr
from prefect import flow

class Colour(enum.Enum):
    RED = "red"

class Level(enum.IntEnum):
    LOW = 1

class Model(BaseModel):
    number: int = 1
    colour: Colour = Colour.RED

class Special(Model):
    extra: int = 1

class Holder(BaseModel):
    token: SecretStr = SecretStr("t")

class Pair(enum.Enum):
    ONE = (1, 2)

class Node(BaseModel):
    token: Optional[SecretStr] = None
    next: "Optional[Node]" = None

def even(value):
    return value if value % 2 == 0 else 1 / 0

@dataclass
class Data:
    day: datetime.date = datetime.date(2020, 1, 1)

class Frame:
    pass

@dataclass
class Box:
    frame: Frame
"""
SIGNATURE = HEADER.count("\n") + 4  # the line of `def etl(`: two empty ones and the decorator come before


@pytest.fixture
def describe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Describe the parameters of a flow written as the signature of `etl`."""
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DO_NOT_TRACK", "1")
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(signature: str, header: str = HEADER, decorator: str = "@flow") -> Parameters:
        name = f"parameters_{tmp_path.name}"
        source = f"{header}\n\n{decorator}\ndef etl({signature}): ...\n"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        module = load_module(str(tmp_path), f"{name}.py")
        return describe_parameters(find_flow(module, "flow.py", "etl", "etl")[1], f"{name}.py")

    return run


@pytest.mark.parametrize(
    ("signature", "expected"),
    [
        ("x", {"position": 0, "title": "x"}),
        ("x: Any", {"position": 0, "title": "x"}),
        ("x: int", {"position": 0, "title": "x", "type": "integer"}),
        ("x: int = '5'", {"default": "5", "position": 0, "title": "x", "type": "integer"}),
        ("x: float = 1", {"default": 1, "position": 0, "title": "x", "type": "number"}),
        ("x=(None)", {"default": None, "position": 0, "title": "x"}),
        (
            "x: Optional[str] = None",
            {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "position": 0, "title": "x"},
        ),
        (
            "x: Union[int, str] = 'a'",
            {"anyOf": [{"type": "integer"}, {"type": "string"}], "default": "a", "position": 0, "title": "x"},
        ),
        (
            "x: datetime.datetime = datetime.datetime(2020, 1, 1)",
            {"default": "2020-01-01T00:00:00", "format": "date-time", "position": 0, "title": "x"}
            | {"type": "string"},
        ),
        (
            "x: datetime.timedelta = datetime.timedelta(hours=1)",
            {"default": "PT1H", "format": "duration", "position": 0, "title": "x", "type": "string"},
        ),
        (
            "x: pathlib.Path = pathlib.Path('a')",
            {"default": "a", "format": "path", "position": 0, "title": "x", "type": "string"},
        ),
        (
            "x: Literal['a', 'b'] = 'a'",
            {"default": "a", "enum": ["a", "b"], "position": 0, "title": "x", "type": "string"},
        ),
        (
            "x: SecretStr",
            {"format": "password", "position": 0, "title": "x", "type": "string", "writeOnly": True},
        ),
        (
            "x: Annotated[int, Field(ge=1)] = 3",
            {"default": 3, "minimum": 1, "position": 0, "title": "x", "type": "integer"},
        ),
        (
            "x: int = Field(3, description='how many')",
            {"default": 3, "description": "how many", "position": 0, "title": "x", "type": "integer"},
        ),
        (
            "x: Sequence[str] = ('a',)",
            {"default": ["a"], "items": {"type": "string"}, "position": 0, "title": "x", "type": "array"},
        ),
        (
            "x: Dict[int, int] = {1: 2}",
            {"additionalProperties": {"type": "integer"}, "default": {"1": 2}, "position": 0, "title": "x"}
            | {"type": "object"},
        ),
        (
            "x: Colour = Colour.RED",
            {"$ref": "#/definitions/Colour", "default": "red"} | {"position": 0, "title": "x"},
        ),
        ("x: Level = Level.LOW", {"$ref": "#/definitions/Level", "default": 1, "position": 0, "title": "x"}),
        (
            "x: Model = Model(number=2)",
            {"$ref": "#/definitions/Model", "default": {"colour": "red", "number": 2}}
            | {"position": 0, "title": "x"},
        ),
        (
            "x: Data = Data()",
            {"$ref": "#/definitions/Data", "default": {"day": "2020-01-01"}, "position": 0, "title": "x"},
        ),
    ],
)
def test_what_json_can_say_is_kept(describe: Any, signature: str, expected: dict[str, Any]) -> None:
    described = describe(signature)
    assert (described.schema["properties"]["x"], described.types) == (expected, [])


def test_names_of_pydantic_methods_are_parameters_like_any_other(describe: Any) -> None:
    schema = describe("copy: int, json: str = 'a'").schema
    assert (sorted(schema["properties"]), schema["required"]) == (["copy", "json"], ["copy"])


@pytest.mark.parametrize(
    ("signature", "shown", "types"),
    [
        ("x: Frame", "{module}.Frame", ["{module}.Frame"]),
        ("x: Optional[Frame] = None", "{module}.Frame", ["{module}.Frame"]),
        ("x: Annotated[Optional[Frame], 'big'] = None", "{module}.Frame", ["{module}.Frame"]),
        ("x: Dict[str, Frame]", "typing.Dict[str, {module}.Frame]", ["{module}.Frame"]),
        ("x: Box", "{module}.Box", ["{module}.Box"]),
        ("x: Callable[[int], int]", "typing.Callable[[int], int]", ["typing.Callable[[int], int]"]),
        ("x: range", "range", ["range"]),
    ],
)
def test_a_type_without_a_schema_is_named(
    describe: Any, signature: str, shown: str, types: list[str]
) -> None:
    described = describe(signature)
    kind = described.schema["properties"]["x"]["x-flowyard-type"]
    module = described.types[0].split(".")[0]
    assert (kind, described.types) == (
        shown.format(module=module),
        [each.format(module=module) for each in types],
    )


def test_a_public_name_is_preferred(describe: Any) -> None:
    header = HEADER + "import email.message, email, sys\nemail.Message = email.message.Message\n"
    assert describe("x: email.message.Message", header).types == ["email.Message"]


@pytest.mark.parametrize(
    ("signature", "loss"),
    [
        ("*x", "collects any number of arguments, which a run cannot be given: name each parameter"),
        (
            "**x: int",
            "(int) collects any number of arguments, which a run cannot be given: name each parameter",
        ),
        (
            "x: str = None",
            "(str) has the default None, which does not fit its annotation: write `Optional[...]`",
        ),
        (
            "x: bytes = b'\\xff'",
            "(bytes) has the default b'\\xff', which has no JSON form: "
            "use None and make the value inside the flow",
        ),
        (
            "x: float = float('nan')",
            "(float) has the default nan, which has no JSON form: use None and make the value inside the flow",
        ),
        ("x=(1, 2)", "would get [1, 2] for its default (1, 2): annotate it with its type"),
        ("x=Level.LOW", "would get 1 for its default <Level.LOW: 1>: annotate it with its type"),
        (
            "x: SecretStr = SecretStr('s')",
            f"(pydantic.SecretStr) has a secret in its default: {NO_SECRET}",
        ),
        (
            "x: Holder = Holder()",
            f"has a secret in its default: {NO_SECRET}",
        ),
        ("x: SecretStr = 's'", f"(pydantic.SecretStr) has a secret in its default: {NO_SECRET}"),
        ("x: List[SecretStr] = ['s']", f"has a secret in its default: {NO_SECRET}"),
        ("x: Optional[Dict[str, SecretStr]] = {'a': 's'}", f"has a secret in its default: {NO_SECRET}"),
        ("x: Tuple[int, SecretStr] = (1, 's')", f"has a secret in its default: {NO_SECRET}"),
        (
            "x: Optional[List[Holder]] = None",
            "takes a model with a secret in the default of Holder.token: make the field required or None; "
            "a secret has no place in a schema",
        ),
        (
            "x: Dict[str, Pair]",
            f"takes values that JSON cannot name (Pair.ONE): {NAMEABLE}",
        ),
        (
            "x: Literal['a', b'c', Colour.RED] = 'a'",
            f"takes values that JSON cannot name (b'c', Colour.RED): {NAMEABLE}",
        ),
        (
            "x: Optional[Dict[Level, int]] = None",
            "takes a mapping whose keys are never text, as all keys in JSON are: use a StrEnum or str",
        ),
        (
            "x: Annotated[int, AfterValidator(even)] = 3",
            "has the default 3, which does not fit its annotation (ZeroDivisionError: division by zero): "
            "change the default or the annotation",
        ),
        (
            "x: Union[int, Frame] = Frame()",
            "Frame has no JSON form: use None and make the value inside the flow",
        ),
        (
            "x: Model = Special()",
            "would get Model(number=1, colour=<Colour.RED: 'red'>) for its default "
            "Special(number=1, colour=<Colour.RED: 'red'>, extra=1): "
            "use None and make the value inside the flow",
        ),
        ("x: Frame = None", "has the default None, which does not fit its annotation: write `Optional[...]`"),
        (
            "x: Frame = Frame()",
            "Frame has no JSON form: use None and make the value inside the flow",
        ),
        (
            "x: int = Field(3, ge=1)",
            "(int) would lose 'minimum' (1) in Prefect's schema: write the constraint into the annotation, "
            "as in `Annotated[int, Field(ge=1)] = 3`",
        ),
        (
            "x: list = Field(default_factory=list)",
            "(list) has a default that Prefect's schema drops: give the value itself, not a factory",
        ),
        (
            "x: 'Missing' = 3",
            "(Missing) has an annotation that cannot be evaluated (NameError: name 'Missing' is not defined)"
            ": import its names at module level, outside `if TYPE_CHECKING:`",
        ),
    ],
)
def test_what_would_be_lost_is_an_error(describe: Any, signature: str, loss: str) -> None:
    with pytest.raises(CheckError) as caught:
        describe(signature)
    assert caught.value.kind == "lossy-parameter"
    message = caught.value.message
    assert message.startswith(f"flow 'etl' in {caught.value.file}: parameter 'x' ")
    assert message.replace(f" on line {SIGNATURE} ", " ").endswith(loss)
    assert f" on line {SIGNATURE} " in message


@pytest.mark.parametrize(
    "signature",
    ["x: SecretStr", "x: Optional[SecretStr] = None", "x: Dict[str, SecretStr] = {}", "x: Node = Node()"],
)
def test_a_secret_without_a_value_is_described(describe: Any, signature: str) -> None:
    assert list(describe(signature).schema["properties"]) == ["x"]


def test_every_parameter_is_named_with_its_own_line(describe: Any) -> None:
    with pytest.raises(CheckError) as caught:
        describe("\n    first: str = None,  # one\n    *rest: int,\n    last=(1, 2),\n")
    file = caught.value.file
    assert caught.value.message == (
        f"flow 'etl' in {file}: parameter 'first' (str) on line {SIGNATURE + 1} has the default None, which does "
        f"not fit its annotation: write `Optional[...]`; parameter 'rest' (int) on line {SIGNATURE + 2} collects "
        "any number of arguments, which a run cannot be given: name each parameter; parameter 'last' on line "
        f"{SIGNATURE + 3} would get [1, 2] for its default (1, 2): annotate it with its type"
    )


def test_a_function_of_another_file_is_named_with_it(
    describe: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parameters_elsewhere.py").write_text("def _run(*days): ...\n", encoding="utf-8")
    header = "from prefect import flow\nfrom parameters_elsewhere import _run\n"
    monkeypatch.delitem(sys.modules, "parameters_elsewhere", raising=False)
    with pytest.raises(CheckError) as caught:
        describe("", header + "etl = flow(_run)\n\n\ndef other(): ...\n", "@(lambda _: etl)")
    assert ": parameter 'days' on line 1 of parameters_elsewhere.py collects" in caught.value.message


def test_what_prefect_drops_of_an_annotation_is_put_back(describe: Any) -> None:
    signature = "x: Annotated[int, Field(title='How many', description='Of all.', ge=1)] = 3"
    assert describe(signature).schema["properties"]["x"] == {
        "default": 3,
        "description": "Of all.",
        "minimum": 1,
        "position": 0,
        "title": "How many",
        "type": "integer",
    }


def test_a_default_with_json_in_a_union_with_a_type_without_is_kept(describe: Any) -> None:
    described = describe("x: Union[int, Frame] = 3")
    assert described.schema["properties"]["x"]["default"] == 3
    assert [name.rsplit(".")[-1] for name in described.types] == ["Frame"]


def test_no_address_of_an_object_gets_into_a_type(describe: Any) -> None:
    shown = describe("x: List[Annotated[Frame, even]]").schema["properties"]["x"]["x-flowyard-type"]
    assert shown.endswith("Frame, <function even>]]")


def test_every_lossy_parameter_is_named_at_once(describe: Any) -> None:
    with pytest.raises(CheckError) as caught:
        describe("a: str = None, b: int = 1, *c")
    assert [part.split(" ")[0] for part in caught.value.message.split("parameter ")[1:]] == ["'a'", "'c'"]


def test_postponed_annotations_are_read_like_others(describe: Any) -> None:
    described = describe(
        "day: datetime.date, x: Optional[Model] = None", "from __future__ import annotations" + HEADER
    )
    assert described.schema["properties"]["day"] == {
        "format": "date",
        "position": 0,
        "title": "day",
        "type": "string",
    }


@pytest.mark.parametrize(
    ("left", "right", "exact", "expected"),
    [
        (1, 1.0, False, True),
        (1, 1.0, True, False),
        ([1], (1,), False, True),
        ([1], (1,), True, False),
        ({1}, frozenset({1}), False, True),
        (1, "1", False, False),
        (float("nan"), float("nan"), False, False),
    ],
)
def test_sameness(left: Any, right: Any, exact: bool, expected: bool) -> None:
    assert same(left, right, exact=exact) is expected
