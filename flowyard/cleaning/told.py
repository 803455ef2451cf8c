"""What `clean` tells: a line a thing on stdout, sums and what stays on stderr, or one JSON document."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from flowyard.cleaning.clean import Cleaned
from flowyard.cleaning.holdings import HeldImage
from flowyard.documents import dumped
from flowyard.texts import shown_size


def clean_text(cleaned: Cleaned) -> str:
    """What was removed, or would be: one line each."""
    return "\n".join([*(one.name for one in cleaned.images), *(one.as_posix() for one in cleaned.files)])


def clean_notes(cleaned: Cleaned) -> Iterator[str]:
    """What else there is to say: how much it was, what stays and why, and what cannot be told apart."""
    things = f"{_number(len(cleaned.images), 'image')}, {_number(len(cleaned.files), 'path')}"
    if cleaned.freed is None:
        yield f"would be removed: {things}, {shown_size(cleaned.least)} at least"
    else:
        yield f"removed: {things}; {shown_size(cleaned.freed)} freed"
    for why, count in sorted(Counter(one.why for one in cleaned.kept).items()):
        yield f"kept, because {why}: {_number(count, 'image')}"
    if cleaned.idle:
        yield (
            f"the build cache has {shown_size(cleaned.idle)} that no image needs; nobody can tell of which project "
            "it is: `docker buildx prune` removes it, and the next builds take longer"
        )


def clean_json(cleaned: Cleaned) -> str:
    """The same for a program."""
    return dumped(
        {
            "target": cleaned.target,
            "dry_run": cleaned.freed is None,
            "images": [_image(one) for one in cleaned.images],
            "files": [one.as_posix() for one in cleaned.files],
            "kept": [{**_image(one.image), "why": one.why} for one in cleaned.kept],
            "freed": cleaned.freed,
            "at_least": cleaned.least,
            "build_cache": {"idle": cleaned.idle},
        }
    )


def _number(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"


def _image(image: HeldImage) -> dict[str, object]:
    return {"id": image.id, "names": list(image.names), "flow": image.flow, "own": image.own}
