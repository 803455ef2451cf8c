"""Settings of Docker tasks: those that the environment holds, as numbers, and what two programs keep to."""

from __future__ import annotations

import math
from collections.abc import Mapping

from flowyard.runtime.tasks.errors import BadSetting

GRACE = 8.0  # seconds that a cancelled Docker task has before its process is killed


def number(environ: Mapping[str, str], name: str, default: float) -> float:
    """The number in this variable, `default` where it is not set or empty. Raises BadSetting."""
    text = environ.get(name, "").strip()
    if not text:
        return default
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if math.isfinite(found) and found >= 0:
        return found
    raise BadSetting(f"{name} is {text!r}: it has to be a number, such as {default:g}; set it in `env`")
