"""Options that several verbs have, with their help."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import Parameter, Token, validators

from flowyard.aws.options import PolicyOptions

if TYPE_CHECKING:
    from flowyard.building.pace import Pace
    from flowyard.planning.selection import Selection


def _whole_number(kind: object, tokens: Sequence[Token]) -> int:
    found = tokens[0].value
    try:
        return int(found)  # the library's own conversion also takes 1.5, and rounds it
    except ValueError:
        raise ValueError(f'"{found}" is not a whole number.') from None


FlowWord = Annotated[str, Parameter(help="Flow name, folder or glob; none means all flows.")]
TargetName = Annotated[
    str | None,
    Parameter(name=["--target", "-t"], help="Target of registry.toml; default: project.default-target."),
]
Report = Annotated[
    str | None, Parameter(help="File to write a page to (HTML): time line, layers, calls, what failed.")
]
AsJson = Annotated[bool, Parameter(name="--json", negative="", help="Print JSON for a program on stdout.")]
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
        from flowyard.adapters.capacity import jobs_here
        from flowyard.building.pace import Pace

        return Pace(self.jobs or jobs_here(), self.fail_fast)


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


@dataclass(frozen=True, slots=True)
class Policies(PolicyOptions):
    """The options of the verb `policies`, each with its help."""

    account: Annotated[
        str | None, Parameter(help="Account the target runs in; needed where no ARN of the target has it.")
    ] = None
    region: Annotated[
        str | None, Parameter(help="Region; needed where neither the registry nor the cluster has one.")
    ] = None
    role_prefix: Annotated[
        str | None, Parameter(help="What the roles' names begin with; default: PROJECT-TARGET.")
    ] = None
    github: Annotated[
        str | None,
        Parameter(
            help="OWNER/REPOSITORY whose workflows ship, or OWNER@ID/REPOSITORY@ID; none: no trust policy."
        ),
    ] = None
    branch: Annotated[
        str | None, Parameter(help="Branch that may ship; default: main, where no environment is named.")
    ] = None
    environment: Annotated[
        str | None, Parameter(help="Environment on GitHub that may ship, as in `environment: production`.")
    ] = None
    worker: Annotated[
        Literal["ecs", "ec2"] | None,
        Parameter(
            help="Where the worker runs: as an ECS task or on an EC2 instance; default: with its tasks."
        ),
    ] = None
    events_queue: Annotated[
        str | None,
        Parameter(help="Queue of task events that the worker reads; default: WORK-POOL-ecs-events."),
    ] = None
    secrets_key: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="ARN of a KMS key that secrets are encrypted with; any number of them."),
    ] = ()
    results_key: Annotated[
        tuple[str, ...],
        Parameter(negative=(), help="ARN of a KMS key that the results' bucket is encrypted with."),
    ] = ()


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
