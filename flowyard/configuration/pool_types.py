"""Types of work pools: which there are, and why the others are not supported.

Prefect has more types than Flowyard can ship to; a name that Prefect knows gets an answer of its own, and not one
for a word that was mistyped.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from flowyard.texts import did_you_mean, show

SUPPORTED = ("docker", "ecs", "ecs:push", "kubernetes")
_NO_IMAGE = "runs flows where the worker is, without the flow's own image"
_NOT_YET = "runs images, but Flowyard does not write its job variables yet"
_ELSEWHERE = "runs flows in an environment that is not built from the flow's own image"
_UNSUPPORTED: Mapping[str, str] = MappingProxyType(
    {
        "process": _NO_IMAGE,
        "prefect-agent": _NO_IMAGE,
        "prefect:managed": "runs flows on Prefect's machines, in an image of Prefect's",
        **{
            f"{name}{push}": _NOT_YET
            for name in ("cloud-run", "cloud-run-v2", "azure-container-instance")
            for push in ("", ":push")
        },
        "vertex-ai": _NOT_YET,
        "modal:push": _ELSEWHERE,
        "coiled:push": _ELSEWHERE,
    }
)


def why_not(work_pool_type: str) -> str | None:
    """Why flows are not shipped to work pools of this type; None where they are."""
    if work_pool_type in SUPPORTED:
        return None
    listed = ", ".join(f'"{name}"' for name in SUPPORTED)
    why = _UNSUPPORTED.get(work_pool_type)
    if why is None:
        guess = did_you_mean(work_pool_type, SUPPORTED)
        return f"{show(work_pool_type)} is no type of work pool that Flowyard knows{guess}; types: {listed}"
    return f"a work pool of type {show(work_pool_type)} {why}; types that are supported: {listed}"
