"""Loading: what a right configuration becomes, and what is said about a wrong one, exactly."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from flowyard.errors import ConfigurationError, UsageError
from flowyard.load import find_root, flow_folders, load
from flowyard.values import (
    BaseImage,
    BuildSecret,
    Dependencies,
    DeploymentSpec,
    Flow,
    PrefectChoice,
    Project,
    Resources,
    Schedule,
    Target,
)
from tests.golden_files import GOLDEN, compare
from tests.support import BASE_DIGEST, FLOW, MINIMAL, write_files
from tests.unit.configuration_mistakes import HELLO, MISTAKES, registry

MESSAGES = GOLDEN / "configuration"


def problems(root: Path, files: Mapping[str, str | bytes | None]) -> tuple[str, ...]:
    write_files(root, MINIMAL)
    if "flows" in files:
        shutil.rmtree(root / "flows")
    write_files(root, {name: content for name, content in files.items() if (root / name).parent.exists() or content})
    with pytest.raises(ConfigurationError) as caught:
        load(root)
    return tuple(str(problem) for problem in caught.value.problems)


def test_every_mistake_is_answered_exactly(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    text = ""
    for number, (name, files) in enumerate(MISTAKES.items()):
        found = problems(tmp_path / str(number), files)
        text += "\n".join([f"# {name}", *found, "", ""])
    compare(MESSAGES, {"messages.txt": text}, update=request.config.getoption("--update-golden"))
