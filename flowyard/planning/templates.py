"""The template engine as rendering uses it. Loaded by the first Dockerfile that is rendered and not remembered."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from types import CodeType

import jinja2
from jinja2.bccache import Bucket

_CODE: dict[tuple[str, str], CodeType] = {}  # by a template's name and the checksum of its text


class _OncePerText(jinja2.BytecodeCache):
    """Compiled templates. All flows have most of theirs in common, and compiling is nearly all that rendering costs.

    What a template compiles to depends on its name and its text only, not on where it lies.
    """

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """As BytecodeCache.get_cache_key."""
        return name

    def load_bytecode(self, bucket: Bucket) -> None:
        """As BytecodeCache.load_bytecode."""
        bucket.code = _CODE.get((bucket.key, bucket.checksum))

    def dump_bytecode(self, bucket: Bucket) -> None:
        """As BytecodeCache.dump_bytecode."""
        if bucket.code is not None:
            _CODE[bucket.key, bucket.checksum] = bucket.code


class _Recorder(jinja2.FileSystemLoader):
    """Remembers which files were loaded: they are inputs of the content key. And which were not there."""

    def __init__(self, root: Path, folders: tuple[Path, ...], used: list[Path], absent: list[Path]) -> None:
        super().__init__([root / folder for folder in folders])
        self._root, self._folders = root, folders
        self._used, self._absent = used, absent

    def get_source(
        self, environment: jinja2.Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        """As FileSystemLoader.get_source."""
        missing = takewhile(lambda folder: not (self._root / folder / template).is_file(), self._folders)
        self._absent.extend(folder / template for folder in missing)
        source, filename, uptodate = super().get_source(environment, template)
        self._used.append(Path(filename).relative_to(self._root))
        return source, filename, uptodate


def environment_of(root: Path, template: Path, used: list[Path], absent: list[Path]) -> jinja2.Environment:
    """The template engine, which adds what it loads to `used` and what it looks for in vain to `absent`."""
    folders = tuple(dict.fromkeys((Path("images"), template.parent)))
    return jinja2.Environment(
        loader=_Recorder(root, folders, used, absent),
        bytecode_cache=_OncePerText(),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
