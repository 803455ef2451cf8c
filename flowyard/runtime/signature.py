"""How a flow is called, as type checkers have to see it: for the stubs of those who call it as a Docker task.

A type is written by the shortest name it can be imported by. One that only this image has, because it is defined in
the flow's own folder, becomes `Any`, with a note.
"""

from __future__ import annotations

import inspect
import sys
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from flowyard.runtime.annotations import UnresolvedError, evaluate
from flowyard.runtime.names import ANY, LONGEST_DEFAULT

_SHOWN = (type(None), bool, int, float, str)  # defaults that are written out


def describe_signature(function: Callable[..., Any], folder: str) -> dict[str, Any]:
    """The parameters in their order, what comes back, and the modules that their types are imported from."""
    writer = _Writer(function, folder)
    signature = inspect.signature(function)
    parameters = [
        {"name": one.name, "kind": one.kind.name, **writer.written(one.annotation), **_default(one)}
        for one in signature.parameters.values()
    ]
    made_bit_by_bit = inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function)
    returns = {"type": ANY} if made_bit_by_bit else writer.written(signature.return_annotation)
    return {"parameters": parameters, "returns": returns, "imports": sorted(writer.imports)}


def _default(parameter: inspect.Parameter) -> dict[str, str]:
    if parameter.default is inspect.Parameter.empty:
        return {}
    text = repr(parameter.default) if type(parameter.default) in _SHOWN else "..."
    return {"default": text if len(text) <= LONGEST_DEFAULT and text not in ("nan", "inf", "-inf") else "..."}


class _Writer:
    """Writes types, and notes what has to be imported for them."""

    def __init__(self, function: Callable[..., Any], folder: str) -> None:
        self.imports: set[str] = set()
        self._function = function
        self._folder = Path(folder).resolve()
        self._notes: list[str] = []
        self._open: list[str] = []  # names that are being looked up: a type may name itself

    def written(self, annotation: Any) -> dict[str, str]:
        """`type`, and a `note` on what of it cannot be named elsewhere."""
        self._notes = []
        kind = ANY if annotation is inspect.Parameter.empty else self._write(annotation)
        notes = ", ".join(dict.fromkeys(self._notes))
        return {"type": kind, "note": notes} if notes else {"type": kind}

    def _write(self, kind: Any) -> str:
        if kind is None or kind is type(None):
            return "None"
        if kind is Any:
            return ANY
        if isinstance(kind, (str, typing.ForwardRef)):
            return self._looked_up(kind if isinstance(kind, str) else kind.__forward_arg__)
        for inner in ("__metadata__", "__supertype__", "__value__"):  # Annotated, NewType, an alias by `type`
            if hasattr(kind, inner) and not isinstance(kind, type):
                return self._write(kind.__origin__ if inner == "__metadata__" else getattr(kind, inner))
        origin = typing.get_origin(kind)
        if origin is not None:
            return self._composed(kind, origin, typing.get_args(kind))
        return self._named(kind) if isinstance(kind, type) else self._unknown(str(kind))

    def _looked_up(self, text: str) -> str:
        if text in self._open:
            return ANY
        self._open.append(text)
        try:
            found = evaluate(text, self._function)
        except UnresolvedError:
            return self._unknown(text)
        else:
            return self._unknown(text) if found == text else self._write(found)
        finally:
            self._open.pop()

    def _composed(self, kind: Any, origin: Any, arguments: Sequence[Any]) -> str:
        if origin is typing.Literal:
            return self._literal(kind, arguments)
        if origin in (typing.Union, getattr(types, "UnionType", None)):
            return " | ".join(dict.fromkeys(self._write(each) for each in arguments))
        if not isinstance(origin, type):
            return self._unknown(str(kind))
        name = self._named(origin)
        if name == ANY or not arguments:
            return name
        return f"{name}[{', '.join(self._argument(each) for each in arguments)}]"

    def _argument(self, argument: Any) -> str:
        if argument is Ellipsis:
            return "..."
        if isinstance(argument, (list, tuple)):
            return f"[{', '.join(self._write(each) for each in argument)}]"
        return self._write(argument)

    def _literal(self, kind: Any, values: Sequence[Any]) -> str:
        if not all(isinstance(value, (str, int, bytes, type(None))) for value in values) or any(
            type(value) not in (str, int, bool, bytes, type(None)) for value in values
        ):
            return self._unknown(str(kind))  # members of an enumeration
        self.imports.add("typing")
        return f"typing.Literal[{', '.join(map(repr, values))}]"

    def _named(self, kind: type) -> str:
        if kind.__module__ == "builtins":
            return kind.__qualname__
        module = sys.modules.get(kind.__module__)
        shown = f"{kind.__module__}.{kind.__qualname__}"
        if (
            module is None
            or not all(part.isidentifier() for part in shown.split("."))
            or self._is_own(module)
        ):
            return self._unknown(shown)
        parts = kind.__module__.split(".")
        for length in range(1, len(parts)):
            outer = ".".join(parts[:length])
            # Without asking the module itself: a lazy one would begin to import.
            if vars(sys.modules.get(outer, module)).get(kind.__qualname__) is kind:
                self.imports.add(outer)
                return f"{outer}.{kind.__qualname__}"
        self.imports.add(kind.__module__)
        return shown

    def _is_own(self, module: types.ModuleType) -> bool:
        file = getattr(module, "__file__", None)
        inside = file is not None and self._folder in Path(file).resolve().parents
        return module.__name__ == "__main__" or inside

    def _unknown(self, text: str) -> str:
        self._notes.append(text)
        return ANY
