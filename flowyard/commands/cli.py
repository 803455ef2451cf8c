"""The command line: one verb a function, with its options and their help.

Verbs import what they need when they run: help and completion must not pay for the pipeline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, CycloptsError, Group, Parameter, UnusedCliTokensError

from flowyard.commands.options import (
    AsJson,
    Exclude,
    FailFast,
    Filters,
    FlowWord,
    PlanTelling,
    Policies,
    Releases,
    Report,
    Speed,
    TargetName,
)
from flowyard.errors import UsageError
from flowyard.program import PROGRAM

HELP = f"""Turn every folder under flows/ into its own container image and the Prefect deployments that run it.

With no verb, or when the first word is none, the verb is ship: `{PROGRAM} flows/etl`.
"""
PIPELINE = Group("The pipeline", sort_key=1)
AROUND = Group("Around it", sort_key=2)
PLAN_HAS_CHANGES = 3
FROM_FILES = Policies()
NOBODY = PlanTelling()
EVERY, USUAL = Filters(), Speed()


def _version() -> str:
    from importlib.metadata import version

    return version("flowyard")


def _positive(kind: object, value: float | None) -> None:
    if value is not None and not value > 0:  # "not a number" is not greater either
        raise ValueError("Must be > 0.")


app = App(
    name="flowyard",
    help=HELP,
    help_format="plaintext",
    version_flags=["--version"],
    version=_version,
    suppress_keyboard_interrupt=False,  # entry.py says that it was interrupted
)

Filtered = Annotated[Filters, Parameter(name="*")]
Paced = Annotated[Speed, Parameter(name="*")]


@app.command(group=PIPELINE)
def ship(
    *flows: FlowWord,
    target: TargetName = None,
    json: AsJson = False,
    speed: Paced = USUAL,
    filters: Filtered = EVERY,
    report: Report = None,
) -> int:
    """Build, check, push and register what changed. The default verb."""
    from flowyard.commands import verbs
    from flowyard.commands.output import Output
    from flowyard.commands.telling import Telling

    output = Output(json, Telling(report=report))
    return verbs.ship(filters.of(flows), target, output, speed.pace())


@app.command(group=PIPELINE)
def plan(
    *flows: FlowWord,
    target: TargetName = None,
    json: AsJson = False,
    detailed_exitcode: Annotated[
        bool, Parameter(negative="", help="Exit with 0 when there is nothing to do, with 3 when there is.")
    ] = False,
    telling: Annotated[PlanTelling, Parameter(name="*")] = NOBODY,
    filters: Filtered = EVERY,
) -> int:
    """Say what ship would do to each flow, and why. Builds nothing."""
    from flowyard.commands import verbs
    from flowyard.commands.output import Output
    from flowyard.commands.telling import Telling

    output = Output(json, Telling(telling.comment, telling.split, telling.report))
    changes = verbs.plan(filters.of(flows), target, output)
    return PLAN_HAS_CHANGES if changes and detailed_exitcode else 0


@app.command(group=PIPELINE)
def render(*flows: FlowWord, exclude: Exclude = ()) -> int:
    """Print the Dockerfile of each flow."""
    from flowyard.commands import verbs

    return verbs.render(flows, exclude)


@app.command(group=PIPELINE)
def build(
    *flows: FlowWord,
    target: TargetName = None,
    json: AsJson = False,
    speed: Paced = USUAL,
    filters: Filtered = EVERY,
    report: Report = None,
) -> int:
    """Build and check the images on this machine; push and register nothing."""
    from flowyard.commands import verbs
    from flowyard.commands.output import Output
    from flowyard.commands.telling import Telling

    output = Output(json, Telling(report=report))
    return verbs.build(filters.of(flows), target, output, speed.pace())


@app.command(group=PIPELINE)
def register(
    *flows: FlowWord,
    target: TargetName = None,
    json: AsJson = False,
    fail_fast: FailFast = False,
    filters: Filtered = EVERY,
) -> int:
    """Register deployments of images that are in the container registry already; build nothing."""
    from flowyard.commands import verbs
    from flowyard.commands.output import Output

    return verbs.register(filters.of(flows), target, Output(json), Speed(fail_fast=fail_fast).pace())


@app.command(name="list", group=AROUND)
def list_(*, target: TargetName = None, json: AsJson = False) -> int:
    """List the flows, their deployments and what runs them."""
    from flowyard.commands import verbs
    from flowyard.commands.output import Output

    return verbs.list_flows(target, Output(json))


@app.command(group=AROUND)
def lock(
    *flows: FlowWord,
    upgrade: Annotated[bool, Parameter(negative="", help="Take the newest versions that fit.")] = False,
    exclude: Exclude = (),
) -> int:
    """Pin base images by digest, and dependencies with hashes; write the types of Docker tasks. Commit it all."""
    from flowyard.commands import verbs

    return verbs.lock(flows, upgrade, exclude)


@app.command(group=AROUND)
def run(
    deployment: Annotated[str, Parameter(help="Flow, or flow/deployment: `etl`, `etl/daily`.")],
    /,
    *,
    parameter: Annotated[
        tuple[str, ...],
        Parameter(name=["--parameter", "-p"], help="NAME=VALUE; VALUE is JSON or text.", negative=""),
    ] = (),
    target: TargetName = None,
    json: AsJson = False,
    timeout: Annotated[
        float | None,
        Parameter(help="Seconds after which following ends with an error.", validator=_positive),
    ] = None,
) -> int:
    """Trigger a deployment, follow its run, print the flow's result."""
    from flowyard.commands import verbs
    from flowyard.commands.output import Output

    return verbs.run(deployment, parameter, target, Output(json), timeout)


@app.command(group=AROUND)
def policies(
    *,
    target: TargetName = None,
    json: AsJson = False,
    terraform: Annotated[bool, Parameter(negative="", help="Terraform instead of JSON documents.")] = False,
    output: Annotated[
        str | None, Parameter(help="Folder to write the files to; default: they are printed.")
    ] = None,
    options: Annotated[Policies, Parameter(name="*")] = FROM_FILES,
) -> int:
    """Write the IAM policies that a target needs in AWS: for CI, worker, tasks and `run`. Asks nobody."""
    from flowyard.commands import verbs
    from flowyard.commands.output import Output

    return verbs.policies(target, Output(json), verbs.PolicyFiles(terraform, output), options)


@app.command(group=AROUND)
def up(
    *,
    target: TargetName = None,
    database: Annotated[
        str | None,
        Parameter(
            env_var="FLOWYARD_DATABASE",
            show_env_var=False,
            help="Database of the Prefect server: sqlite, postgres (its own) or postgresql://USER@HOST/NAME.",
        ),
    ] = None,
) -> int:
    """Start the embedded registry, Prefect server and docker worker, as far as they do not run."""
    from flowyard.commands import machine

    return machine.up(target, database)


@app.command(group=AROUND)
def down(
    *, delete_data: Annotated[bool, Parameter(negative="", help="Also delete database and images.")] = False
) -> int:
    """Stop what `up` started. The data is kept."""
    from flowyard.commands import machine

    return machine.down(delete_data)


@app.command(group=AROUND)
def clean(
    *,
    target: TargetName = None,
    dry_run: Annotated[bool, Parameter(negative="", help="Remove nothing, only say what would be.")] = False,
    releases: Releases = None,
    json: AsJson = False,
) -> int:
    """Free what ships left on this machine's disk and nothing needs: images, their build cache, old logs."""
    from flowyard.commands import machine
    from flowyard.commands.output import Output

    return machine.clean(target, Output(json), dry_run=dry_run, releases=releases)


app.register_install_completion_command()


def call(words: Sequence[str]) -> int:
    """Parse the words, the first of them a verb, call it and return its exit code. Raises UsageError."""
    try:
        return int(app(words, exit_on_error=False, print_error=False, result_action="return_value") or 0)
    except CycloptsError as error:
        raise UsageError(_said(error), hint=f"see `{PROGRAM} {words[0]} --help`") from error


def _said(error: CycloptsError) -> str:
    """What is wrong with the words, in one sentence."""
    if isinstance(error, UnusedCliTokensError):
        return f"this verb takes no further words, found: {' '.join(error.unused_tokens or ())}"
    return str(error).strip()
