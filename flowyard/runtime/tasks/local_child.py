"""In the container of a call where nothing was shipped: runs the flow, and ends it when the caller is gone.

A process of its own beside the flow's, as small as it can be: it lives when memory runs out, and sees the end of
its input, which its caller holds open, whatever the flow does. The container is removed when this has ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import Any

from flowyard.runtime.tasks.settings import GRACE


def main(arguments: list[str]) -> int:
    """Run the call with this id. Returns the exit code of the flow's process, as a shell has it."""
    (run,) = arguments
    command = [sys.executable, "-m", "flowyard.runtime.tasks.local_flow", run]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _end(process))
    threading.Thread(target=_end_with_input, args=(process,), daemon=True).start()
    code = process.wait()
    if code < 0:
        _say_why(run)
    return code if code >= 0 else 128 - code


def _end_with_input(process: subprocess.Popen[Any]) -> None:
    while os.read(0, 1024):  # nobody writes
        pass
    _end(process)


def _end(process: subprocess.Popen[Any]) -> None:
    process.terminate()
    late = threading.Timer(GRACE, process.kill)
    late.daemon = True
    late.start()


def _say_why(run: str) -> None:
    """The flow was killed: leave word when memory was the reason."""
    from flowyard.runtime.tasks.local_flow import died_key
    from flowyard.runtime.tasks.outcome import OUT_OF_MEMORY
    from flowyard.runtime.tasks.storage import open_storage
    from flowyard.runtime.tasks.watch import out_of_memory

    if out_of_memory():
        open_storage(os.environ).put(died_key(run), f"the container ran {OUT_OF_MEMORY}".encode())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
