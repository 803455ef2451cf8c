"""What a Kubernetes API says of a job's manifest: its own schema, and no key that it does not know."""

from __future__ import annotations

import copy
from typing import Any

import jsonschema
import kubernetes_validate

VERSION = "1.33"
# Prefect's own template has these one level too deep, where a cluster leaves them out with a warning.
MISPLACED = ("completions", "parallelism")


def problem_of(job: dict[str, Any]) -> str | None:
    """What the Kubernetes schema says against a manifest, which may have no key that it does not know."""
    known = copy.deepcopy(job)
    for name in MISPLACED:
        assert known["spec"]["template"]["spec"].pop(name) == 1
    try:
        kubernetes_validate.validate(known, VERSION, strict=True)
    except jsonschema.ValidationError as error:
        return f"{error.json_path}: {error.message}"
    return None
