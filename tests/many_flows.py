"""A repository of many flows, generated: what tests and benchmarks of scale ship.

Flows share dependency sets and folders, call one another as Docker tasks, and are deployed on three targets. The
same number always makes the same files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

TARGETS = ("local", "staging", "production")
WIDE = "common/wide"  # the folder that the first flows share
CALLERS_EVERY = 10  # the last flow of so many calls the two before it
_TARGET = """
[targets.{target}]
registry = {{ type = "oci", url = "registry.example:500{number}" }}
work-pool = {{ name = "{pool}", type = "docker" }}
prefect = {{ api = "http://{target}.example/api" }}
results = "volume:results"
"""
_FLOW = '''"""Flow {number} of many."""

from flowyard import docker_task
from prefect import flow, task


@task
def step(day: str) -> int:
    return len(day)


@flow
def {name}(day: str = "today", size: int = {number}) -> int:
    """Adds up what a day holds."""
    return step(day) + size{calls}
'''


def package_of(number: int) -> str:
    """What a dependency set is made of where nothing is installed."""
    return f"package-{number}\nother-{number % 3}\n"


@dataclass(frozen=True)
class Shape:
    """How large the repository is, and what its dependency sets are. Flows are numbered from `first`, which makes
    their names differ from those of another one on the same Prefect server."""

    flows: int = 100
    dependency_sets: int = 20
    wide: int = 30
    requirements: Callable[[int], str] = package_of
    first: int = 0

    @property
    def numbers(self) -> range:
        """The numbers of the flows."""
        return range(self.first, self.first + self.flows)


def flow_name(number: int) -> str:
    """The folder of one of the flows."""
    return f"flow_{number:03}"


def names(shape: Shape) -> tuple[str, ...]:
    """All the flows."""
    return tuple(flow_name(number) for number in shape.numbers)


def users_of(shape: Shape, folder: str) -> tuple[str, ...]:
    """The flows that include a shared folder."""
    return tuple(flow_name(one) for one in shape.numbers if folder in _includes(shape, one))


def calls_of(number: int) -> tuple[str, ...]:
    """The flows that one of them calls as Docker tasks."""
    return (
        (flow_name(number - 1), flow_name(number - 2)) if number % CALLERS_EVERY == CALLERS_EVERY - 1 else ()
    )


def many_flows(shape: Shape) -> Mapping[str, str]:
    """The files of flows/ and of the folders they share."""
    files = {f"{WIDE}/words.py": "WORDS = ('a', 'b')\n", f"{WIDE}/__init__.py": ""}
    files |= {f"common/part_{part}/rules.py": f"PART = {part}\n" for part in range(5)}
    for number in shape.numbers:
        files |= dict(_flow(shape, number))
    return files


def registry(pool: str = "pool") -> str:
    """registry.toml with the three targets."""
    tables = (
        _TARGET.format(target=target, number=number, pool=pool) for number, target in enumerate(TARGETS)
    )
    return '[project]\nname = "acme"\n' + "".join(tables)


def _flow(shape: Shape, number: int) -> Iterator[tuple[str, str]]:
    name = flow_name(number)
    folder = f"flows/{name}"
    calls = "".join(f' + docker_task("{task}")(day)' for task in calls_of(number))
    yield f"{folder}/flow.py", _FLOW.format(number=number, name=name, calls=calls)
    yield f"{folder}/query.sql", f"select {number}\n"
    yield f"{folder}/requirements.txt", shape.requirements(number % shape.dependency_sets)
    yield f"{folder}/flow.toml", _settings(shape, number)


def _settings(shape: Shape, number: int) -> str:
    includes = ", ".join(f'"{folder}"' for folder in _includes(shape, number))
    lines = [
        f"include = [{includes}]",
        f'[deployments.daily]\nschedules = [{{ cron = "{number % 60} 6 * * *" }}]',
    ]
    if number % 5 == 0:
        lines.append(f'[deployments.hourly]\nparameters = {{ day = "{number}" }}')
    return "\n".join([*lines, ""])


def _includes(shape: Shape, number: int) -> tuple[str, ...]:
    return (*((WIDE,) if number - shape.first < shape.wide else ()), f"common/part_{number % 5}")
