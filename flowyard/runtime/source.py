"""How a flow's parameters are written: the line of each, for messages that people act on, and its default.

A function object knows only where its definition begins, and a long signature has a line for each parameter.
"""

from __future__ import annotations

import ast
import inspect
import linecache
import os
from collections.abc import Callable
from types import CodeType
from typing import Any


def parameter_places(function: Callable[..., Any], file: str) -> dict[str, str]:
    """`on line 3` for every parameter, with ` of other.py` where the function is not written in `file`.

    `file` is relative to the flow's folder. Empty when the source cannot be read.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return {}
    elsewhere = (
        "" if f"/{code.co_filename}".endswith(f"/{file}") else f" of {os.path.relpath(code.co_filename)}"
    )
    return {name: f"on line {line}{elsewhere}" for name, line in _lines(code).items()}


def parsed(code: CodeType) -> ast.Module:
    """The source of the function's file; empty when it cannot be read, or was never Python."""
    try:
        return ast.parse("".join(linecache.getlines(code.co_filename)))
    except SyntaxError:  # such as a notebook's cell
        return ast.Module([], [])


def defaults_of(tree: ast.Module, code: CodeType) -> dict[str, ast.expr]:
    """The expression of every default of the function, by parameter."""
    node = _definition(tree, code)
    if node is None:
        return {}
    positional = [*node.args.posonlyargs, *node.args.args]
    given = node.args.defaults
    found = [*zip(positional[len(positional) - len(given) :], given, strict=True)]
    found += [
        (each, default)
        for each, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
        if default is not None
    ]
    return {each.arg: default for each, default in found}


def _lines(code: CodeType) -> dict[str, int]:
    node = _definition(parsed(code), code)
    return {} if node is None else {each.arg: each.lineno for each in _arguments(node.args)}


def _definition(tree: ast.Module, code: CodeType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == code.co_name:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            if first == code.co_firstlineno:
                return node
    return None


def _arguments(arguments: ast.arguments) -> list[ast.arg]:
    collecting = [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *collecting]
