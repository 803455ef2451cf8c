"""Mistakes in what lies beside the two files: folders, links, bytes that are no text, locks, templates."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.configuration import HELLO, registry
from tests.mistakes.table import Folder, Link, Mistake, Pipe

LATIN = "# café\n".encode("latin-1")
REQUIREMENTS = "flows/hello/requirements.txt"
LOCK = "flows/hello/requirements.lock"
RENDER = ("render",)


FILES: Mapping[str, Mistake] = {
    "outside of a repository": Mistake({"registry.toml": None}),
    "registry.toml is a link to itself": Mistake({"registry.toml": Link("registry.toml")}),
    "registry.toml is a folder": Mistake({"registry.toml": Folder()}),
    "registry.local.toml leads nowhere": Mistake({"registry.local.toml": Link("missing.toml")}),
    "flow.toml is a link to itself": Mistake({HELLO: Link("flow.toml")}),
    "flow.toml leads nowhere": Mistake({HELLO: Link("../missing.toml")}),
    "flow.toml is a folder": Mistake({HELLO: Folder()}),
    "flow.toml is not UTF-8": Mistake({HELLO: LATIN}),
    "flow.toml is UTF-16": Mistake({HELLO: 'base = "x"\n'.encode("utf-16")}),
    "empty folder": Mistake({"flows/empty": Folder()}),
    "folder that only holds a cache": Mistake({"flows/old/__pycache__/flow.pyc": b"\0"}),
    "flow folder is a link to itself": Mistake(
        {"flows/loop": Link("loop"), **registry('[defaults]\ninclude = ["flows/loop"]\n')}
    ),
    "flow folder is a link out of the repository": Mistake({"flows/away": Link("../../outside")}),
    "flow folder of a name that is not UTF-8": Mistake({"flows/caf\udce9/flow.py": ""}),
    "flow.py is a link to itself": Mistake({"flows/hello/flow.py": Link("flow.py")}),
    "flow.py is a folder": Mistake({"flows/hello/flow.py": Folder()}),
    "include is a link out of the repository": Mistake(
        {"shared": Link("../outside"), HELLO: 'include = ["shared"]\n'}
    ),
    "include is a link to itself": Mistake({"shared": Link("shared"), HELLO: 'include = ["shared"]\n'}),
    "include is the repository": Mistake({HELLO: 'include = ["."]\n'}),
    "file is a link out of its folder": Mistake(
        {"flows/hello/data.csv": Link("../../registry.toml")}, RENDER
    ),
    "file is a link to the root": Mistake({"flows/hello/data.csv": Link("/etc/hostname")}, RENDER),
    "file is a named pipe": Mistake({"flows/hello/pipe": Pipe()}, RENDER),
    "file of a name that is not UTF-8": Mistake({"flows/hello/caf\udce9.csv": ""}, RENDER),
    "file of a name with a line break": Mistake({"flows/hello/a\nb.csv": ""}, RENDER),
    ".dockerignore is not UTF-8": Mistake({"flows/hello/.dockerignore": LATIN}, RENDER),
    "requirements are a link to themselves": Mistake({REQUIREMENTS: Link("requirements.txt")}),
    "lock is missing": Mistake({LOCK: None}, RENDER),
    "lock is stale": Mistake({REQUIREMENTS: "attrs\nidna\n"}, RENDER),
    "lock is empty": Mistake({LOCK: ""}, RENDER),
    "lock is a folder": Mistake({LOCK: Folder()}, RENDER),
    "lock is not UTF-8": Mistake({LOCK: LATIN}, RENDER),
    "lock of another Python": Mistake({HELLO: 'base = "python:3.12-slim"\n'}, RENDER),
    "lock of Prefect is stale": Mistake({"images/locks/prefect.in": "prefect>=3\n"}, RENDER),
    "lock of Prefect is missing": Mistake({"images/locks/prefect-3.13.lock": None}, RENDER),
    "lock of uv is missing": Mistake({"images/locks/uv.lock": None}, RENDER),
    "base is not pinned": Mistake({HELLO: 'base = "python:3.13"\n'}, RENDER),
    "base of an unknown Python": Mistake({HELLO: 'base = "team/base:1"\n'}, RENDER),
    "images/scripts is missing": Mistake({"images/scripts": None}, RENDER),
    "template is missing": Mistake({"images/Dockerfile.j2": None}, RENDER),
    "template is not UTF-8": Mistake({"images/Dockerfile.j2": LATIN}, RENDER),
    "template with a name that nobody defined": Mistake({"images/Dockerfile.j2": "FROM {{ bse }}\n"}, RENDER),
    "template with a syntax error": Mistake({"images/Dockerfile.j2": "FROM {{ base\n"}, RENDER),
    "template that divides by zero": Mistake({"images/Dockerfile.j2": "FROM {{ 1 / 0 }}\n"}, RENDER),
    "template that includes what is not there": Mistake(
        {"flows/hello/Dockerfile.j2": '{% extends "Dockrfile.j2" %}\n'}, RENDER
    ),
    "own template that is not UTF-8": Mistake({"flows/hello/Dockerfile.j2": LATIN}, RENDER),
    "own Dockerfile that is not UTF-8": Mistake({"flows/hello/Dockerfile": LATIN}, RENDER),
}
