"""Which files make up a flow's build context, and the folder they are staged in.

BuildKit gets a copy that holds exactly what was hashed, with modes made equal: an umask, a clone's path or
an editor's left-overs can then not change an image, and nothing unlisted can slip into a layer.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path, PurePosixPath

import pathspec

from flowyard.configuration.paths import COPY_IMAGES
from flowyard.errors import ConfigurationError, FlowyardError, Problem
from flowyard.texts import in_utf8, read_text
from flowyard.values import Flow

# What never belongs into an image: version control, caches, editors' files, credentials.
ALWAYS_IGNORED = (
    *(".git", ".hg", ".svn", ".gitignore", ".gitattributes", ".dockerignore"),
    *("__pycache__", "*.py[cod]", ".venv", "venv", ".tox", ".nox", "node_modules", "*.egg-info"),
    *(".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".coverage", ".prefect"),
    *(".idea", ".vscode", "*.swp", "*.swo", "*~", ".#*", r"\#*#", ".DS_Store", "Thumbs.db"),
    *(".env", ".env.*", ".envrc", ".netrc", ".pypirc", ".aws", ".ssh", ".docker", ".kube"),
    *("*.pem", "*.key", "*.p12", "*.pfx", "id_rsa*", "id_ed25519*", "credentials.json"),
)
# Input of Flowyard, not of the flow: a schedule's change must not rebuild an image.
NOT_SOURCE = ("/flow.toml", "/requirements.txt", "/requirements.lock", "/Dockerfile", "/Dockerfile.j2")
_UNWRITABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # control characters, and what is not UTF-8
_LINK, _EXECUTABLE = "link:", " executable"  # of fingerprints
_TRIES = 20  # at making a folder while others remove the one above
_PART = 1 << 16  # bytes that are read at once: most files are smaller, and a buffer costs more than they do
RUNTIME_FOLDER = Path(__file__).parents[1] / "runtime"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of the context: `path` inside it, `shown` in messages, and where it lies on this machine."""

    path: str
    shown: str
    source: Path


@dataclass(frozen=True, slots=True)
class ContextFile(SourceFile):
    """A file with a fingerprint of its content: the content's SHA-256, with ` executable` behind it where the
    owner may execute the file; of a symbolic link it is `link:` and the target."""

    fingerprint: str

    @property
    def executable(self) -> bool:
        """Whether the image's file may be executed."""
        return self.fingerprint.endswith(_EXECUTABLE)


def collect(root: Path, flow: Flow, locks: Iterable[tuple[str, Path]]) -> tuple[ContextFile, ...]:
    """Every file of the flow's context but the Dockerfile, sorted by path.

    `locks` are (name in the context, path below `root`). Raises ConfigurationError for a link that leaves
    the copied folder and for what is neither file, folder nor link.
    """
    # A lock may be a link to one that several flows share: it is its content that counts.
    files = [_copied(f"locks/{name}", path.as_posix(), (root / path).resolve()) for name, path in locks]
    scripts = root / "images/scripts"
    if not scripts.is_dir():
        text = f"is missing; {COPY_IMAGES}"
        raise ConfigurationError([Problem("images/scripts", "", text)])
    for name in _walk(scripts, _compiled(ALWAYS_IGNORED)):
        files.append(_copied(f"scripts/{name}", f"images/scripts/{name}", scripts / name))
    files += _runtime_part()
    files += [_copied(file.path, file.shown, file.source) for file in source_files(root, flow)]
    once = {file.path: file for file in files}  # folders that are included may lie in one another
    return tuple(once[path] for path in sorted(once))


def source_files(root: Path, flow: Flow) -> Iterator[SourceFile]:
    """The flow's own files and those of its includes, found and not yet read. Raises as `collect` does."""
    yield from _tree(root, flow.folder, NOT_SOURCE)
    for include in flow.includes:
        yield from _tree(root, include, ())


@cache
def _runtime_part() -> tuple[ContextFile, ...]:
    """The same for every flow, and of this installation: hashing it for each took half of what hashing takes."""
    paths = (RUNTIME_FOLDER.parent / "__init__.py", *sorted(RUNTIME_FOLDER.rglob("*.py")))
    inside = [path.relative_to(RUNTIME_FOLDER.parent).as_posix() for path in paths]
    return tuple(
        _copied(f"lib/flowyard/{name}", f"flowyard {name}", path)
        for name, path in zip(inside, paths, strict=True)
    )


def stage(files: Iterable[ContextFile], dockerfile: str, folder: Path) -> None:
    """Copy the context into `folder`, anew. Raises FlowyardError when a file changed since it was hashed."""
    if folder.exists():
        shutil.rmtree(folder)
    _make(folder)
    files = tuple(files)
    for directory in {file.path.rpartition("/")[0] for file in files}:
        (folder / directory).mkdir(parents=True, exist_ok=True)
    for file in files:
        if _put(file, folder / file.path) != file.fingerprint:
            raise FlowyardError(f"{file.shown} changed while it was being shipped", hint="ship again")
    for directory, _, _ in os.walk(folder):
        Path(directory).chmod(0o755)
    (folder / "Dockerfile").write_text(dockerfile, encoding="utf-8")
    (folder / "Dockerfile").chmod(0o644)  # a flow's own Dockerfile may copy the whole context


def _make(folder: Path) -> None:
    """Make the folder and those above it. Whoever staged beside it and is done removes the one above when it is
    empty, also between two steps of this."""
    for _ in range(_TRIES):
        with suppress(FileExistsError, FileNotFoundError):
            folder.mkdir(parents=True)
            return
    folder.mkdir(parents=True)


def _tree(root: Path, folder: Path, extra: tuple[str, ...]) -> Iterator[SourceFile]:
    top = root / folder
    paths = {f"{folder.as_posix()}/{name}": top / name for name in _walk(top, _rules(root, folder, extra))}
    found = (_problem(shown, top, path) for shown, path in paths.items())
    problems = [problem for problem in found if problem is not None]
    if problems:
        raise ConfigurationError(problems)
    for shown, path in paths.items():
        yield SourceFile(f"project/{shown}", shown, path)


def _rules(root: Path, folder: Path, extra: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    own = folder / ".dockerignore"
    try:
        return _compiled((*ALWAYS_IGNORED, *extra, *_own_rules(root, own)))
    except ValueError as error:
        raise ConfigurationError(
            [Problem(own.as_posix(), "", f"holds a rule that is none: {error}")]
        ) from error


@lru_cache(maxsize=64)
def _compiled(rules: tuple[str, ...]) -> pathspec.GitIgnoreSpec:
    """Nearly all folders have the same rules, and compiling them takes longer than walking a folder."""
    return pathspec.GitIgnoreSpec.from_lines(rules)


def _own_rules(root: Path, path: Path) -> list[str]:
    """A folder's .dockerignore. Its patterns start at the folder, where those of git match anywhere."""
    if not (root / path).is_file():
        return []
    lines = (line.strip() for line in read_text(root, path).splitlines())
    rules = [line for line in lines if line and not line.startswith("#")]
    return [f"!/{r[1:].lstrip('/')}" if r.startswith("!") else f"/{r.lstrip('/')}" for r in rules]


def _walk(top: Path, ignored: pathspec.GitIgnoreSpec, below: str = "") -> Iterator[str]:
    """Everything below the folder but what is ignored, as paths from there; folders are no part of it."""
    for entry in sorted(os.scandir(top / below), key=lambda entry: entry.name):
        relative = below + entry.name
        if not entry.is_dir(follow_symlinks=False):
            if not ignored.match_file(relative):
                yield relative
        elif not ignored.match_file(f"{relative}/"):
            yield from _walk(top, ignored, f"{relative}/")


def _problem(shown: str, top: Path, path: Path) -> Problem | None:
    """Why a file below `top` cannot be copied into an image, if so."""
    if _UNWRITABLE.search(in_utf8(shown)):
        return Problem(shown, "", "has a name that cannot be written down; rename it")
    if path.is_symlink():
        target = PurePosixPath(os.readlink(path))
        landing = os.path.normpath(path.parent / target)
        if target.is_absolute() or not Path(landing).is_relative_to(top):
            text = f"is a link to {target}, outside the folder that is copied; copy the file, or `include` its folder"
            return Problem(shown, "", text)
    elif not stat.S_ISREG(path.stat().st_mode):
        return Problem(shown, "", "is neither a file, a folder nor a link; remove it")
    return None


def _copied(inside: str, shown: str, path: Path) -> ContextFile:
    return ContextFile(inside, shown, path, _fingerprint(path))


def _fingerprint(path: Path) -> str:
    if path.is_symlink():
        return f"{_LINK}{os.readlink(path)}"
    with path.open("rb", buffering=0) as stream:
        digest = sha256()
        while part := stream.read(_PART):
            digest.update(part)
        executable = os.fstat(stream.fileno()).st_mode & stat.S_IXUSR
    return digest.hexdigest() + (_EXECUTABLE if executable else "")


def _put(file: ContextFile, path: Path) -> str:
    """Copy the file to `path`, with the mode it was hashed with; the fingerprint of what was copied."""
    if file.fingerprint.startswith(_LINK):
        path.symlink_to(file.fingerprint.removeprefix(_LINK))
        return file.fingerprint
    digest = sha256()
    with file.source.open("rb", buffering=0) as source, path.open("wb") as copy:
        while part := source.read(_PART):
            digest.update(part)
            copy.write(part)
    path.chmod(0o755 if file.executable else 0o644)
    return digest.hexdigest() + (_EXECUTABLE if file.executable else "")
