"""Imports go one way, adapters stay behind their ports, and a run with nothing to do imports nothing heavy."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from flowyard.runtime.names import FLOWS_MODULE

MOST_LINES = 40  # of a function
MOST_LINES_OF_A_FILE = 300
PACKAGE = Path(__file__).resolve().parents[2] / "flowyard"
HEAVY = frozenset(
    {
        "prefect",
        "prefect_docker",
        "docker",
        "boto3",
        "botocore",
        "obstore",
        "rich",
        "jsonschema",
        "jinja2",
        "uv",
        "psutil",
    }
)
# Who may know which adapter.
ADAPTERS: Mapping[str, set[str]] = {
    "commands.machine": {"prefect_api", "processes", "terminal"},
    "commands.opening": {"prefect_api"},
    "commands.options": {"capacity"},
    "commands.verbs": {"oci", "prefect_api", "processes", "terminal"},
    "connect": {"prefect_address", "prefect_settings"},
    "entry": {"capacity"},
    "wiring": {
        "aws.ecr",
        "aws.ecs",
        "aws.s3",
        "aws.secrets",
        "aws.session",
        "aws.tasks",
        "builders",
        "buildx",
        "buildx_plugin",
        "ci_jobs",
        "disk",
        "engine",
        "engine_images",
        "git",
        "lease_notes",
        "log_folder",
        "merge_comments",
        "oci",
        "prefect_api",
        "processes",
    },
}
EMBEDDED = {"connect", "commands.machine"}
# The imperative shell, with the packages OUTSIDE: it may reach for adapters. Every other module is the pure core, new
# ones included.
OUTSIDE = ("adapters", "commands", "embedded")
SHELL = {"__main__", "connect", "entry", "wiring"}
# What functions of the core are told and do not look up, but for these: how the program was called, the time of this
# machine behind its port, when a report was written, and whose home `~` is in a file of this machine's own.
AMBIENT = {
    *("os.environ", "os.getenv", "os.getcwd", "os.getpid", "os.getppid", "os.kill", "os.getlogin"),
    *("os.cpu_count", "os.sched_getaffinity", "platform.machine", "getpass.getuser", "sys.argv", "sys.stdin"),
    *("time.time", "time.monotonic", "time.perf_counter", "time.sleep", "datetime.now", ".today", ".utcnow"),
    *(".cwd", ".home", ".expanduser"),
}
SURROUNDINGS = {
    "configuration.complete": {".expanduser"},
    "program": {"sys.argv"},
    "releasing.holder": {"time.monotonic", "time.time"},
    "reporting.page_file": {"time.time"},
}
# What configuration and running are made of is known to adapters; these ends of theirs are not.
WHOLE_STEPS = {"configuration.complete", "running.run"}


@dataclass(frozen=True)
class Import:
    """One import: the module's full name, and whether it happens when the importing module is loaded."""

    module: str
    at_once: bool
    for_types: bool


@cache
def modules() -> dict[str, Path]:
    """Every module of the package by its name below `flowyard`."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().replace("/", ".")
        found[name.removesuffix("__init__").rstrip(".")] = path
    return found


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


@cache
def imports(path: Path) -> tuple[Import, ...]:
    return tuple(_imports(parsed(path), at_once=True, for_types=False))


def _imports(node: ast.AST, *, at_once: bool, for_types: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.expr):
            continue  # most of a tree, and there are no imports in it
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, at_once, for_types) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            assert child.level == 0, "imports are absolute"
            module = child.module or ""
            names = [f"{module}.{alias.name}" for alias in child.names]
            inner = [name for name in names if name.removeprefix("flowyard.") in modules()]
            yield from (Import(name, at_once, for_types) for name in inner or [module])
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)
            typing = isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING"
            yield from _imports(child, at_once=at_once and not function, for_types=for_types or typing)


def of_flowyard(path: Path, *, at_once: bool = False) -> set[str]:
    """The modules of the package that this one imports; `at_once`: when it is loaded itself."""
    return {
        one.module.removeprefix("flowyard.")
        for one in imports(path)
        if one.module.startswith("flowyard.") and not one.for_types and (one.at_once or not at_once)
    }


def below(names: set[str], package: str) -> set[str]:
    return {name.removeprefix(f"{package}.") for name in names if name.startswith(f"{package}.")}


def test_there_is_no_circle() -> None:
    graph = {name: of_flowyard(path, at_once=True) for name, path in modules().items()}
    assert set(TopologicalSorter(graph).static_order()) >= set(graph)


def test_who_knows_which_adapter() -> None:
    found = {}
    for name, path in modules().items():
        if not name.startswith(("adapters.", "embedded.")):
            found[name] = below(of_flowyard(path), "adapters")
    assert {name: adapters for name, adapters in found.items() if adapters} == ADAPTERS


def test_who_knows_the_embedded_services() -> None:
    assert {
        name
        for name, path in modules().items()
        if below(of_flowyard(path), "embedded") and not name.startswith("embedded")
    } == EMBEDDED


def test_nobody_but_the_program_knows_its_commands() -> None:
    users = {name for name, path in modules().items() if below(of_flowyard(path), "commands")}
    assert {name for name in users if not name.startswith("commands.")} == {"entry"}


def test_adapters_know_neither_each_other_s_users_nor_the_pipeline() -> None:
    upper = {"commands", "load", "pipeline", "plan", "planning", "register", "report", "shipment", "shipping"}
    upper |= {"connect", "embedded", "entry", "stubs", "work_pools", "yard", *SHELL, *WHOLE_STEPS}
    found = {
        name: {one for one in of_flowyard(path) if one in upper or one.split(".")[0] in upper}
        for name, path in modules().items()
        if name.startswith("adapters.")
    }
    assert {name: names for name, names in found.items() if names} == {}


def test_the_pure_core_knows_nothing_of_the_outside() -> None:
    """And nobody is in the shell who needs nothing of it."""
    programs = {"subprocess", "socket", "urllib3", "http"}
    found = {}
    for name, path in modules().items():
        if name.split(".")[0] not in (*OUTSIDE, "runtime"):
            known = {one for one in of_flowyard(path) if one in SHELL or one.split(".")[0] in OUTSIDE}
            found[name] = known | {
                one.module for one in imports(path) if one.module.split(".")[0] in programs
            }
    assert len(found) > 25
    assert {name for name, names in found.items() if names} == SHELL


def _ambient(path: Path) -> set[str]:
    """What of the surroundings, and not of its arguments, a module reads: `os.environ` and the like, however it is
    imported."""
    found = set()
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Attribute):
            found |= {ast.unparse(node), f".{node.attr}"}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found & AMBIENT


def test_the_pure_core_reads_nothing_of_its_surroundings() -> None:
    found = {
        name: _ambient(path)
        for name, path in modules().items()
        if name not in SHELL and name.split(".")[0] not in (*OUTSIDE, "runtime")
    }
    assert {name: read for name, read in found.items() if read} == SURROUNDINGS


def test_a_command_is_named_as_it_was_called() -> None:
    """Nobody but `program` spells it out, but for the header of a file that is committed."""
    spelled = re.compile(
        r"python build\.py|flowyard (up|down|ship|plan|lock|run|build|clean|register|policies)\b"
    )
    found = {
        name
        for name, path in modules().items()
        if not name.startswith("runtime") and any(spelled.search(text) for text in _texts(path))
    }
    assert found == {"program", "locking.bases", "locking.locks"}


def _texts(path: Path) -> Iterator[str]:
    """The texts of a module, but for docstrings."""
    docstrings = {id(node.value) for node in ast.walk(parsed(path)) if isinstance(node, ast.Expr)}
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_registering_knows_nothing_of_planning() -> None:
    """A plan is made of what is registered, and not the other way round."""
    known = {
        one
        for name, path in modules().items()
        for one in of_flowyard(path)
        if name.startswith("registering.") and one.startswith("planning.")
    }
    assert known == set()


def test_the_report_is_made_of_what_reporting_knows_and_not_the_other_way_round() -> None:
    found = {name for name, path in modules().items() if "report" in of_flowyard(path)}
    assert {name for name in found if name.split(".")[0] not in ("commands", "entry")} == set()


def test_the_runtime_part_stands_alone() -> None:
    """It is copied into every image, without the rest of the package."""
    found = {
        name: {one for one in of_flowyard(path) if not one.startswith("runtime")}
        for name, path in modules().items()
        if name.startswith("runtime")
    }
    assert {name: names for name, names in found.items() if names} == {}


def test_of_the_runtime_part_the_rest_knows_what_it_has_in_common_with_it() -> None:
    common = {"names", "tasks.inspected"}
    users = {name for name, path in modules().items() if below(of_flowyard(path), "runtime") - common}
    # The package itself hands on what flows import, when they ask for it; `testing` replaces parts of it.
    assert {name for name in users if not name.startswith("runtime")} == {"", "testing"}


def test_what_an_image_and_the_machine_have_in_common_loads_nothing() -> None:
    assert set(loaded_at_once("runtime.names")) == {
        "runtime.names",
        "runtime.start",
        "__future__",
        "os",
        "sys",
        "time",
    }


def constants(tree: ast.Module) -> Iterator[tuple[str, object]]:
    """Names of a module with the texts, numbers and tuples they are given. A number that only the module itself
    knows is no part of it: two that count the same, such as seconds, have nothing in common by that."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name, value = node.targets[0].id, None
            with suppress(ValueError):  # no literal
                value = ast.literal_eval(node.value)
            if isinstance(value, str | tuple) or (type(value) in (int, float) and not name.startswith("_")):
                yield name.lstrip("_"), value


def test_no_constant_stands_on_both_sides() -> None:
    """What the machine and an image both name stands in `runtime.names`."""
    by_chance = {("COLLECT_AFTER", 50_000)}  # when two programs look through their objects
    sides: dict[bool, set[tuple[str, object]]] = {True: set(), False: set()}
    for name, path in modules().items():
        sides[name.startswith("runtime.")] |= set(constants(parsed(path)))
    assert all(len(side) > 50 for side in sides.values())
    assert sides[True] & sides[False] == by_chance


def test_no_name_of_ours_is_written_on_both_sides() -> None:
    """A variable, a label, a prefix: whatever has our own name in it, and more than that."""
    named = re.compile(r'"([^"\n]*flowyard[^"\n]*)"', re.IGNORECASE)
    sides: dict[bool, set[str]] = {True: set(), False: set()}
    for name, path in modules().items():
        sides[name.startswith("runtime.")] |= set(named.findall(path.read_text("utf-8")))
    assert all(len(side) > 20 for side in sides.values())
    assert sides[True] & sides[False] == {"flowyard", "flowyard."}


def test_the_module_that_deployments_name_is_there() -> None:
    assert FLOWS_MODULE.removeprefix("flowyard.") in modules()


def loaded_at_once(start: str) -> dict[str, str]:
    """Every module that loading `start` loads, by the module that asks for it first."""
    known, waiting, found = modules(), [start], {start: ""}
    while waiting:
        name = waiting.pop()
        for one in imports(known[name]):
            inner = one.module.removeprefix("flowyard.")
            if one.at_once and not one.for_types and inner not in found:
                found[inner if one.module.startswith("flowyard.") else one.module] = name
                waiting += [inner] if one.module.startswith("flowyard.") else []
    return found


@pytest.mark.parametrize(
    "start",
    [
        "entry",
        "commands.cli",
        "commands.verbs",
        "commands.machine",
        "adapters.aws.ecs",
        "adapters.aws.secrets",
    ],
)
def test_a_ship_with_nothing_to_do_imports_nothing_heavy(start: str) -> None:
    heavy = {module: user for module, user in loaded_at_once(start).items() if module.split(".")[0] in HEAVY}
    assert heavy == {}


def test_what_only_a_shipment_needs_is_loaded_by_none_of_the_verbs() -> None:
    assert {
        "shipment",
        "shipping.pinning",
        "shipping.registrar",
        "shipping.schedule",
        "stubs.files",
        "register",
        "publish",
        "build",
        "adapters.oci",
    } & set(loaded_at_once("commands.verbs")) == set()


def test_the_program_and_its_command_line_load_next_to_nothing() -> None:
    assert {name for name in loaded_at_once("entry") if name in modules()} == {
        "entry",
        "errors",
        "interruption",
    }
    assert {name for name in loaded_at_once("commands.cli") if name in modules()} == {
        "commands.cli",
        "commands.options",
        "errors",
        "aws.options",
        "program",
    }


def functions(node: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Every function of a module, a class or another function. Expressions hold none, and are most of a tree."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield child
        if not isinstance(child, ast.expr):
            yield from functions(child)


def test_no_function_has_more_than_forty_lines() -> None:
    """The linter counts statements; this counts what a reader has to hold in mind."""
    lines = {
        f"{name}.{function.name}": function.end_lineno - function.lineno + 1
        for name, path in modules().items()
        for function in functions(parsed(path))
        if function.end_lineno is not None
    }
    assert len(lines) > 1000
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_no_file_is_longer_than_people_keep_in_mind() -> None:
    lines = {
        str(file.relative_to(PACKAGE)): len(file.read_text(encoding="utf-8").splitlines())
        for file in PACKAGE.rglob("*.py")
    }
    assert len(lines) > 100
    assert {name: count for name, count in lines.items() if count > MOST_LINES_OF_A_FILE} == {}
