"""Describes the parameters of a flow that a test writes as a signature. A pytest plugin of the modules that use it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from flowyard.runtime.load import find_flow, load_module
from flowyard.runtime.parameters import Parameters, describe_parameters

KINDS = Path(__file__).with_name("flow_kinds.py").read_text("utf-8")
HEADER = "\nfrom tests.flow_kinds import *\n"  # their models are made once
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
