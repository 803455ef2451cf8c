"""How a flow is called, read from its code alone: what `lock` knows, which has no image to ask.

Nothing is imported, so less is known than the image knows: a type is named as the file imports it, one that is
defined beside the flow is `Any`, and a flow that is made by other means than `@flow` above a function is unknown.
"""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flowyard.runtime.names import ANY, LONGEST_DEFAULT
from flowyard.stubs.signature import ANYTHING, Parameter, Signature, Type

_TYPING = ("typing", "typing_extensions")
_Function = ast.FunctionDef | ast.AsyncFunctionDef


def read_signature(folder: Path, entrypoint: str) -> Signature:
    """The signature of the flow that an entrypoint of the folder names; ANYTHING where the code does not tell."""
    file, _, wanted = entrypoint.partition(":")
    try:
        tree = ast.parse((folder / file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ANYTHING  # the image's own check says what is wrong with it
    function = _flow(tree, wanted, folder.name.replace("-", "_"))
    return ANYTHING if function is None else _signature(function, _names_in(tree, folder))


def _flow(tree: ast.Module, wanted: str, folder: str) -> _Function | None:
    """As the runtime finds it: the one that is named, else the one called as the folder is, else the only one."""
    flows = {
        node.name: node
        for node in tree.body
        if isinstance(node, _Function) and any(map(_is_flow, node.decorator_list))
    }
    if wanted:
        return flows.get(wanted)
    return flows.get(folder) or (next(iter(flows.values())) if len(flows) == 1 else None)


def _is_flow(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")) == "flow"


@dataclass(frozen=True, slots=True)
class _Names:
    """What the names of a file mean: modules, members of modules, types that are other names of others."""

    modules: dict[str, str] = field(default_factory=dict)
    members: dict[str, tuple[str, str]] = field(default_factory=dict)
    aliases: dict[str, ast.expr] = field(default_factory=dict)
    own: set[str] = field(default_factory=set)


def _names_in(tree: ast.Module, folder: Path) -> _Names:
    names = _Names()
    for node in tree.body:
        if isinstance(node, ast.Import):
            for alias in node.names:
                names.modules[alias.asname or alias.name.partition(".")[0]] = (
                    alias.name if alias.asname else alias.name.partition(".")[0]
                )
        elif isinstance(node, ast.ImportFrom):
            _add_members(names, node, folder)
        elif isinstance(node, ast.ClassDef):
            names.own.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.aliases.update({one.id: node.value for one in targets if isinstance(one, ast.Name)})
    return names


def _add_members(names: _Names, node: ast.ImportFrom, folder: Path) -> None:
    top = (node.module or "").partition(".")[0]
    own = node.level > 0 or (folder / f"{top}.py").is_file() or (folder / top).is_dir()
    for alias in node.names:
        if own:
            names.own.add(alias.asname or alias.name)
        else:
            names.members[alias.asname or alias.name] = (node.module or "", alias.name)


def _signature(function: _Function, names: _Names) -> Signature:
    writer = _Writer(names)
    arguments = function.args
    positional = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(positional) - len(arguments.defaults)) + list(arguments.defaults)
    kinds = ["POSITIONAL_ONLY"] * len(arguments.posonlyargs) + ["POSITIONAL_OR_KEYWORD"] * len(arguments.args)
    listed = [*zip(positional, kinds, defaults, strict=True)]
    listed += [
        (one, "KEYWORD_ONLY", default)
        for one, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
    ]
    parameters = tuple(
        Parameter(one.arg, kind, writer.written(one.annotation), _default(default))
        for one, kind, default in listed
    )
    returns = Type() if _makes_bit_by_bit(function) else writer.written(function.returns)
    return Signature(parameters, returns, frozenset(writer.imports))


def _makes_bit_by_bit(function: _Function) -> bool:
    return any(isinstance(node, ast.Yield | ast.YieldFrom) for node in _own_nodes(function))


def _own_nodes(node: ast.AST) -> Iterator[ast.AST]:
    """What is below a function, but not in functions and classes inside it."""
    for child in ast.iter_child_nodes(node):
        yield child
        if not isinstance(child, _Function | ast.Lambda | ast.ClassDef):
            yield from _own_nodes(child)


def _default(value: ast.expr | None) -> str | None:
    if value is None:
        return None
    try:
        found = ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError):
        return "..."
    text = repr(found) if type(found) in (type(None), bool, int, float, str) else "..."
    return text if len(text) <= LONGEST_DEFAULT and text != "inf" else "..."


class _Writer:
    """Writes annotations by names that hold everywhere, and notes what has to be imported for them."""

    def __init__(self, names: _Names) -> None:
        self.imports: set[str] = set()
        self._names = names
        self._notes: list[str] = []
        self._open: list[str] = []  # aliases that are being looked up: one may name itself

    def written(self, annotation: ast.expr | None) -> Type:
        self._notes = []
        text = ANY if annotation is None else self._write(annotation)
        return Type(text, ", ".join(dict.fromkeys(self._notes)))

    def _write(self, node: ast.expr) -> str:
        if isinstance(node, ast.Constant):
            return self._constant(node)
        if isinstance(node, ast.Name | ast.Attribute):
            return self._named(node)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
            return self.union([node])
        if isinstance(node, ast.List):
            return f"[{', '.join(map(self._write, node.elts))}]"
        if isinstance(node, ast.Subscript):
            return self._composed(node)
        return self._unknown(node)

    def _constant(self, node: ast.Constant) -> str:
        if node.value is None:
            return "None"
        if node.value is Ellipsis:
            return "..."
        if isinstance(node.value, str):
            try:
                return self._write(ast.parse(node.value, mode="eval").body)
            except SyntaxError:
                return self._unknown(node)
        return self._unknown(node)

    def _named(self, node: ast.expr) -> str:
        if isinstance(node, ast.Name) and node.id in self._names.aliases:
            return self._aliased(node.id)
        dotted = self._dotted(node)
        if dotted is None:
            return self._unknown(node)
        module, name = dotted
        if module in _TYPING:
            return _OLD_NAMES.get(name) or self._of_typing(name)
        if module:
            self.imports.add(module)
        return f"{module}.{name}" if module else name

    def _of_typing(self, name: str) -> str:
        if name == ANY:
            return ANY
        self.imports.add("typing")
        return f"typing.{name}"

    def _aliased(self, name: str) -> str:
        if name in self._open:
            return ANY
        self._open.append(name)
        try:
            return self._write(self._names.aliases[name])
        finally:
            self._open.pop()

    def _dotted(self, node: ast.expr) -> tuple[str, str] | None:
        """The module and the name in it (no module: a built-in one) that a name or attribute means."""
        if isinstance(node, ast.Name):
            if node.id in self._names.members:
                return self._names.members[node.id]
            known = node.id not in self._names.own and isinstance(getattr(builtins, node.id, None), type)
            return ("", node.id) if known else None
        parts = ast.unparse(node).split(".")
        module = self._names.modules.get(parts[0])
        if module is not None:
            return ".".join([module, *parts[1:-1]]), parts[-1]
        if parts[0] in self._names.members:
            return ".".join([*self._names.members[parts[0]], *parts[1:-1]]), parts[-1]
        return None

    def _composed(self, node: ast.Subscript) -> str:
        inner = list(node.slice.elts) if isinstance(node.slice, ast.Tuple) else [node.slice]
        module, name = self._dotted(node.value) or (None, "")
        if module in _TYPING and name in _SPECIAL:
            return _SPECIAL[name](self, inner)
        outer = self._named(node.value)
        return ANY if outer == ANY else f"{outer}[{', '.join(map(self._write, inner))}]"

    def literal(self, inner: list[ast.expr]) -> str:
        """`Literal[...]`, but for members of enumerations."""
        if not all(isinstance(one, ast.Constant | ast.UnaryOp) for one in inner):
            return self._unknown(ast.Tuple(inner))
        return f"{self._of_typing('Literal')}[{', '.join(map(ast.unparse, inner))}]"

    def union(self, inner: list[ast.expr]) -> str:
        """`Union[...]` as it is written today."""
        return " | ".join(dict.fromkeys(self._write(part) for one in inner for part in _choices(one)))

    def optional(self, inner: list[ast.expr]) -> str:
        """`Optional[...]` as it is written today."""
        return self.union([*inner, ast.Constant(None)])

    def first(self, inner: list[ast.expr]) -> str:
        """The type that `Annotated[...]` says more about."""
        return self._write(inner[0])

    def _unknown(self, node: ast.expr) -> str:
        self._notes.append(ast.unparse(node))
        return ANY


def _choices(node: ast.expr) -> Iterator[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        yield from _choices(node.left)
        yield from _choices(node.right)
    else:
        yield node


_SPECIAL: Mapping[str, Callable[[_Writer, list[ast.expr]], str]] = {
    "Annotated": _Writer.first,
    "Literal": _Writer.literal,
    "Optional": _Writer.optional,
    "Union": _Writer.union,
}
_OLD_NAMES: Mapping[str, str] = {name: name.lower() for name in ("Dict", "List", "Set", "Tuple", "Type")} | {
    "FrozenSet": "frozenset"
}
