"""Which call is which, what it calls, with which arguments."""

from __future__ import annotations

import json
from typing import Any

import pytest

from flowyard.runtime.names import PINS_ENV
from flowyard.runtime.tasks.errors import ArgumentsRefused, DockerTaskError, NotPinned
from flowyard.runtime.tasks.identity import Ledger, Ledgers, Site, idempotency_key
from flowyard.runtime.tasks.pins import Pin, choose, read
from flowyard.runtime.tasks.runs import Pinned
from flowyard.runtime.tasks.task import docker_task, spread
from flowyard.runtime.tasks.trees import MARK

PIN = Pin("clean", "default", "1", "image")
SCHEMA = {
    "type": "object",
    "properties": {
        "day": {"type": "string", "position": 1},
        "frame": {"type": "array", "position": 0},
        "more": {"type": "integer", "position": 2},
    },
    "required": ["frame"],
    "additionalProperties": False,
}


def test_equal_calls_are_counted_and_a_retried_site_gets_its_own_numbers() -> None:
    ledger = Ledger()
    first, second = Site("a", 1), Site("b", 1)
    assert [ledger.number("x", first), ledger.number("x", first), ledger.number("x", second)] == [0, 1, 2]
    assert ledger.number("y", first) == 0
    again = Site("a", 2)
    assert [ledger.number("x", again), ledger.number("x", again), ledger.number("x", again)] == [0, 1, 3]


def test_an_attempt_counts_anew() -> None:
    ledgers = Ledgers()
    site = Site("a", 1)
    assert ledgers.of("run", 1).number("x", site) == 0
    assert ledgers.of("run", 1).number("x", site) == 1
    assert ledgers.of("run", 2).number("x", site) == 0


def test_keys_differ_by_run_content_number_and_generation() -> None:
    keys = {
        idempotency_key(root, content, number, generation)
        for root in "ab"
        for content in "xy"
        for number in (0, 1)
        for generation in (0, 1)
    }
    assert len(keys) == 16
    assert max(map(len, keys)) < 64


def test_pins_are_read_from_the_environment() -> None:
    text = json.dumps({"clean": {"default": {"id": "1", "image": "image"}}})
    assert read({PINS_ENV: text}) == {"clean": {"default": PIN}}
    assert read({}) == {}


def test_which_pin_is_called() -> None:
    heavy = Pin("clean", "heavy", "2", "image")
    two = {"clean": {"default": PIN, "heavy": heavy}}
    assert choose(two, "clean", None) == PIN
    assert choose(two, "clean", "heavy") == heavy
    assert choose({"clean": {"heavy": heavy}}, "clean", None) == heavy


@pytest.mark.parametrize(
    ("pins", "deployment", "text"),
    [
        ({}, None, "was not shipped with a Docker task 'clean' (shipped with: none)"),
        ({"other": {"default": PIN}}, None, "(shipped with: other)"),
        ({"clean": {"default": PIN}}, "heavy", "has no deployment 'heavy'; it has: default"),
        ({"clean": {"a": PIN, "b": PIN}}, None, "has the deployments a, b and none called 'default'"),
    ],
)
def test_a_pin_that_is_not_there(pins: Any, deployment: str | None, text: str) -> None:
    with pytest.raises(NotPinned) as caught:
        choose(pins, "clean", deployment)
    assert text in str(caught.value)
    assert caught.value.task == "clean"


def test_arguments_are_bound_by_position_and_name() -> None:
    pinned = Pinned(PIN, SCHEMA)
    assert pinned.bind(([1],), {"more": 2}) == {"frame": [1], "more": 2}
    assert pinned.bind(([1], "monday"), {}) == {"frame": [1], "day": "monday"}


@pytest.mark.parametrize(
    ("args", "kwargs", "text"),
    [
        ((1, 2, 3, 4), {}, "clean() takes 3 arguments, 4 were given"),
        (([],), {"frame": []}, "clean() got argument 'frame' twice"),
        ((), {"dya": 1}, "clean() has no argument 'dya'; it has: frame, day, more"),
    ],
)
def test_arguments_that_do_not_bind(args: tuple[Any, ...], kwargs: dict[str, Any], text: str) -> None:
    with pytest.raises(ArgumentsRefused, match=text.replace("(", r"\(").replace(")", r"\)")):
        Pinned(PIN, SCHEMA).bind(args, kwargs)


def test_plain_arguments_are_held_against_the_schema() -> None:
    pinned = Pinned(PIN, SCHEMA)
    pinned.check({"frame": [1], "more": 1})
    pinned.check({"frame": {MARK: "reference"}})  # the called side checks what it stands for
    for wrong in ({"frame": [1], "more": "x"}, {"more": 1}):
        with pytest.raises(ArgumentsRefused, match=r"clean\(\) refuses its arguments"):
            pinned.check(wrong)


def test_a_map_spreads_lists() -> None:
    assert list(spread(([1, 2], "same"), {"more": range(2)})) == [
        ((1, "same"), {"more": 0}),
        ((2, "same"), {"more": 1}),
    ]
    assert list(spread((), {"a": iter("xy"), "b": 1})) == [((), {"a": "x", "b": 1}), ((), {"a": "y", "b": 1})]


@pytest.mark.parametrize(
    ("args", "told"),
    [(([1], [1, 2]), "theirs are 1, 2; "), ((1, "text"), "none of its arguments is one")],
    ids=["different", "none"],
)
def test_a_map_without_lists_of_one_length(args: tuple[Any, ...], told: str) -> None:
    with pytest.raises(DockerTaskError, match=told):
        list(spread(args, {}))


def test_options_are_known_by_name() -> None:
    task = docker_task("clean").with_options(timeout=3, tags=["a"])
    assert repr(task) == "docker_task('clean')"
    with pytest.raises(TypeError, match="with_options\\(\\) has no 'time'; it has: deployment, "):
        task.with_options(time=3)
