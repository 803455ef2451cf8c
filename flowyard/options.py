"""Options that several verbs have, with their help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, Token, validators

if TYPE_CHECKING:
    from flowyard.pace import Pace
    from flowyard.planning.selection import Selection


def _whole_number(kind: object, tokens: Sequence[Token]) -> int:
    found = tokens[0].value
    try:
        return int(found)  # the library's own conversion also takes 1.5, and rounds it
    except ValueError:
        raise ValueError(f'"{found}" is not a whole number.') from None


Flow = Annotated[str, Parameter(help="Flow name, folder or glob; none means all flows.")]
TargetName = Annotated[
    str | None,
    Parameter(name=["--target", "-t"], help="Target of registry.toml; default: project.default-target."),
]
Json = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for a program on stdout.")]
Jobs = Annotated[
    int | None,
    Parameter(
        name=["--jobs", "-j"],
        help="Images built at once; default: as cores and free memory allow, at most 4.",
        converter=_whole_number,
        validator=validators.Number(gte=1),
    ),
]
Exclude = Annotated[
    tuple[str, ...],
    Parameter(
        name=["--exclude", "-x"],
        negative=(),
        help="Flow name, folder or glob to leave out; any number of them.",
    ),
]
Releases = Annotated[
    int | None,
    Parameter(
        help="Keep the images of so many newest releases of each flow that is deployed; default: 20.",
        converter=_whole_number,
        validator=validators.Number(gte=1),
    ),
]
FailFast = Annotated[
    bool, Parameter(negative="", help="Begin no other flow once one has failed, and end builds that run.")
]


@dataclass(frozen=True, slots=True)
class Speed:
    """How flows are gone through, with its help."""

    jobs: Jobs = None
    fail_fast: FailFast = False

    def pace(self) -> Pace:
        """The same without the words for it."""
        from flowyard.pace import Pace

        return Pace(self.jobs, self.fail_fast)


@dataclass(frozen=True, slots=True)
class Filters:
    """What narrows or widens the flows that are named, with its help."""

    exclude: Exclude = ()
    changed: Annotated[
        bool, Parameter(negative="", help="Only what differs from what is deployed on the target.")
    ] = False
    with_parents: Annotated[
        bool, Parameter(negative="", help="Also the flows that call them as Docker tasks, and their callers.")
    ] = False
    since: Annotated[
        str | None,
        Parameter(
            help="Only what may have been touched since this commit, branch or tag of git; narrows only."
        ),
    ] = None

    def of(self, words: Sequence[str]) -> Selection:
        """The flows of these words, filtered."""
        from flowyard.planning.selection import Selection

        return Selection(tuple(words), self.exclude, self.changed, self.with_parents, self.since)
