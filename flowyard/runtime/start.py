"""The image's ENTRYPOINT: drops the settings of the worker's own machine, then becomes the given command.

A worker hands every Prefect setting it runs with to its containers (its home folder, its poll interval, its
log level); they describe another machine. Docker, ECS and Kubernetes work pools all set the container's
*command* and leave the entrypoint alone, so this is the one place every run passes, whatever its command. It
runs by path, isolated and without site-packages, because every run waits for it.
"""

from __future__ import annotations

import os
import sys
import time

TYPE_CHECKING = False  # as in typing, whose import would cost more than all the rest
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# What a run needs to reach the API the worker reaches, and what a work pool sets for the run itself.
KEPT = frozenset(
    (
        "PREFECT_API_URL",
        "PREFECT_API_KEY",
        "PREFECT_API_AUTH_STRING",
        "PREFECT_API_SSL_CERT_FILE",
        "PREFECT_API_TLS_INSECURE_SKIP_VERIFY",
        "PREFECT_API_ENABLE_HTTP2",
        "PREFECT_CLOUD_API_URL",
        "PREFECT_CLIENT_CUSTOM_HEADERS",
        "PREFECT_CLIENT_CSRF_SUPPORT_ENABLED",
        "PREFECT_FLOW_RUN_EXECUTE_SIGTERM_BEHAVIOR",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY",
        "PREFECT_RUNNER_HEARTBEAT_FREQUENCY",
    )
)
# Paths that are right on the worker's machine only, unless the same file is here too.
FILES = ("PREFECT_API_SSL_CERT_FILE",)
STARTED = "FLOWYARD_STARTED"  # seconds since the epoch, read by flowyard.runtime.marks
KEEP_ENV = "FLOWYARD_KEEP_ENV"  # names, separated by commas, of the variables that the deployment itself sets
# What every worker gives as the command, and what takes its place: see flowyard.runtime.execute.
STOCK = ["prefect", "flow-run", "execute"]
OURS = ["-m", "flowyard.runtime.execute"]
RUNNER = "FLOWYARD_RUNNER"  # `prefect` leaves the command as it is
# Prefect would otherwise install a pyproject.toml's dependencies again at every run: the image has them.
ALWAYS = {"PREFECT_RUNNER_AUTO_INSTALL_DEPENDENCIES": "false"}


def environment(given: Mapping[str, str], exists: Callable[[str], bool]) -> tuple[dict[str, str], list[str]]:
    """The environment of the run, and a note for each value left out that one could miss."""
    asked = {name.strip() for name in given.get(KEEP_ENV, "").split(",")}
    run = dict(ALWAYS)
    notes = []
    for name, value in given.items():
        ours = not name.startswith("PREFECT_") or name.startswith("PREFECT__") or name in asked
        if not ours and name not in KEPT:
            continue
        if not ours and name in FILES and not exists(value):
            notes.append(f"flowyard: {name}={value} is the worker's file and not in this image: ignored")
            continue
        run[name] = value
    return run, notes


def program(command: list[str], python: str, run: Mapping[str, str]) -> list[str]:
    """The words of the program to become: `command`, Python when there is none, our executor for Prefect's."""
    if command == STOCK and run.get(RUNNER) != "prefect":
        return [python, *OURS]
    return command or [python]


def main(command: list[str]) -> int:
    """Replace this process by the program that `command` asks for. Returns only when that fails."""
    started = time.time()
    run, notes = environment(dict(os.environ), os.path.exists)
    run[STARTED] = f"{started:.6f}"
    for note in notes:
        sys.stderr.write(note + "\n")
    words = program(command, sys.executable, run)
    try:
        os.execvpe(words[0], words, run)  # noqa: S606 - to become the command is its purpose
    except OSError as error:
        sys.stderr.write(f"flowyard: cannot start {words[0]!r}: {error.strerror}\n")
        # The codes a shell gives: not found, and found but not to be executed.
        return 127 if isinstance(error, FileNotFoundError) else 126


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
