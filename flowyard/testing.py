"""For unit tests of flows that call Docker tasks: no image, no container, no server.

from flowyard.testing import inline, replaced

with replaced(clean=lambda frame: frame):        # a function of the test
    assert etl.fn("monday") == 3
with replaced(clean=inline("flows/clean")):      # the flow itself, in this process
    ...
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from flowyard.runtime.load import find_flow
from flowyard.runtime.tasks import standins


def replaced(**functions: Callable[..., Any]) -> AbstractContextManager[None]:
    """Have these functions called in place of the Docker tasks of their names: by calls, submit, map and acall.

    A name with dashes is given with underscores.
    """
    both = {**functions, **{name.replace("_", "-"): function for name, function in functions.items()}}
    return standins.replaced(both)


def inline(folder: str | Path, entrypoint: str = "flow.py") -> Callable[..., Any]:
    """The function of the flow in this folder, imported into this process: what it needs has to be installed.

    Raises CheckError when the file has no such flow.
    """
    folder = Path(folder).resolve()
    file, _, function = entrypoint.partition(":")
    # A name of its own: each folder has a flow.py.
    name = f"flowyard_inline_{folder.name.replace('-', '_')}_{Path(file).stem}"
    spec = importlib.util.spec_from_file_location(name, folder / file)
    if spec is None or spec.loader is None:
        raise FileNotFoundError(folder / file)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes of it are found by this name
    spec.loader.exec_module(module)
    flow = find_flow(module, file, function or None, folder.name)[1]
    called: Callable[..., Any] = flow.fn
    return called
