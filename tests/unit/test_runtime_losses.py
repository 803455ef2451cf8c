"""What a parameter schema would misrepresent: each an error that names parameter, line and remedy."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from flowyard.runtime.failures import CheckError
from tests.signatures import SIGNATURE

pytest_plugins = ("tests.signatures",)

NO_SECRET = "a secret has no place in a schema; use None and load it inside the flow, from a Secret block"
NAMEABLE = (
    "give an enum's members a text or a number as their value, and annotate with the enum, "
    "not with a Literal of its members"
)


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
        ("x: Limits", "takes a model with a default that JSON does not have, NaN or infinity: use None"),
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


def test_every_lossy_parameter_is_named_at_once(describe: Any) -> None:
    with pytest.raises(CheckError) as caught:
        describe("a: str = None, b: int = 1, *c")
    assert [part.split(" ")[0] for part in caught.value.message.split("parameter ")[1:]] == ["'a'", "'c'"]
