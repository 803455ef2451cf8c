"""Reads the HCL that Flowyard writes: blocks, and attributes whose values are strings, lists or references.

https://developer.hashicorp.com/terraform/language/syntax/configuration
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from flowyard.values import Json

_OPENS = re.compile(r'\s*(\w+)((?: "[^"]+")*) \{')
_ATTRIBUTE = re.compile(r"\s*(\w+) += (.*)")


@dataclass
class Block:
    """A block: its type and labels, attributes and blocks in it. A reference is kept as its text."""

    words: tuple[str, ...] = ()
    attributes: dict[str, Json] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)

    def inner(self, *words: str) -> list[Block]:
        """The blocks whose type and labels begin so."""
        return [block for block in self.blocks if block.words[: len(words)] == words]


def read_hcl(text: str) -> Block:
    """The file as a block without words. Raises ValueError for what is not read here."""
    lines = iter(line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#"))
    return _block(lines, ())


def _block(lines: Iterator[str], words: tuple[str, ...]) -> Block:
    block = Block(words)
    for line in lines:
        if line.strip() == "}" and words:
            return block
        if opens := _OPENS.fullmatch(line):
            inner = (opens[1], *re.findall(r'"([^"]+)"', opens[2]))
            block.blocks.append(_block(lines, inner))
        elif found := _ATTRIBUTE.fullmatch(line):
            block.attributes[found[1]] = _value(found[2], lines)
        else:
            raise ValueError(f"not read: {line!r}")
    if words:
        raise ValueError(f"{words} is not closed")
    return block


def _value(text: str, lines: Iterator[str]) -> Json:
    if text == "[":
        values = []
        while (line := next(lines).strip()) != "]":
            values.append(_string(line.removesuffix(",")))
        return values
    if text.startswith("["):
        return [_plain(value) for value in json.loads(text)]
    return _string(text) if text.startswith('"') else text


def _string(text: str) -> str:
    return _plain(json.loads(text))


def _plain(text: str) -> str:
    if re.search(r"(?<!\$)\$\{|(?<!%)%\{", text):
        raise ValueError(f"an expression in a text: {text}")
    return text.replace("$${", "${").replace("%%{", "%{")
