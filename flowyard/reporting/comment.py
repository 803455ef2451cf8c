"""One comment on a pull or merge request that is kept up to date, never a second one."""

from __future__ import annotations

from typing import Protocol


class Comments(Protocol):
    """The comments on one pull or merge request."""

    def find(self, marker: str) -> str | None:
        """The id of the oldest comment that begins with the marker, None when there is none. Raises FlowyardError."""
        ...

    def add(self, text: str) -> None:
        """Write a new comment. Raises FlowyardError."""
        ...

    def change(self, identity: str, text: str) -> None:
        """Replace the text of a comment. Raises FlowyardError."""
        ...


def keep(comments: Comments, subject: str, text: str) -> None:
    """Have exactly one comment about the subject, with this text. Raises FlowyardError."""
    marker = f"<!-- flowyard: {subject} -->"
    found = comments.find(marker)
    whole = f"{marker}\n{text}"
    if found is None:
        comments.add(whole)
    else:
        comments.change(found, whole)
