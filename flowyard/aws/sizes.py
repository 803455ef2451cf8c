"""How much of a machine a task gets: cores and bytes -> AWS's units, and the pairs that Fargate has.

Fargate sells some pairs of CPU and memory and no others, and says so when the task definition is registered:
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-cpu-memory-error.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import ceil, log2
from types import MappingProxyType

from flowyard.values import Resources

MIB = 1 << 20
_CORE = 1024  # CPU units
_GIB = 1024  # in MiB, as the table counts

# MiB of memory that go with so many CPU units.
FARGATE: Mapping[int, tuple[int, ...]] = MappingProxyType(
    {
        256: (_GIB // 2, _GIB, 2 * _GIB),
        512: tuple(range(_GIB, 4 * _GIB + 1, _GIB)),
        1024: tuple(range(2 * _GIB, 8 * _GIB + 1, _GIB)),
        2048: tuple(range(4 * _GIB, 16 * _GIB + 1, _GIB)),
        4096: tuple(range(8 * _GIB, 30 * _GIB + 1, _GIB)),
        8192: tuple(range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
        16384: tuple(range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
        32768: (60 * _GIB, 120 * _GIB, 244 * _GIB),
    }
)
# "The Docker 20.10.0 or later daemon reserves a minimum of 6 MiB of memory for a container", and the kernel takes
# 2 CPU shares at the least: https://docs.aws.amazon.com/AmazonECS/latest/APIReference/API_ContainerDefinition.html
_LEAST_MEMORY, _LEAST_UNITS = 6, 2


@dataclass(frozen=True, slots=True, order=True)
class TaskSize:
    """CPU units (1024 are a core) and MiB of memory."""

    cpu: int
    memory: int

    def __str__(self) -> str:
        return f"{{ cpu = {self.cpu / _CORE:g}, memory = {_quoted(self.memory)} }}"


DEFAULT = TaskSize(1024, 2048)  # what prefect-aws gives a task of which nothing is said


def task_size(resources: Resources, *, fargate: bool) -> TaskSize:
    """The size of a task with these resources. On Fargate, of what is not said, the least that goes with the
    rest; what `size_problem` finds wrong comes out as something that is sent nowhere."""
    cpu = None if resources.cpu is None else max(_LEAST_UNITS, int(resources.cpu * _CORE))
    memory = None if resources.memory is None else ceil(resources.memory / MIB)
    if fargate and (cpu is None) != (memory is None):
        fitting = [size for size in _pairs() if cpu in (None, size.cpu) and memory in (None, size.memory)]
        return min(fitting, default=TaskSize(cpu or DEFAULT.cpu, memory or DEFAULT.memory))
    return TaskSize(cpu or DEFAULT.cpu, memory or DEFAULT.memory)


def size_problem(resources: Resources, *, fargate: bool) -> str | None:
    """What is wrong with these resources, and what is nearest to them."""
    memory = None if resources.memory is None else resources.memory / MIB
    if not fargate:
        if memory is not None and memory < _LEAST_MEMORY:
            return f"a container gets {_quoted(_LEAST_MEMORY)} of memory at the least"
        return None
    cpu = None if resources.cpu is None else resources.cpu * _CORE
    if any(cpu in (None, size.cpu) and memory in (None, size.memory) for size in _pairs()):
        return None
    nearest = min(
        _pairs(), key=lambda size: (_distance(size, cpu, memory), _falls_short(size, cpu, memory), size)
    )
    return f"no Fargate task has {_said(resources)}; {_offer(cpu)}the nearest is {nearest}"


def _pairs() -> Iterable[TaskSize]:
    return (TaskSize(cpu, memory) for cpu, fitting in FARGATE.items() for memory in fitting)


def _distance(size: TaskSize, cpu: float | None, memory: float | None) -> float:
    """How far a pair is from what was asked for, where twice as much is as far as half."""
    off_cpu = 0.0 if cpu is None else abs(log2(size.cpu / cpu))
    off_memory = 0.0 if memory is None else abs(log2(size.memory / memory))
    return off_cpu + off_memory


def _falls_short(size: TaskSize, cpu: float | None, memory: float | None) -> bool:
    return size.cpu < (cpu or 0) or size.memory < (memory or 0)


def _said(resources: Resources) -> str:
    cpu = "" if resources.cpu is None else f"cpu = {resources.cpu:g}"
    memory = "" if resources.memory is None else f"memory = {_quoted(resources.memory / MIB)}"
    return f"{{ {', '.join(filter(None, (cpu, memory)))} }}"


def _offer(cpu: float | None) -> str:
    """What goes with the CPU that was asked for, where Fargate has that."""
    fitting = next((memory for units, memory in FARGATE.items() if units == cpu), None)
    if cpu is None or fitting is None:
        return ""
    steps = {after - before for before, after in pairwise(fitting)}
    if len(steps) > 1:
        listed = ", ".join(map(_amount, fitting))
        return f"with cpu = {cpu / _CORE:g} it has {listed}, and "
    span = f"{_amount(fitting[0])} to {_amount(fitting[-1])} in steps of {_amount(steps.pop())}"
    return f"with cpu = {cpu / _CORE:g} it has {span}, and "


def _quoted(mebibytes: float) -> str:
    return f'"{_amount(mebibytes)}"'


def _amount(mebibytes: float) -> str:
    """An amount of memory as the configuration writes it."""
    if mebibytes % _GIB == 0:
        return f"{mebibytes / _GIB:.0f}Gi"
    return f"{mebibytes:.0f}Mi" if mebibytes % 1 == 0 else f"{mebibytes * 1024:.0f}Ki"
