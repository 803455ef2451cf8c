"""Prefect's parameter schema against the code: what is kept is described, what it drops is put back."""

from __future__ import annotations

from typing import Any

import pytest

from flowyard.runtime.defaults import same
from tests.signatures import KINDS

pytest_plugins = ("tests.signatures",)


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
    described = describe(signature, KINDS)
    kind = described.schema["properties"]["x"]["x-flowyard-type"]
    module = described.types[0].split(".")[0]
    assert (kind, described.types) == (
        shown.format(module=module),
        [each.format(module=module) for each in types],
    )


def test_a_public_name_is_preferred(describe: Any) -> None:
    header = KINDS + "import email.message, email, sys\nemail.Message = email.message.Message\n"
    assert describe("x: email.message.Message", header).types == ["email.Message"]


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


def test_postponed_annotations_are_read_like_others(describe: Any) -> None:
    described = describe(
        "day: datetime.date, x: Optional[Model] = None", "from __future__ import annotations\n" + KINDS
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
