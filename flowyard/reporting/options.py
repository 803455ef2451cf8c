"""The options of `plan` for CI, with their help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter, validators


@dataclass(frozen=True, slots=True)
class CiOptions:
    """What a CI job is told beyond its log."""

    comment: Annotated[
        bool,
        Parameter(
            negative="", help="Keep one comment with the plan on the pull or merge request of this CI job."
        ),
    ] = False
    split: Annotated[
        int,
        Parameter(
            help="Groups that the output `matrix` of a CI job has at most: flows to build, for jobs side by side.",
            validator=validators.Number(gte=1, lte=256),
        ),
    ] = 1
