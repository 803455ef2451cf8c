"""What a ship writes into the environment of runs is what the image's runtime part reads there."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.registering import deployment
from flowyard.registering import pins as registered
from flowyard.runtime.tasks import child, pins, storage
from flowyard.runtime.tasks.errors import BadSetting
from flowyard.work_pools import environment


def test_both_sides_have_the_same_names() -> None:
    assert deployment.PINS_ENV == pins.ENV
    assert registered.PINNED_ENV == pins.CHILD_ENV
    assert environment.RESULTS_ENV == storage.RESULTS
    # Read where no other module may be imported, so the names stand there as they are.
    runtime = Path(child.__file__).parents[1]
    for name, file in ((environment.KEEP_ENV, "start.py"), (environment.RESULTS_ENV, "flows.py")):
        assert f'"{name}"' in (runtime / file).read_text()


@pytest.mark.parametrize("rule", ['"PREFECT__FLOW_RUN_ID"', "GRACE = 8.0", 'get_logger("docker_task")'])
def test_a_rule_of_the_runtime_part_is_written_once(rule: str) -> None:
    runtime = Path(child.__file__).parents[1]
    assert len([path for path in runtime.rglob("*.py") if rule in path.read_text()]) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"clean": {"default": {}}}', '{"clean": 1}'])
def test_pins_that_no_ship_has_written_are_told_of(text: str) -> None:
    with pytest.raises(BadSetting, match=r"FLOWYARD_DOCKER_TASKS is .*: ship this flow again"):
        pins.read({pins.ENV: text})


def test_days_that_are_no_number_are_told_of_and_nothing_is_removed(tmp_path: Path) -> None:
    folder = tmp_path / storage.PREFIX
    folder.mkdir()
    (folder / "old").touch()
    with pytest.raises(BadSetting, match="FLOWYARD_DOCKER_TASKS_KEPT_DAYS is 'a week'"):
        storage.sweep({storage.RESULTS: tmp_path.as_uri(), storage.KEPT_DAYS_ENV: "a week"})
    assert [path.name for path in folder.iterdir()] == ["old"]
