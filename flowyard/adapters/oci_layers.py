"""The layers of an image by its manifest and its configuration: what each is, and how large."""

from __future__ import annotations

import re
from collections.abc import Mapping

from flowyard.images import Layer
from flowyard.values import Json

_NOISE = re.compile(
    r"^/bin/sh -c (#\(nop\) *)?|\s*# buildkit$|--(?:mount|network|chown|chmod|from|link)(?:=\S+)?\s+"
)
_LONGEST = 160


def layers_of(manifest: Mapping[str, Json], config: Mapping[str, Json]) -> tuple[Layer, ...]:
    """The layers of a manifest, named by the image's history as far as that has one entry for each."""
    entries = manifest.get("layers") or ()
    history = [_shown(str(one.get("created_by", ""))) for one in config.get("history") or () if _made(one)]
    names = history if len(history) == len(entries) else [""] * len(entries)
    return tuple(
        Layer(str(entry["digest"]), int(entry["size"]), name)
        for entry, name in zip(entries, names, strict=True)
    )


def _made(entry: Mapping[str, Json]) -> bool:
    return not entry.get("empty_layer", False)


def _shown(command: str) -> str:
    text = " ".join(_NOISE.sub("", command).split())
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
