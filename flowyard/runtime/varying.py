"""Defaults that are another value at every import, such as `when=datetime.now()`: evaluated again, to see.

The description would hold the value of the build for good. Only what names a source of other values (the clock,
random numbers, ids) is evaluated, and only where each name still is what it was when the flow was defined.
"""

from __future__ import annotations

import ast
import builtins
import dataclasses
import datetime
import inspect
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import CodeType, FunctionType, ModuleType
from typing import Any

from flowyard.runtime.clock import clock_at
from flowyard.runtime.failures import is_users_file
from flowyard.runtime.source import defaults_of, parsed

# Modules whose values may differ from import to import; naming one costs an evaluation, no more.
SOURCES = frozenset(
    (
        *("datetime", "time", "random", "_random", "secrets", "uuid", "os", "posix", "tempfile", "zoneinfo"),
        *("numpy", "pandas", "pendulum", "arrow", "whenever", "dateutil"),
    )
)
LATER = datetime.timedelta(days=400, hours=1, minutes=1, seconds=1)  # another year, month, day and hour
_DEEPEST = 8  # functions that call each other


@dataclasses.dataclass(frozen=True)
class Again:
    """What a default's expression gives now, right after that at the same time, and at a later time."""

    first: Any
    second: Any
    later: Any


def evaluated_again(function: Callable[..., Any]) -> dict[str, Again]:
    """The defaults of a module's function that may vary, by parameter. One that cannot be evaluated is left out."""
    function = inspect.unwrap(function)
    code = getattr(function, "__code__", None)
    # Names inside a function or class are gone.
    if code is None or function.__qualname__ != function.__name__:
        return {}
    tree = parsed(code)
    found: dict[str, Again] = {}
    for name, expression in defaults_of(tree, code).items():
        if isinstance(expression, ast.Constant):
            continue
        reach = _Reach(tree, function.__globals__)
        if reach.varies(expression):
            again = _evaluate(reach, expression)
            if again is not None:
                found[name] = again
    return found


def _evaluate(reach: _Reach, expression: ast.expr) -> Again | None:
    now = datetime.datetime.now(datetime.UTC)
    try:
        return Again(*(reach.evaluate(expression, moment) for moment in (now, now, now + LATER)))
    except BaseException:
        return None


class _Reach:
    """What a default's expression stands on, inside the flow's own code."""

    def __init__(self, tree: ast.Module, names: dict[str, Any]) -> None:
        self._names = names
        self._bound = Counter(_bindings(tree))
        self._assigned = dict(_assignments(tree))
        self._functions: dict[int, bool] = {}  # what was found out, by id
        self._steps: dict[str, ast.expr] = {}  # module-level names to assign anew, in this order
        self._spaces = [names]
        self._certain = True

    def varies(self, expression: ast.expr) -> bool:
        """Whether it names a source of other values, directly or through the flow's own code."""
        return self._looks(expression) and self._certain

    def evaluate(self, expression: ast.expr, moment: datetime.datetime) -> Any:
        """Its value at this moment; the module is left as it was."""
        with clock_at(moment, self._spaces):
            for name, assigned in self._steps.items():
                self._names[name] = _value(assigned, self._names)
            return _value(expression, self._names)

    def _looks(self, expression: ast.expr) -> bool:
        found = False
        for node in ast.walk(expression):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                found |= self._name(node.id)
            elif isinstance(node, ast.Attribute):
                found |= self._is_source(self._member(node), 0)
        return found

    def _name(self, name: str) -> bool:
        if self._bound[name] > 1:  # it may have been something else when the flow was defined
            self._certain = False
        if name in self._assigned and name not in self._steps:
            assigned = self._assigned.pop(name)
            if self._looks(assigned):
                self._steps[name] = assigned
                return True
            return False
        return name in self._steps or self._is_source(self._names.get(name, getattr(builtins, name, None)), 0)

    def _member(self, node: ast.Attribute) -> Any:
        """What `module.name` is; None for what is no member of a module."""
        base = node.value
        of = self._names.get(base.id) if isinstance(base, ast.Name) else None
        if isinstance(base, ast.Attribute):
            of = self._member(base)
        return getattr(of, node.attr, None) if isinstance(of, ModuleType) else None

    def _is_source(self, value: Any, depth: int) -> bool:
        if isinstance(value, ModuleType):
            return _top(value.__name__) in SOURCES
        if isinstance(value, FunctionType) and is_users_file(value.__code__.co_filename):
            return self._function_is_source(value, depth)
        if isinstance(value, type):
            return _top(value.__module__) in SOURCES or _has_factories(value)
        owner = getattr(value, "__self__", None)
        modules = (getattr(value, "__module__", None), type(owner).__module__, type(value).__module__)
        return any(_top(name) in SOURCES for name in modules if isinstance(name, str))

    def _function_is_source(self, function: FunctionType, depth: int) -> bool:
        if depth > _DEEPEST or id(function) in self._functions:
            return self._functions.get(id(function), False)
        self._functions[id(function)] = False  # while it is looked at, for one that calls itself
        space = function.__globals__
        if not any(space is each for each in self._spaces):
            self._spaces.append(space)
        names = set(_names_in(function.__code__))
        values = [space[name] for name in sorted(names) if name in space]
        own = [
            each for each in values if isinstance(each, ModuleType) and is_users_file(each.__file__ or "<")
        ]
        values += [getattr(module, name) for module in own for name in sorted(names) if hasattr(module, name)]
        found = [self._is_source(value, depth + 1) for value in values]  # all: each brings its names
        self._functions[id(function)] = any(found)
        return any(found)


def _value(expression: ast.expr, names: dict[str, Any]) -> Any:
    code = compile(ast.Expression(expression), "<default>", "eval", dont_inherit=True)
    return eval(code, names)  # noqa: S307 - the user's own code, evaluated at the import already


def _bindings(tree: ast.Module) -> Iterator[str]:
    """Every name each time that the module's own level binds it, or a function does by `global`."""
    waiting: list[ast.AST] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
            continue
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield node.asname or node.name.split(".")[0]
        waiting += ast.iter_child_nodes(node)
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield from node.names


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """`NAME = expression` and `NAME: type = expression` of the module's own level."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if value is not None and len(targets) == 1 and isinstance(targets[0], ast.Name):
            yield targets[0].id, value


def _names_in(code: CodeType) -> Iterator[str]:
    """Every global name and attribute that a function uses, in its inner functions too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def _has_factories(kind: type) -> bool:
    """Whether it is a model or dataclass with a field that is made anew for each instance."""
    fields: Mapping[str, Any] = getattr(kind, "__pydantic_fields__", None) or {}
    made = [getattr(field, "default_factory", None) for field in fields.values()]
    if dataclasses.is_dataclass(kind):
        made += [field.default_factory for field in dataclasses.fields(kind)]
    return any(each is not None and each is not dataclasses.MISSING for each in made)


def _top(module: str) -> str:
    return module.partition(".")[0]
