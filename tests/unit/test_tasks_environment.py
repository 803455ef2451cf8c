"""What a ship writes into the environment of runs is what the image's runtime part reads there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flowyard.runtime import contract, names
from flowyard.runtime.names import PINS_ENV, RESULTS_ENV
from flowyard.runtime.tasks import child, pins, storage
from flowyard.runtime.tasks.errors import BadSetting

PACKAGE = Path(names.__file__).parents[1]
BY_PATH = {"KEEP_ENV": "runtime/start.py", "STARTED": "runtime/start.py"}  # of what is run by its path


def test_what_both_sides_name_is_written_once() -> None:
    texts = {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in PACKAGE.rglob("*.py")}
    said = {name: str(getattr(names, name)) for name in names.__all__}
    # Without our own name in it one may be written elsewhere and mean another thing, as "default" does.
    ours = {name: value for name, value in said.items() if "flowyard" in value.lower()}
    found = {
        name: [file for file, text in texts.items() if re.search(rf"""["']{value}["']""", text)]
        for name, value in ours.items()
    }
    assert len(found) > 10
    assert sorted(found.pop("LIB")) == ["runtime/contract.py", "runtime/names.py"]
    assert contract.LIB == names.LIB
    assert found == {name: [BY_PATH.get(name, "runtime/names.py")] for name in found}


@pytest.mark.parametrize("rule", ['"PREFECT__FLOW_RUN_ID"', "GRACE = 8.0", 'get_logger("docker_task")'])
def test_a_rule_of_the_runtime_part_is_written_once(rule: str) -> None:
    runtime = Path(child.__file__).parents[1]
    assert len([path for path in runtime.rglob("*.py") if rule in path.read_text()]) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"clean": {"default": {}}}', '{"clean": 1}'])
def test_pins_that_no_ship_has_written_are_told_of(text: str) -> None:
    with pytest.raises(BadSetting, match=r"FLOWYARD_DOCKER_TASKS is .*: ship this flow again"):
        pins.read({PINS_ENV: text})


def test_days_that_are_no_number_are_told_of_and_nothing_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / storage.PREFIX
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(BadSetting, match="FLOWYARD_DOCKER_TASKS_KEPT_DAYS is 'a week'"):
        storage.sweep({RESULTS_ENV: tmp_path.as_uri(), storage.KEPT_DAYS_ENV: "a week"})
    assert [path.name for path in folder.iterdir()] == ["old"]
