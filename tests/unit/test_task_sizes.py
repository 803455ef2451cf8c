"""Cores and bytes as AWS counts them, and the pairs that Fargate has."""

from __future__ import annotations

import pytest

from flowyard.aws.sizes import FARGATE, TaskSize, size_problem, task_size
from flowyard.values import Resources
from tests.aws import ecs_rules

MIB, GIB = 1 << 20, 1 << 30


@pytest.mark.parametrize(
    ("resources", "fargate", "instance"),
    [
        (Resources(), TaskSize(1024, 2048), TaskSize(1024, 2048)),
        (Resources(0.25), TaskSize(256, 512), TaskSize(256, 2048)),
        (Resources(4), TaskSize(4096, 8192), TaskSize(4096, 2048)),
        (Resources(None, 512 * MIB), TaskSize(256, 512), TaskSize(1024, 512)),
        (Resources(None, 96 * GIB), TaskSize(16384, 98304), TaskSize(1024, 98304)),
        (Resources(2, 5 * GIB), TaskSize(2048, 5120), TaskSize(2048, 5120)),
        (Resources(0.3, 10 * MIB + 1), TaskSize(307, 11), TaskSize(307, 11)),
        (Resources(0.0001, 6 * MIB), TaskSize(2, 6), TaskSize(2, 6)),
    ],
)
def test_the_size_of_a_task(resources: Resources, fargate: TaskSize, instance: TaskSize) -> None:
    assert (task_size(resources, fargate=True), task_size(resources, fargate=False)) == (fargate, instance)


def test_the_stand_in_for_ecs_has_the_same_table() -> None:
    """Written from the same page by somebody else."""
    assert {cpu: list(fitting) for cpu, fitting in FARGATE.items()} == {
        cpu: list(fitting) for cpu, fitting in ecs_rules.FARGATE.items()
    }


def test_every_pair_of_the_table_is_taken_as_it_is() -> None:
    pairs = [TaskSize(cpu, memory) for cpu, fitting in FARGATE.items() for memory in fitting]
    assert len(pairs) == 3 + 4 + 7 + 13 + 23 + 12 + 12 + 3
    for size in pairs:
        resources = Resources(size.cpu / 1024, size.memory * MIB)
        assert (size_problem(resources, fargate=True), task_size(resources, fargate=True)) == (None, size)


@pytest.mark.parametrize(
    ("resources", "nearest"),
    [
        (Resources(1, GIB), '{ cpu = 1, memory = "2Gi" }'),
        (Resources(0.25, 3 * GIB), '{ cpu = 0.25, memory = "2Gi" }'),
        (Resources(2, 31 * GIB), '{ cpu = 2, memory = "16Gi" }'),
        (Resources(3, None), '{ cpu = 4, memory = "8Gi" }'),
        (Resources(None, 3 * GIB + 1), '{ cpu = 0.5, memory = "3Gi" }'),
        (Resources(100, None), '{ cpu = 32, memory = "60Gi" }'),
        (Resources(0.001, 1024), '{ cpu = 0.25, memory = "512Mi" }'),
    ],
)
def test_another_pair_is_refused_with_the_nearest_one(resources: Resources, nearest: str) -> None:
    text = size_problem(resources, fargate=True)
    assert text is not None
    assert text.endswith(f"the nearest is {nearest}")
    cpu, memory = nearest.strip("{} ").split(", ")
    amount = memory.split('"')[1]
    unit = {"Mi": MIB, "Gi": GIB}[amount[-2:]]
    offered = Resources(float(cpu.split("= ")[1]), int(amount[:-2]) * unit)
    assert size_problem(offered, fargate=True) is None


def test_a_container_on_an_instance_has_any_size_but_the_least() -> None:
    assert [size_problem(Resources(0.3, n * MIB), fargate=False) is None for n in (5, 6, 7)] == [
        False,
        True,
        True,
    ]
