"""What a Kubernetes API holds, and every change of it for those who watch."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Document = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """What one line of a watch says: ADDED, MODIFIED or DELETED, and the object as it was then."""

    plural: str
    event: str
    document: Document


class Objects:
    """Objects by plural (`pods`) and name; a resource version is the number of changes so far."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Document] = {}
        self._changes: list[Change] = []
        self._news = threading.Condition()
        self._open = True

    def add(self, plural: str, document: Document) -> Document:
        """Hold a new object; as it is held it has a uid and the time."""
        own = {"uid": str(uuid.uuid4()), "creationTimestamp": now()}
        return self._change(plural, "ADDED", {**document, "metadata": {**document["metadata"], **own}})

    def set_status(self, plural: str, name: str, status: Document) -> None:
        """Change an object's status, unless the object is gone."""
        with self._news:
            held = self.get(plural, name)
            if held is not None:
                self._change(plural, "MODIFIED", {**held, "status": status})

    def remove(self, plural: str, name: str) -> None:
        """Hold an object no longer."""
        with self._news:
            held = self._held[plural, name]
            self._change(plural, "DELETED", held)
            del self._held[plural, name]

    def get(self, plural: str, name: str) -> Document | None:
        """One object as it is now."""
        return self._held.get((plural, name))

    def find(self, plural: str, selector: str = "") -> tuple[list[Document], int]:
        """The objects that a label selector selects, and the resource version of this answer."""
        with self._news:
            held = [document for (kind, _), document in self._held.items() if kind == plural]
            return [one for one in held if selected(one, selector)], len(self._changes)

    def watch(self, plural: str, since: int, selector: str = "") -> Iterator[Change]:
        """The changes after a resource version, those that come too, until `close`."""
        while True:
            with self._news:
                while self._open and len(self._changes) == since:
                    self._news.wait()
                if not self._open:
                    return
                found, since = self._changes[since:], len(self._changes)
            yield from (one for one in found if one.plural == plural and selected(one.document, selector))

    def close(self) -> None:
        """Let those go who watch."""
        with self._news:
            self._open = False
            self._news.notify_all()

    def _change(self, plural: str, event: str, document: Document) -> Document:
        with self._news:
            version = {"resourceVersion": str(len(self._changes) + 1)}
            changed = {**document, "metadata": {**document["metadata"], **version}}
            self._held[plural, changed["metadata"]["name"]] = changed
            self._changes.append(Change(plural, event, changed))
            self._news.notify_all()
            return changed


def selected(document: Document, selector: str) -> bool:
    """Whether a label selector (`name=value`, or a `name` that has to be there) selects an object."""
    labels = document["metadata"].get("labels", {})
    terms = [term.partition("=") for term in selector.split(",") if term]
    return all(name in labels and value in ("", labels[name]) for name, _, value in terms)


def now() -> str:
    """The time as Kubernetes writes it."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
