"""Annotated: constraints, descriptions, validators, examples, nested aliases."""

from typing import Annotated

import annotated_types
from prefect import flow
from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from seen import seen

Short = Annotated[str, Field(max_length=3)]
Percent = Annotated[int, Field(ge=0, le=100, description="From 0 to 100.", examples=[50])]


def doubled(value: int) -> int:
    return 2 * value


@flow
def annotated(
    code: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$", strip_whitespace=True)],
    share: Percent = 50,
    few: Annotated[list[Short], annotated_types.Len(1, 2)] = ["a"],
    named: Annotated[int, Field(title="How many", deprecated=True)] = 1,
    both: Annotated[Annotated[int, Field(ge=1)], Field(le=5)] = 2,
    twice: Annotated[int, AfterValidator(doubled)] = 4,
    listed: Annotated[list[str], BeforeValidator(lambda v: v.split(",") if isinstance(v, str) else v)] = ["x"],
    extra: Annotated[str, Field(json_schema_extra={"x-unit": "kg"})] = "1",
    plain: Annotated[int, "a note"] = 3,
):
    return seen(locals())
