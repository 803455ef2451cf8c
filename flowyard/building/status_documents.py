"""Splits what buildx prints as `rawjson` into BuildKit's status documents and the text between them."""

from __future__ import annotations

import json

from flowyard.values import Json


class StatusDecoder:
    """Splits the stream into status documents and the plain text between them."""

    def __init__(self) -> None:
        self._open: list[str] = []

    def feed(self, line: str) -> Json:
        """The document this line ends (a dict), the line itself when it is text, or None for neither."""
        if self._open:
            self._open.append(line)
            return self._close() if line == "}" else None
        if line == "{":
            self._open.append(line)
            return None
        if line.startswith("{"):
            return _document(line)
        return line

    def finish(self) -> tuple[str, ...]:
        """The lines of a document that never ended."""
        rest, self._open = tuple(self._open), []
        return rest

    def _close(self) -> Json:
        text, self._open = "\n".join(self._open), []
        return _document(text)


def _document(text: str) -> Json:
    """The decoded document, or the text when it is none."""
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return text
    return found if isinstance(found, dict) else text
