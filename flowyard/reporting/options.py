"""The options that say who is told of a command beside its output, with their help."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from cyclopts import Parameter, validators

Report = Annotated[
    str | None, Parameter(help="File to write a page to (HTML): time line, layers, calls, what failed.")
]


@dataclass(frozen=True, slots=True)
class PlanTelling:
    """Who is told of a plan beside its output."""

    report: Report = None

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
