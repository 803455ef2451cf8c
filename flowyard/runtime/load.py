"""Imports a flow's file and finds the flow in it, the same way when the image is built and when it runs.

Prefect's own loader gives a file a module of its own beside the importable one and can fall back to a
placeholder; importing under the name that `import` would use keeps one module, so that classes defined in
a flow's file can be pickled, and fails loudly.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from flowyard.runtime.failures import CheckError

if TYPE_CHECKING:
    from prefect import Flow


def split(entrypoint: str) -> tuple[str, str | None]:
    """`flow.py:etl` -> (`flow.py`, `etl`); without a function the second is None."""
    file, _, function = entrypoint.partition(":")
    return file, function or None


def load_module(folder: str, file: str) -> ModuleType:
    """Import `file` (relative to `folder`) as the module or package member it is.

    Raises CheckError when there is no such file or its module name belongs to another file; whatever
    the file raises is passed on.
    """
    path = (Path(folder) / file).absolute()
    if not file.endswith(".py") or not path.is_file():
        raise CheckError(
            "no-flow",
            f"there is no file {file}",
            file=file,
            hint="An entrypoint is a Python file of the flow's folder, as in `flow.py:etl`.",
        )
    root, name = _module_name(path)
    if sys.path[:1] != [str(root)]:
        # First, even when it is on the path: Prefect may have put a copy of the working directory before it.
        sys.path.insert(0, str(root))
    module = importlib.import_module(name)
    found = getattr(module, "__file__", None)
    if found is None or not path.samefile(found):
        raise CheckError(
            "import-failed",
            f"{file} cannot be imported: the module name {name!r} belongs to {found or 'a built-in module'}",
            file=file,
            hint="Rename the file: a module of the same name comes first.",
        )
    return module


def _module_name(path: Path) -> tuple[Path, str]:
    """The folder to import from, and the dotted name: packages end where `__init__.py` does."""
    root, name = path.parent, path.stem
    while (root / "__init__.py").is_file():
        root, name = root.parent, f"{root.name}.{name}"
    return root, name


def find_flow(module: ModuleType, file: str, function: str | None, wanted: str) -> tuple[str, Flow[..., Any]]:
    """The flow `function` names, or the one the file defines: where it is found, and itself.

    Without `function`: the flow called `wanted` (with `_` for `-`), else the only one.
    Raises CheckError of kind no-flow, ambiguous-flow or not-a-flow.
    """
    if function is not None:
        return function, _named_flow(module, file, function)
    flows = _own_flows(module)
    name = wanted.replace("-", "_")
    if name in flows:
        return name, flows[name]
    called = [each for each, flow in flows.items() if _function_name(flow) == name]
    chosen = called if len(called) == 1 else list(flows)
    if len(chosen) == 1:
        return chosen[0], flows[chosen[0]]
    if not flows:
        raise CheckError(
            "no-flow",
            f"{file} defines no flow",
            file=file,
            hint="Decorate a function of that file with `@flow`, or name the file that has one.",
        )
    raise CheckError(
        "ambiguous-flow",
        f"{file} defines {len(flows)} flows, none of them called {name}: {', '.join(flows)}",
        file=file,
        hint=f'Name the one you mean: entrypoint = "{file}:{next(iter(flows))}".',
    )


def _named_flow(module: ModuleType, file: str, function: str) -> Flow[..., Any]:
    from prefect import Flow

    found: Any = module
    for part in function.split("."):
        if not hasattr(found, part):
            flows = ", ".join(_own_flows(module)) or "none"
            raise CheckError(
                "no-flow",
                f"{file} has no {function!r}; its flows: {flows}",
                file=file,
                hint="Correct the function's name in the entrypoint.",
            )
        found = getattr(found, part)
    kind = _method_kind(found, function)
    if kind:
        raise CheckError(
            "not-a-flow",
            f"{function} in {file} is {kind}: Prefect has nothing to call it on",
            file=file,
            hint=f"Make {function} a `@staticmethod` with `@flow` above it, or a function.",
        )
    if not isinstance(found, Flow):
        raise CheckError(
            "not-a-flow",
            f"{function} in {file} is no flow but a {type(found).__name__}",
            file=file,
            hint=f"Decorate {function} with `@flow`.",
        )
    flow: Flow[..., Any] = found
    return flow


def _method_kind(found: Any, function: str) -> str:
    """`a method` or `a class method` for a flow that is one, else an empty text."""
    from prefect import Flow

    # `@classmethod` above `@flow`: since Python 3.13 a method around the flow, before a flow bound to the class.
    bound = isinstance(getattr(found, "__func__", None), Flow)
    if bound or (isinstance(found, Flow) and (found.isclassmethod or found.ismethod)):
        return "a class method"
    is_inner = isinstance(found, Flow) and "." in function
    if is_inner and next(iter(inspect.signature(found.fn).parameters), "") == "self":
        return "a method"
    return ""


def _own_flows(module: ModuleType) -> dict[str, Flow[..., Any]]:
    """The flows this module defines (not the ones it imports), by the name to find each under."""
    from prefect import Flow

    names: dict[int, list[str]] = {}
    flows: dict[int, Flow[..., Any]] = {}
    for name, value in vars(module).items():
        if isinstance(value, Flow) and _is_defined_in(value, module):
            flows[id(value)] = value
            names.setdefault(id(value), []).append(name)
    found = {
        _function_name(flow) if _function_name(flow) in names[key] else min(names[key]): flow
        for key, flow in flows.items()
    }
    return dict(sorted(found.items()))


def _is_defined_in(flow: Flow[..., Any], module: ModuleType) -> bool:
    function: Any = inspect.unwrap(flow.fn)
    code = getattr(function, "__code__", None)
    return function.__module__ == module.__name__ or (
        code is not None and Path(code.co_filename).absolute() == Path(module.__file__ or "").absolute()
    )


def _function_name(flow: Flow[..., Any]) -> str:
    return str(getattr(flow.fn, "__name__", ""))
