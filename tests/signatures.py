"""Describes the parameters of a flow that a test writes as a signature. A pytest plugin of the modules that use it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from flowyard.runtime.load import find_flow, load_module
from flowyard.runtime.parameters import Parameters, describe_parameters

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

class Limits(BaseModel):
    most: float = float("inf")

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
    monkeypatch.syspath_prepend(str(tmp_path))

    def run(signature: str, header: str = HEADER, decorator: str = "@flow") -> Parameters:
        name = f"parameters_{tmp_path.name}"
        source = f"{header}\n\n{decorator}\ndef etl({signature}): ...\n"
        (tmp_path / f"{name}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, name, raising=False)
        module = load_module(str(tmp_path), f"{name}.py")
        return describe_parameters(find_flow(module, "flow.py", "etl", "etl")[1], f"{name}.py")

    return run
