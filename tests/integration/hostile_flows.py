"""Flows whose files do what they should not while they are imported, and what is said of each."""

from __future__ import annotations

from dataclasses import dataclass

SECONDS = 3  # what check-seconds is lowered to, so that no test waits for the minute a file wants
FLOW = "\n\n@flow\ndef {name}({signature}): ...\n"


@dataclass(frozen=True)
class Hostile:
    """What its file does at module level, on line 3 and on; its flow's signature and its flow.toml.

    `message` is what the ship says of it, exactly (ANY stands for a value that is never the same); empty for a
    flow that is shipped all the same.
    """

    does: str
    message: str = ""
    signature: str = "number: int = 1"
    settings: str = ""

    def source(self, name: str, once: str) -> str:
        """The whole file. `once` makes it a file that no build cache knows: a cached check shows nothing."""
        flow = FLOW.format(name=name, signature=self.signature)
        return f"from prefect import flow\n\n{self.does}{flow}\n# {once}\n"


SHIPPED = {
    "prints": Hostile(
        'import os, sys\nprint("on stdout")\nprint("on stderr", file=sys.stderr)\nos.write(1, b"on fd 1\\n")\n'
        'print("without an end", end="")'
    ),
    "writes": Hostile(
        "import pathlib, shutil\nfor folder in (pathlib.Path(__file__).parent, pathlib.Path('/tmp')):\n"
        "    folder.joinpath('left-behind.txt').write_text('x')\nshutil.rmtree('part')"
    ),
    "spawns": Hostile(
        "import subprocess, threading, time\n\n\ndef forever():\n    while True:\n        time.sleep(0.01)\n\n\n"
        "for _ in range(20):\n    threading.Thread(target=forever).start()\n"
        'subprocess.Popen(["sh", "-c", "while :; do echo still here; sleep 0.1; done"])'
    ),
    "environ": Hostile(
        'import os\n\nNAMES = " ".join(sorted(os.environ))\nREGION = os.environ.get("FLOWYARD_CANARY", "none")',
        signature="names: str = NAMES, region: str = REGION",
    ),
}
REFUSED = {
    "exits": Hostile(
        "import sys\nsys.exit('no day given')",
        "flow.py cannot be imported: SystemExit: no day given (flow.py, line 4: sys.exit('no day given'))",
    ),
    "ends": Hostile("import os\nos._exit(0)", "importing flow.py ended the process with exit status 0"),
    "crashes": Hostile(
        "import ctypes\nctypes.string_at(0)",
        "importing flow.py ended the process by SIGSEGV (flow.py, line 4: ctypes.string_at(0))",
    ),
    "needs_env": Hostile(
        'import os\nHOST = os.environ["DB_HOST"]',
        "flow.py cannot be imported: KeyError: 'DB_HOST' (flow.py, line 4: HOST = os.environ[\"DB_HOST\"])",
    ),
    "minute": Hostile(
        "import time\ntime.sleep(60)",
        f"importing flow.py took longer than {SECONDS} s and was stopped (flow.py, line 4: time.sleep(60))",
        settings=f"check-seconds = {SECONDS}\n",
    ),
    "allocates": Hostile(
        "DATA = bytearray(4 << 30)",
        "importing flow.py needs more memory than the 2Gi the check allows "
        "(flow.py, line 3: DATA = bytearray(4 << 30)): MemoryError",
    ),
    "grows": Hostile(
        "DATA = []\nwhile True:\n    DATA.append(bytearray(1 << 20))",
        "importing flow.py needs more memory than the 384Mi the check allows "
        "(flow.py, line 5: DATA.append(bytearray(1 << 20))): MemoryError",
        settings='check-memory = "384Mi"\n',
    ),
    "shouts": Hostile(
        "import sys\nfor number in range(300_000):\n    print('line', number)\nsys.stderr = None\n1 / 0",
        "flow.py cannot be imported: ZeroDivisionError: division by zero (flow.py, line 7: 1 / 0)",
    ),
    "today": Hostile(
        "from datetime import date\n",
        "flow 'today' in flow.py: parameter 'day' (datetime.date) on line 7 has a default that depends on the time of "
        "the import (datetime.date(ANY) now, datetime.date(ANY) at another time): use None and make the value inside "
        "the flow",
        signature="day: date = date.today()",
    ),
    "ticket": Hostile(
        "from uuid import UUID, uuid4\n",
        "flow 'ticket' in flow.py: parameter 'id' (uuid.UUID) on line 7 has a default that is another one at every "
        "import ('ANY', then 'ANY'): use None and make the value inside the flow",
        signature="id: UUID = uuid4()",
    ),
    "parameters": Hostile(
        "import enum\n\nfrom pydantic import BaseModel, SecretStr\n\n\n"
        "class Pair(enum.Enum):\n    ONE = (1, 2)\n\n\nclass Login(BaseModel):\n    token: SecretStr = 'hunter2'\n",
        "flow 'parameters' in flow.py: "
        "parameter 'secret' (pydantic.SecretStr) on line 18 has a secret in its default: a secret has no place in "
        "a schema; use None and load it inside the flow, from a Secret block; "
        "parameter 'login' (flow.Login | None) on line 19 takes a model with a secret in the default of "
        "Login.token: make the field required or None; a secret has no place in a schema; "
        "parameter 'pair' (flow.Pair | None) on line 20 takes values that JSON cannot name (Pair.ONE): give an "
        "enum's members a text or a number as their value, and annotate with the enum, not with a Literal of its "
        "members; "
        "parameter 'wrong' (int) on line 21 has the default 'one', which does not fit its annotation: change the "
        "default or the annotation; "
        "parameter 'rest' (int) on line 22 collects any number of arguments, which a run cannot be given: name "
        "each parameter; "
        "parameter 'more' (str) on line 23 collects any number of arguments, which a run cannot be given: name "
        "each parameter",
        signature="\n    secret: SecretStr = 'hunter2',\n    login: Login | None = None,\n"
        "    pair: Pair | None = None,\n    wrong: int = 'one',\n    *rest: int,\n    **more: str,\n",
    ),
}
