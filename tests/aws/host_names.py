"""Gives host names an address on this machine, and an authority that the engine trusts for them, for a while.

A program of its own that ends with its standard input, and then puts everything back: also when the tests that started
it failed, or were killed by any signal. Should it be killed itself, the next one puts back what it left: the line in
the file of hosts is written first and removed last, and names all that was made. One at a time on a machine.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

MARK = "# flowyard tests"
MARKED = re.compile(rb"^[^\n]*# flowyard tests[^\n]*\n|\n[^\n]*# flowyard tests[^\n]*\Z", re.MULTILINE)
READY = "ready"
TURN = 600.0  # seconds until it is one's turn; whoever has it may be at work for minutes
_ENDING = 30.0


@dataclass(frozen=True)
class Places:
    """The machine's files, below `root`."""

    root: Path = Path("/")

    @property
    def hosts(self) -> Path:
        return self.root / "etc/hosts"

    @property
    def engine(self) -> Path:
        """https://docs.docker.com/engine/security/certificates/"""
        return self.root / "etc/docker/certs.d"

    @property
    def lock(self) -> Path:
        return self.root / "run/lock/flowyard-host-names.lock"

    def marked(self) -> list[str]:
        """The lines that tests wrote into the file of hosts, and did not remove yet."""
        return [one.decode().strip() for one in MARKED.findall(self.hosts.read_bytes())]


@dataclass(frozen=True)
class Wanted:
    """Names for an address; for those in `trusted` the engine takes the authority in this file. `session` goes into
    the line, for whoever finds it."""

    address: str
    names: tuple[str, ...]
    trusted: tuple[str, ...]
    authority: Path
    session: str = "-"


@contextmanager
def named(wanted: Wanted, places: Places | None = None) -> Iterator[None]:
    """The names are known inside. Raises RuntimeError with the reason where they cannot be."""
    keeper = subprocess.Popen(
        [sys.executable, "-I", __file__, *_words(wanted, places or Places())],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C in the terminal is for the tests
    )
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    try:
        said = keeper.stdout.readline().strip()
        if said != READY:
            raise RuntimeError(said or "the program that keeps host names ended")
        yield
    finally:
        keeper.stdin.close()
        keeper.wait(_ENDING)
        keeper.stdout.close()


def _words(wanted: Wanted, places: Places) -> list[str]:
    trusted = [word for name in wanted.trusted for word in ("--trusted", name)]
    where = ["--root", str(places.root), "--authority", str(wanted.authority), "--session", wanted.session]
    return [*where, *trusted, wanted.address, *wanted.names]


def give(wanted: Wanted, places: Places) -> None:
    """Name the address. Raises ValueError where somebody else did already."""
    text = places.hosts.read_bytes()
    known = {name for line in text.decode().splitlines() for name in line.partition("#")[0].split()[1:]}
    if taken := sorted(known.intersection(wanted.names)):
        raise ValueError(f"{places.hosts} names {', '.join(taken)} already")
    if taken := [name for name in wanted.names if (places.engine / name).exists()]:
        raise ValueError(f"{places.engine} has {', '.join(taken)} already")
    made = [str(one) for one in (places.engine.parent, places.engine) if not one.exists()]
    line = " ".join([wanted.address, *wanted.names, MARK, wanted.session, *made]).encode()
    with places.hosts.open("ab") as hosts:
        hosts.write(b"\n" + line if text and not text.endswith(b"\n") else line + b"\n")
    for name in wanted.trusted:
        (places.engine / name).mkdir(parents=True)
        (places.engine / name / "ca.crt").write_bytes(wanted.authority.read_bytes())


def put_back(places: Places) -> None:
    """Remove what marked lines name, and then the lines."""
    for line in places.marked():
        words, _, rest = line.partition(MARK)
        for name in words.split()[1:]:
            (places.engine / name / "ca.crt").unlink(missing_ok=True)
            with suppress(OSError):  # there is none, or somebody else put more into it
                (places.engine / name).rmdir()
        for folder in reversed(rest.split()[1:]):
            with suppress(OSError):
                Path(folder).rmdir()
    text = places.hosts.read_bytes()
    left = MARKED.sub(b"", text)
    if left == text:
        return
    if text.startswith(left):
        os.truncate(places.hosts, len(left))  # in one step: nobody ever sees half a file
    else:
        # In its place: in a container the file is a mount, and cannot be replaced.
        places.hosts.write_bytes(left)


@contextmanager
def _turn(places: Places) -> Iterator[bool]:
    """Whether it is our turn: not when nobody waits for us any more."""
    places.lock.parent.mkdir(parents=True, exist_ok=True)
    with places.lock.open("w") as lock:
        until = time.monotonic() + TURN
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > until:
                    raise ValueError(f"other tests have held {places.lock} for {TURN:.0f} s") from None
                if select.select([sys.stdin], [], [], 0.1)[0]:
                    yield False
                    return
                continue
            yield True
            return


def _keep(wanted: Wanted, places: Places) -> None:
    """Name the address until the standard input ends."""
    with _turn(places) as ours:
        if not ours:
            return
        put_back(places)  # what one that was killed left
        try:
            give(wanted, places)
            print(READY, flush=True)
            sys.stdin.read()
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            put_back(places)


def _ended(*_: object) -> None:
    sys.exit(0)


def main(words: Sequence[str]) -> None:
    """The program."""
    parser = argparse.ArgumentParser()
    for option in ("root", "authority", "session"):
        parser.add_argument(f"--{option}", required=True)
    parser.add_argument("--trusted", action="append", default=[])
    parser.add_argument("address")
    parser.add_argument("names", nargs="+")
    given = parser.parse_args(words)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _ended)
    wanted = Wanted(
        given.address, tuple(given.names), tuple(given.trusted), Path(given.authority), given.session
    )
    try:
        _keep(wanted, Places(Path(given.root)))
    except (OSError, ValueError) as error:
        print(error, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
