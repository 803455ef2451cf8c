"""Checks, inside an image, what a run takes for granted: user, working directory, paths, Prefect.

A flow may override parts of its Dockerfile or bring a whole one. What it got wrong would otherwise show in the
first run, on another machine. It is started by path from the build context's own runtime part, because the
image's copy of that is among what is checked.
"""

from __future__ import annotations

import argparse
import filecmp
import importlib.util
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

PART = Path(__file__).resolve().parents[2]  # where the runtime part is that this file belongs to
LIB = "/opt/flowyard/lib"
LIBRARIES = {"s3": "obstore"}  # the module that each kind of result storage needs


@dataclass(frozen=True)
class Environment:
    """What an image's own user finds in it. `root` is in front of every absolute path but `python`'s.

    `storages` are the kinds of result storage whose library is there.
    """

    user: int
    working_directory: str
    python_path: tuple[str, ...]
    home: str
    python: str | None
    prefect: bool
    storages: tuple[str, ...] = ()
    root: Path = Path("/")

    def at(self, path: str) -> Path:
        """Where an absolute path of the image is."""
        return self.root / path.lstrip("/")


@dataclass(frozen=True)
class Contract:
    """What has to be there. `interpreter` is the Python that the ENTRYPOINT names.

    `storages` are the kinds of result storage that some target of the project uses.
    """

    name: str
    user: int
    project: str
    results: str
    interpreter: str
    storages: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The flow's own folder."""
        return f"{self.project}/flows/{self.name}"


def breaches(contract: Contract, found: Environment) -> tuple[str, ...]:
    """One sentence per breach: what was found, and the instruction that mends it."""
    return (
        *_user(contract, found),
        *_files(contract, found),
        *_paths(contract, found),
        *_python(contract, found),
    )


def _user(contract: Contract, found: Environment) -> Iterator[str]:
    if found.user != contract.user:
        who = "root" if found.user == 0 else f"user {found.user}"
        yield f"it runs as {who}: end the stage with `USER {contract.user}:{contract.user}`"
    if not os.access(found.at(found.home), os.W_OK):
        yield f"HOME is {found.home}, which its user cannot write: `ENV HOME=` a folder of user {contract.user}"
    if not os.access(found.at(contract.results), os.W_OK):
        yield (
            f"{contract.results} is not a folder its user can write: "
            f"`RUN install --directory --owner={contract.user} {contract.results}` as root"
        )


def _files(contract: Contract, found: Environment) -> Iterator[str]:
    package = PART / "flowyard"
    ours = ["__init__.py", *(f"runtime/{path.name}" for path in sorted(package.glob("runtime/*.py")))]
    _, changed, missing = filecmp.cmpfiles(package, found.at(LIB) / "flowyard", ours, shallow=False)
    if changed or missing:
        yield f"{LIB} is not this build's runtime part: `COPY lib {LIB}`"
    if not found.at(contract.folder).is_dir():
        yield f"{contract.folder} is not there: `COPY project/flows/{contract.name} {contract.folder}`"


def _paths(contract: Contract, found: Environment) -> Iterator[str]:
    if found.working_directory != contract.folder:
        yield f"the working directory is {found.working_directory}: `WORKDIR {contract.folder}`"
    wanted = (LIB, contract.project, contract.folder)
    if tuple(path for path in found.python_path if path in wanted) != wanted or found.python_path[0] != LIB:
        shown = ":".join(found.python_path) or "not set"
        yield f"PYTHONPATH is {shown}: `ENV PYTHONPATH={':'.join(wanted)}`, with others behind these three"


def _python(contract: Contract, found: Environment) -> Iterator[str]:
    if found.python != contract.interpreter:
        folder = os.path.dirname(contract.interpreter)  # noqa: PTH120 - a path of the image, as text
        yield f"`python` on PATH is {found.python or 'missing'}: `ENV PATH={folder}:$PATH`"
    if not found.prefect:
        yield f"{contract.interpreter} has no Prefect: install locks/prefect.lock, or a lock that has it"
    for storage in contract.storages:
        if storage not in found.storages:
            yield (
                f"{contract.interpreter} has no {LIBRARIES[storage]}, which writes results to {storage}: "
                f"install locks/storage-{storage}.lock, or a lock that has it"
            )


def look() -> Environment:
    """The environment of this process."""
    python_path = tuple(path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)
    return Environment(
        user=os.getuid(),
        working_directory=str(Path.cwd()),
        python_path=python_path,
        home=os.environ.get("HOME") or str(Path("~").expanduser()),
        python=shutil.which("python"),
        prefect=importlib.util.find_spec("prefect") is not None,
        storages=tuple(kind for kind, module in LIBRARIES.items() if importlib.util.find_spec(module)),
    )


def main(arguments: Sequence[str]) -> int:
    """Check this image. Returns the exit code, 0 or 1; the last line on stderr is for the building program."""
    parser = argparse.ArgumentParser(prog="contract.py", description=__doc__)
    parser.add_argument("--name", required=True, help="the flow's folder name")
    parser.add_argument("--user", required=True, type=int, help="the user id of every run")
    parser.add_argument("--project", required=True, help="where the repository's layout begins")
    parser.add_argument("--results", required=True, help="where the results volume is mounted")
    parser.add_argument("--storage", action="append", default=[], choices=sorted(LIBRARIES), dest="storages")
    options = parser.parse_args(arguments)
    contract = Contract(
        options.name, options.user, options.project, options.results, sys.executable, tuple(options.storages)
    )
    found = breaches(contract, look())
    if not found:
        return 0
    from flowyard.runtime.failures import CheckError

    message = "the image does not keep the contract:" + "".join(f"\n  {one}" for one in found)
    hint = "images/README.md says what an image has to keep, in `The contract`"
    error = CheckError("contract", message, hint=hint)
    sys.stderr.write(f"{message}\n{hint}\n{error.line(contract.name)}\n")
    return 1


if __name__ == "__main__":
    sys.path.insert(0, str(PART))  # isolated Python (-I) does not look there
    sys.exit(main(sys.argv[1:]))
