"""Remembers rendered Dockerfiles by what they were rendered from.

Importing and running the template engine is a tenth of the time of a ship with nothing to do. Rendering is a
pure function of the variables and the files it reads, so its result is kept under the variables' fingerprint,
with what was read and what was looked for in vain; what is remembered can be deleted at any time.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from flowyard.errors import ConfigurationError
from flowyard.fingerprints import fingerprint
from flowyard.render import Rendered, render, template_variables
from flowyard.texts import read_text
from flowyard.values import Flow

_FORMAT = 3


class RenderMemo:
    """Renders like `render`, and keeps the results in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, root: Path, flow: Flow, locks: tuple[str, ...]) -> Rendered:
        """As `render`."""
        path = self._folder / f"{_fingerprint(flow, locks)}.json"
        with suppress(OSError, ValueError, KeyError, ConfigurationError):
            kept = json.loads(path.read_text(encoding="utf-8"))
            # What was read has to be the same, and what was not there must not be in the way now.
            absent = tuple(Path(name) for name in kept["absent"])
            there = any((root / name).is_file() for name in absent)
            if not there and kept["templates"] == _contents(root, kept["templates"]):
                return Rendered(kept["text"], tuple(Path(name) for name in kept["templates"]), absent)
        rendered = render(root, flow, locks)
        self._keep(path, root, rendered)
        return rendered

    def _keep(self, path: Path, root: Path, rendered: Rendered) -> None:
        templates = _contents(root, (name.as_posix() for name in rendered.templates))
        absent = [name.as_posix() for name in rendered.absent]
        content = {"text": rendered.text, "templates": templates, "absent": absent}
        temporary = path.with_suffix(".new")
        with suppress(OSError):  # a checkout that cannot be written is only slower
            self._folder.mkdir(parents=True, exist_ok=True)
            temporary.write_text(json.dumps(content), encoding="utf-8")
            temporary.replace(path)


def _contents(root: Path, names: Iterable[str]) -> dict[str, str]:
    return {name: fingerprint(read_text(root, Path(name))) for name in names}


def _fingerprint(flow: Flow, locks: tuple[str, ...]) -> str:
    return fingerprint([_FORMAT, template_variables(flow, locks)])
