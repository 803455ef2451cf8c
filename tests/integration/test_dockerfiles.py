"""Every golden Dockerfile is clean for hadolint and for `docker buildx build --check`.

A tool that is missing fails these tests: what is not looked at is not clean.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.golden_files import GOLDEN
from tests.integration.yard import ROOT

DOCKERFILES = sorted(GOLDEN.glob("*/expected/Dockerfile"))
PINNED = re.compile(r"[^\s=\"]+@sha256:[0-9a-f]{64}")
UNCLEAN = """FROM registry.example/base@sha256:{digest} as source
RUN cd /tmp && sudo make
ENV PASSWORD=one
""".format(digest="0" * 64)


def name(dockerfile: Path) -> str:
    return dockerfile.parts[-3]


@pytest.fixture(scope="session")
def check_words() -> tuple[str, ...]:
    """The words of a `docker buildx build --check` that works on this machine."""
    done = subprocess.run(
        [str(ROOT / "scripts/dockerfile-check")], capture_output=True, text=True, timeout=900, check=False
    )
    if done.returncode != 0:
        pytest.fail(f"there is no `docker buildx build --check` on this machine:\n{done.stderr}")
    return tuple(done.stdout.split())


def check(words: Sequence[str], dockerfile: Path, empty: Path) -> tuple[int, str]:
    """Exit code and text of the check. The images a golden file names do not exist: a folder stands for each."""
    empty.mkdir()
    images = sorted(set(PINNED.findall(dockerfile.read_text("utf-8"))))
    contexts = [word for image in images for word in ("--build-context", f"{image}={empty}")]
    argv = [*words, *contexts, "--progress=quiet", "--file", str(dockerfile), str(empty)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, (done.stdout + done.stderr).strip()


def lint(dockerfile: Path) -> tuple[int, str]:
    """Exit code and text of hadolint, with all of its rules."""
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.fail(f"{program} is not there: scripts/environment installs it")
    argv = [str(program), "--no-color", "--failure-threshold=style", str(dockerfile)]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=ROOT, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


def test_there_is_a_golden_dockerfile_of_every_kind() -> None:
    assert {name(dockerfile) for dockerfile in DOCKERFILES} == {
        path.parent.name for path in GOLDEN.glob("*/project")
    }


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=name)
def test_buildx_finds_nothing(check_words: tuple[str, ...], dockerfile: Path, tmp_path: Path) -> None:
    found = check(check_words, dockerfile, tmp_path / "empty")
    assert found == (0, "Check complete, no warnings found.")


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=name)
def test_hadolint_finds_nothing(dockerfile: Path) -> None:
    assert lint(dockerfile) == (0, "")


def test_both_find_what_is_there(check_words: tuple[str, ...], tmp_path: Path) -> None:
    dockerfile = tmp_path / "Dockerfile"
    dockerfile.write_text(UNCLEAN)
    code, text = check(check_words, dockerfile, tmp_path / "empty")
    rules = set(re.findall(r"^WARNING: (\w+) ", text, re.MULTILINE))
    assert (code, rules) == (1, {"FromAsCasing", "SecretsUsedInArgOrEnv"})
    code, text = lint(dockerfile)
    assert (code, set(re.findall(r"DL\d+", text))) == (1, {"DL3003", "DL3004", "DL3064"})


def test_no_rule_is_switched_off() -> None:
    """Neither by a file of hadolint's nor by a comment in a template."""
    assert not [path for path in (ROOT / ".hadolint.yaml", ROOT / ".hadolint.yml") if path.exists()]
    templates = [*(ROOT / "images").rglob("*.j2"), *DOCKERFILES]
    assert not [
        path for path in templates if re.search(r"hadolint\s+\w*\s*ignore|check=skip", path.read_text())
    ]
