"""Whatever ends the tests that named a host: the machine's files are as they were, and the next ones can go on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.aws.host_names import Places, Wanted, named, put_back
from tests.integration.yard import ROOT

ONE, TWO = "one.example", "two.example"
OWN = b"127.0.0.1 localhost\n::1 localhost # not flowyard's\n"
HOLDER = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # ignored where the tests run with nohup
from pathlib import Path
from tests.aws.host_names import Places, Wanted, named
root = Path(sys.argv[1])
with named(Wanted("198.18.0.10", ("one.example", "two.example"), ("one.example",), root / "ca.pem"), Places(root)):
    print("named", flush=True)
    time.sleep(600)
"""


@pytest.fixture(params=[OWN, OWN.rstrip(b"\n"), b""], ids=["usual", "without its last newline", "empty"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> Places:
    """A machine's files below a folder."""
    made = Places(tmp_path)
    made.hosts.parent.mkdir()
    made.hosts.write_bytes(request.param)
    (tmp_path / "ca.pem").write_text("an authority")
    return made


one_machine = pytest.mark.parametrize("places", [OWN], indirect=True, ids=["usual"])


def wanted(places: Places, *names: str) -> Wanted:
    return Wanted("198.18.0.10", names or (ONE, TWO), (ONE,), places.root / "ca.pem")


def files(places: Places) -> dict[str, bytes]:
    """All that is in the machine's /etc, with folders as empty."""
    found = sorted((places.root / "etc").rglob("*"))
    return {str(path.relative_to(places.root)): b"" if path.is_dir() else path.read_bytes() for path in found}


def test_names_are_there_for_a_while(places: Places) -> None:
    before = files(places)
    with named(wanted(places), places):
        (line,) = places.marked()
        assert line.startswith("198.18.0.10 one.example two.example # flowyard tests")
        assert places.hosts.read_bytes().startswith(before["etc/hosts"])
        assert (places.engine / ONE / "ca.crt").read_text() == "an authority"
        assert not (places.engine / TWO).exists()
    assert files(places) == before


@one_machine
def test_what_others_did_meanwhile_stays(places: Places) -> None:
    (places.engine / "theirs").mkdir(parents=True)
    with named(wanted(places), places):
        with places.hosts.open("ab") as hosts:
            hosts.write(b"10.0.0.1 theirs\n")
        (places.engine / ONE / "client.key").write_text("theirs")
    assert files(places) == {
        "etc/hosts": OWN + b"10.0.0.1 theirs\n",
        "etc/docker": b"",
        "etc/docker/certs.d": b"",
        "etc/docker/certs.d/one.example": b"",
        "etc/docker/certs.d/one.example/client.key": b"theirs",
        "etc/docker/certs.d/theirs": b"",
    }


@one_machine
def test_what_others_did_before_is_not_touched(places: Places) -> None:
    (places.engine / ONE).mkdir(parents=True)
    before = files(places)
    with (
        pytest.raises(RuntimeError, match=r"certs\.d has one\.example already"),
        named(wanted(places), places),
    ):
        pytest.fail("it was named")
    with (
        pytest.raises(RuntimeError, match="hosts names localhost already"),
        named(wanted(places, "localhost"), places),
    ):
        pytest.fail("it was named")
    assert files(places) == before


@one_machine
def test_a_test_that_fails_puts_back(places: Places) -> None:
    before = files(places)
    with pytest.raises(ZeroDivisionError), named(wanted(places), places):
        raise ZeroDivisionError
    assert files(places) == before


def holder(places: Places) -> subprocess.Popen[str]:
    """Another process whose names are there."""
    held = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(places.root)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert held.stdout is not None
    assert held.stdout.readline() == "named\n"
    return held


def until_as(places: Places, before: dict[str, bytes]) -> None:
    """Wait until the files are as they were."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(FileNotFoundError):  # removed while we looked
            if files(places) == before:
                return
        time.sleep(0.05)
    assert files(places) == before


@one_machine
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_the_tests_all_is_put_back(places: Places, number: signal.Signals) -> None:
    before = files(places)
    held = holder(places)
    assert files(places) != before
    os.killpg(held.pid, number)  # as a terminal does, or a CI
    held.communicate()
    until_as(places, before)


@one_machine
def test_what_was_left_when_all_was_killed_is_put_back_by_the_next(places: Places) -> None:
    before = files(places)
    held = holder(places)
    for one in [*psutil.Process(held.pid).children(), psutil.Process(held.pid)]:
        one.kill()
    held.communicate()
    assert files(places) != before
    with named(wanted(places), places):
        assert len(places.marked()) == 1
    assert files(places) == before


@one_machine
def test_who_comes_second_waits_for_the_first(places: Places) -> None:
    before = files(places)
    held = holder(places)
    second = subprocess.Popen(
        [sys.executable, "-c", HOLDER.replace("time.sleep(600)", "sys.exit()"), str(places.root)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with pytest.raises(subprocess.TimeoutExpired):
        second.wait(0.5)
    held.kill()
    held.communicate()
    assert second.communicate(timeout=60)[0] == "named\n"
    until_as(places, before)
    put_back(places)
    assert files(places) == before
