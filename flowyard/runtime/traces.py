"""Where a process was when it was stopped: read from what faulthandler wrote.

Faulthandler writes without the help of the interpreter, so it also tells where code hangs that never gives
control back; in return its text is all there is.
"""

from __future__ import annotations

import linecache
import os
import re

from flowyard.runtime.failures import is_users_file

TIMED_OUT = "Timeout ("
_THREAD = re.compile(r"^(?:Current thread|Thread) ", re.MULTILINE)
_FRAME = re.compile(r'^  File "(.+)", line (\d+) in ', re.MULTILINE)


def place_of(trace: str) -> str:
    """`flow.py, line 3: time.sleep(60)`: the user's line the main thread was in; empty when there is none."""
    threads = _THREAD.split(trace)
    main = threads[-1]  # the main thread comes last, the last call first
    for file, number in _FRAME.findall(main):
        if is_users_file(file):
            text = linecache.getline(file, int(number)).strip()
            shown = f"{os.path.relpath(file)}, line {number}"
            return f"{shown}: {text}" if text else shown
    return ""
