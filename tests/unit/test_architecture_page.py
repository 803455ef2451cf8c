"""docs/architecture.md and the code name the same ports, and say the same of where they are declared."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support import REPOSITORY

PACKAGE = REPOSITORY / "flowyard"
PAGE = REPOSITORY / "docs/architecture.md"
ROW = re.compile(r"^\| (`[A-Z][^|]*) \| ([^|]*) \|", re.MULTILINE)
NAME = re.compile(r"`(\w+)`")
FILE = re.compile(r"[\w./]+\.py")
# Protocols that are no ports: nothing of the outside world is behind them, or only a part of one port.
NO_PORTS = frozenset(
    {
        "adapters/aws/ecr_repositories.py Registry",
        "adapters/terminal.py Display",
        "ports.py Completed",
        "report.py Ended",
        "wiring.py RegistryClient",
    }
)


def declared() -> Iterator[str]:
    """Every protocol outside of the runtime part, by the file it is in."""
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        text = path.read_text("utf-8")
        if "Protocol" in text and not place.startswith("runtime/"):
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.ClassDef) and "Protocol" in map(ast.unparse, node.bases):
                    yield f"{place} {node.name}"


def documented() -> Iterator[str]:
    """Every port of the table, by the file that the table says."""
    table = PAGE.read_text("utf-8").partition("| port |")[2].partition("\n\n")[0]
    for ports, place in ROW.findall(table):
        file = FILE.findall(place)[-1].removeprefix("../flowyard/")
        yield from (f"{file} {name}" for name in NAME.findall(ports))


def test_the_table_has_every_port_and_where_it_is_declared() -> None:
    ports = {*declared()} - NO_PORTS
    assert len(ports) > 25
    assert sorted({*documented()} ^ ports) == []


def test_what_is_no_port_is_there() -> None:
    assert {*declared()} >= NO_PORTS
