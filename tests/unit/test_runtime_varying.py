"""Defaults that are another value at every import are found, and nothing that is a constant is taken for one."""

from __future__ import annotations

import datetime
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flowyard.runtime import inside
from flowyard.runtime.describe import judged
from flowyard.runtime.description import Progress
from flowyard.runtime.failures import CheckError
from tests.own_modules import own_modules

pytest_plugins = ("tests.signatures",)

HEADER = """
import datetime
import itertools
import random
import time
import uuid
from datetime import date
from time import strftime
from typing import List, Optional
from uuid import UUID, uuid4
import datetime as dt
from dataclasses import dataclass, field
from prefect import flow
from pydantic import BaseModel, Field

TODAY = date.today()
WEEK = [TODAY, TODAY + datetime.timedelta(7)]
START = datetime.date(2020, 1, 1)
RELEASE = max(START, min(date.today(), date(2021, 1, 1)))
FEW = random.Random(3)
NUMBERS = itertools.count()
random.seed(7)
SEEDED = random.random()
STEP = 1
FIRST = date(2020, 1, STEP)
class Window(BaseModel):
    since: datetime.date = Field(default_factory=lambda: date.today())
    length: int = 3
class Ticket(BaseModel):
    id: UUID = Field(default_factory=uuid4)
class Plain(BaseModel):
    when: datetime.date = date(2020, 1, 1)
@dataclass
class Stamp:
    at: float = field(default_factory=time.time)
def yesterday():
    return back(1)
def back(days):
    return date.today() - datetime.timedelta(days)
def fixed():
    return datetime.datetime.fromisoformat("2020-01-01")
def age(day: date):
    return "new" if isinstance(day, date) and day > date(1970, 1, 1) else "old"
"""
TIME = "depends on the time of the import"


@pytest.mark.parametrize(
    "signature",
    [
        "x: datetime.datetime = datetime.datetime.now()",
        "x: datetime.date = date.today()",
        "x: datetime.date = dt.date.today()",
        "x: int = date.today().year",
        "x: str = strftime('%Y-%m-%d')",
        "x: float = time.time()",
        "x: str = f'{datetime.datetime.now(datetime.timezone.utc):%Y-%m}'",
        "x: datetime.date = yesterday()",
        "x: datetime.date = TODAY",
        "x: List[datetime.date] = WEEK",
        "*, x: Optional[datetime.date] = date.today()",
        "x: Window = Window()",
        "x: str = time.ctime()",
        "x: int = time.gmtime().tm_year",
        "x: int = time.time_ns()",
        "x: datetime.datetime = datetime.datetime.utcnow()",
        "x: datetime.datetime = datetime.datetime.today()",
        "x: datetime.date = Field(date.today())",
        "x=date.today()",
    ],
)
def test_the_time_of_the_import(describe: Any, signature: str) -> None:
    with pytest.raises(CheckError) as caught:
        describe(signature, HEADER)
    assert caught.value.kind == "lossy-parameter"
    line = HEADER.count("\n") + 4
    assert "parameter 'x'" in caught.value.message
    assert f"on line {line} has a default that {TIME} (" in caught.value.message
    assert caught.value.message.endswith(" at another time): use None and make the value inside the flow")


@pytest.mark.parametrize(
    "signature",
    [
        "x: UUID = uuid4()",
        "x: UUID = uuid.uuid1()",
        "x: float = random.random()",
        "x: int = random.randint(0, 10**9)",
        "x: Ticket = Ticket()",
        "x: Stamp = Stamp()",
    ],
)
def test_a_doubtful_one_is_left_to_a_second_import(describe: Any, signature: str) -> None:
    shown = signature.partition(": ")[2].partition(" ")[0]
    (doubt,) = describe(signature, HEADER).doubtful.items()
    assert doubt[0] == "x"
    assert f"{shown}) on line " in doubt[1]


@pytest.mark.parametrize(
    "signature",
    [
        "x: datetime.date = START",
        "x: datetime.date = RELEASE",
        "x: datetime.date = FIRST",
        "x: datetime.date = datetime.date(2020, 1, 1)",
        "x: datetime.datetime = fixed()",
        "x: UUID = UUID(int=3)",
        "x: int = next(NUMBERS)",
        "x: float = SEEDED",
        "x: Plain = Plain()",
        "x: str = age(date.today())",
        "x: str = ' '.join(['a', 'b'])",
        "x: Optional[UUID] = None",
        "x: float = 1.5",
        "x: int = Field(3, ge=1) if False else 3",
        "x: list = [each for each in 'ab']",
    ],
)
def test_constants(describe: Any, signature: str) -> None:
    described = describe(signature, HEADER)
    assert list(described.schema["properties"]) == ["x"]
    assert "SEEDED" in signature or described.doubtful == {}


def test_a_name_that_is_bound_again_is_left_alone(describe: Any) -> None:
    """What it was when the flow was defined is gone."""
    header = f"{HEADER}\nSTEP = 2\n"
    assert describe("x: datetime.date = FIRST", header).doubtful == {}
    assert describe("x: datetime.date = date(2020, 1, STEP)", header).doubtful == {}


def test_the_module_is_left_as_it_was(describe: Any, tmp_path: Path) -> None:
    with pytest.raises(CheckError):
        describe("x: datetime.date = TODAY, y: str = strftime('%Y')", HEADER)
    names = vars(sys.modules[f"parameters_{tmp_path.name}"])
    assert (names["date"], names["datetime"], names["time"], names["strftime"]) == (
        *(datetime.date, datetime, time),
        time.strftime,
    )
    assert names["WEEK"][0] is names["TODAY"]


FLOW = """import uuid
from prefect import flow


@flow
def etl(day: str = "today", ticket: uuid.UUID = {default}, other: uuid.UUID = uuid.uuid5({default}, "a")):
    pass
"""


@pytest.fixture
def imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """What the check finds in a flow with this default, each time as in a process of its own."""
    monkeypatch.chdir(tmp_path)
    python = ".".join(platform.python_version_tuple()[:2])
    words = ["--name", "etl", "--python", python, "--output", "description.json", "flow.py:etl"]

    def run(default: str) -> dict[str, Any]:
        (tmp_path / "flow.py").write_text(FLOW.format(default=default), encoding="utf-8")
        with own_modules(tmp_path):
            return inside.find(inside.parse("describe", words), Progress(tmp_path / "progress"))

    return run


def test_the_second_import_tells(imported: Callable[[str], dict[str, Any]]) -> None:
    first, second = imported("uuid.uuid4()"), imported("uuid.uuid4()")
    finding = judged(first, second)["finding"]
    ids = [
        [flow["parameter_schema"]["properties"][name]["default"] for name in ("ticket", "other")]
        for flow in (one["document"]["flows"][0] for one in (first, second))
    ]
    said = [
        f"flow 'etl' in flow.py: parameter {name!r} (uuid.UUID) on line 6 has a default that is another one at every "
        f"import ({ids[0][number]!r}, then {ids[1][number]!r})"
        for number, name in enumerate(("ticket", "other"))
    ]
    assert (finding["kind"], finding["file"], finding["message"]) == (
        "lossy-parameter",
        "flow.py",
        f"{'; '.join(said)}: use None and make the value inside the flow",
    )


def test_what_the_second_import_does_not_confirm_is_a_constant(
    imported: Callable[[str], dict[str, Any]],
) -> None:
    first = imported("uuid.uuid4()")
    assert len(first["doubtful"]) == 2
    assert judged(first, first) == first
    for nothing in (None, {"finding": {}, "traceback": ""}):
        assert judged(first, nothing) == first
