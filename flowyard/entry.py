"""The program: which verb is meant, and the one place where errors and signals end it.

It stands before the command line's parser, because flows alone need no parser: importing one takes a sixth of the
time of a ship that has nothing to do.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from contextlib import suppress

from flowyard.errors import FlowyardError, UsageError, expected
from flowyard.interruption import Interruption, is_interrupt

VERBS = frozenset(
    {"build", "clean", "down", "list", "lock", "plan", "policies", "register", "render", "run", "ship", "up"}
)
NAMED_FLOWS = frozenset({"plan", "render", "ship"})  # what people call most, with no other words than these
GLOBAL_OPTIONS = frozenset({"--help", "-h", "--version", "--install-completion"})
SIGNALLED = 128  # and the number of the signal that ended the program
OUTPUT_CLOSED = 141  # 128 and the number of SIGPIPE
COLLECT_AFTER = 50_000  # objects; the default of 700 walks through the modules time and again while they load


def with_default_verb(argv: Sequence[str]) -> list[str]:
    """argv with the verb spelled out: ship, unless the first word is a verb or asks for help."""
    words = list(argv)
    if words and (words[0] in VERBS or words[0] in GLOBAL_OPTIONS):
        return words
    return ["ship", *words]


def verb_meant(argv: Sequence[str], message: str) -> str:
    """What to say of a first word that is no verb, nor a flow as `message` says of it; or nothing."""
    import difflib

    if not argv or f"'{argv[0]}'" not in message or "/" in argv[0]:
        return ""
    near = difflib.get_close_matches(argv[0], sorted(VERBS), n=1)
    meant = f"; did you mean `{near[0]}`?" if near else ""
    return f"the verbs are {', '.join(sorted(VERBS))}{meant}"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    given = sys.argv[1:] if argv is None else argv
    words = with_default_verb(given)
    # Looking for pydantic plugins reads the metadata of every installed package, and there are none for us.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # A cancelled CI job sends SIGTERM; it has to end the builds and give the lease back as Ctrl-C does.
    interruption = Interruption()
    interruption.install()
    try:
        code = _call(words)
        sys.stdout.flush()
        return code
    except UsageError as error:
        hint = verb_meant(given, error.message) if words != list(given) else ""
        return _fail(error.retold(error.message, hint=hint), words)
    except KeyboardInterrupt:
        return _interrupted(interruption)
    except BrokenPipeError:
        # Whoever read stdout (`| head`) has enough; what is still buffered must not fail at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OUTPUT_CLOSED
    except Exception as error:  # the one place where a defect becomes a message and an exit code
        return _interrupted(interruption) if is_interrupt(error) else _fail(expected(error), words)
    finally:
        interruption.remove()


def program() -> None:
    """The installed command: `main` in a process of its own."""
    gc.set_threshold(COLLECT_AFTER)
    code = main()
    gc.freeze()  # the interpreter's last collection then has nothing to walk through: the process is over
    if code > SIGNALLED:
        # Python itself would end by SIGINT, and not with our code, when that came while it ran code that is made as
        # text, as that of dataclasses is.
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _call(words: Sequence[str]) -> int:
    verb, *flows = words
    names_only = verb in NAMED_FLOWS and not any(flow.startswith("-") for flow in flows)
    if names_only or words == ["list"]:
        return _call_plainly(verb, flows)
    from flowyard.commands import cli

    return cli.call(words)


def _call_plainly(verb: str, flows: Sequence[str]) -> int:
    """What commands/cli.py does for a verb with nothing but names of flows behind it."""
    from flowyard.adapters.capacity import jobs_here
    from flowyard.building.pace import Pace
    from flowyard.commands import verbs
    from flowyard.commands.output import Output
    from flowyard.planning.selection import Selection

    text, selection = Output(json=False), Selection(tuple(flows))
    if verb == "ship":
        return verbs.ship(selection, None, text, Pace(jobs_here()))
    if verb == "render":
        return verbs.render(flows)
    if verb == "list":
        return verbs.list_flows(None, text)
    verbs.plan(selection, None, text)
    return 0


def _interrupted(interruption: Interruption) -> int:
    print("interrupted", file=sys.stderr)
    return interruption.exit_code


def _fail(error: FlowyardError, words: Sequence[str]) -> int:
    from flowyard.commands.ci import tell_error
    from flowyard.report import error_json, error_text

    print(error_text(error), file=sys.stderr)
    if "--json" in words:
        print(error_json(error))
    tell_error(error, words, os.environ, sys.stderr)
    return error.exit_code
