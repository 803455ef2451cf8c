"""`compile_bytecode.py LOCK`: bytecode for the distributions of one lock, in the environment it is run by.

Installers compile all or nothing. More than half of the modules that Prefect's lock brings are test suites and
parts of its server, which no flow imports: compiling them takes seconds and adds a quarter to the layer's size.
What is left out works all the same; Python compiles it when it is imported.
"""

import os
import re
import sys
from collections.abc import Iterator
from compileall import compile_file
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode

PREFECT = "prefect"
# What only Prefect's server imports. A flow that wants one of them names it in its own lock, and gets it compiled.
SERVER_ONLY = re.compile(
    r"(alembic|apprise|asyncpg|beartype|dateparser|docket|docker|fastapi|key_value|mako|markdown|oauthlib"
    r"|prefect/server|redis|rich_rst|ruamel|sqlalchemy|typer|uvicorn)/|pygments/lexers/[a-z]"
)
TESTS = re.compile(r"/tests?/")
NAME = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==", re.MULTILINE)
CHUNK = 32


def names(lock: str) -> tuple[str, ...]:
    """The distributions a lock pins."""
    return tuple(NAME.findall(lock))


def is_compiled(path: str, *, with_prefect: bool) -> bool:
    """Whether the module at this path, relative to site-packages, gets bytecode."""
    if not path.endswith(".py") or path.startswith("../") or TESTS.search(f"/{path}"):
        return False
    return not (with_prefect and SERVER_ONLY.match(path))


def modules(pinned: tuple[str, ...]) -> Iterator[Path]:
    """The files to compile, as far as they have no bytecode yet."""
    for name in pinned:
        try:
            files = distribution(name).files or ()
        except PackageNotFoundError:  # its environment marker does not hold here
            continue
        for file in files:
            path = Path(str(file.locate()))
            if (
                is_compiled(file.as_posix(), with_prefect=PREFECT in pinned)
                and not Path(cache_from_source(str(path))).exists()
            ):
                yield path


def compile_all(paths: list[Path]) -> None:
    """Compile one file after the other; what is no valid Python here (a template, say) is left as it is."""
    for path in paths:
        # Hashes instead of times make the bytecode the same in every build.
        compile_file(path, quiet=2, invalidation_mode=PycInvalidationMode.UNCHECKED_HASH)


def main(lock: str) -> None:
    """Compile on all cores."""
    found = sorted(set(modules(names(Path(lock).read_text("utf-8")))))
    chunks = [found[start : start + CHUNK] for start in range(0, len(found), CHUNK)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(compile_all, chunks):
            pass
    print(f"bytecode for {len(found)} modules")


if __name__ == "__main__":
    main(sys.argv[1])
