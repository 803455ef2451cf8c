"""How a verb's results are printed, and what else it says."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field

from flowyard.commands.telling import Telling


@dataclass(frozen=True, slots=True)
class Output:
    """How results are printed: for a person, or as JSON for a program."""

    json: bool
    telling: Telling = field(default_factory=Telling)

    def result(self, text: str, json: str) -> None:
        """Print the result on stdout; an empty text prints nothing."""
        shown = json if self.json else text
        if shown:
            print(shown)


def note(text: str) -> None:
    """Say something that is not a result: on stderr."""
    print(text, file=sys.stderr)
