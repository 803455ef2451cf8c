"""Completing: what the defaults, the targets and the pins make of the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from flowyard.load import load
from flowyard.target import PrefectChoice, Target, VolumeStorage
from flowyard.values import (
    BaseImage,
    BuildSecret,
    Dependencies,
    DeploymentSpec,
    Flow,
    Project,
    Resources,
    Schedule,
)
from tests.mistakes.configuration import HELLO, registry
from tests.support import BASE_DIGEST, FLOW, MINIMAL, write_files

FULL_REGISTRY = """[project]
name = "acme"
default-target = "production"

[defaults]
base = "python:3.12-slim"
include = ["shared"]
system-packages = ["libpq5"]
build-secrets = ["token"]
tags = ["acme"]
env = { LOG_LEVEL = "INFO", REGION = "north" }

[targets.local]
registry = { type = "embedded" }
work-pool = { name = "local-docker", type = "docker" }
prefect = { api = "embedded" }
results = "volume:flow-results"

[targets.production]
registry = { type = "oci", url = "ghcr.io/acme/", repository = "flows/{flow}" }
work-pool = { name = "big", type = "docker", queue = "high" }
prefect = { profile = "production" }
env = { STAGE = "production" }
job-variables = { network_mode = "bridge" }
"""
FULL_FLOW = """entrypoint = "main.py:etl"
python = "3.12"
system-packages = ["git"]
include = ["./lib/"]
platforms = ["linux/arm64", "linux/amd64"]
tags = ["etl"]
env = { LOG_LEVEL = "DEBUG" }

[deployments.weekly]
entrypoint = "other.py:report"

[deployments.daily]
schedules = [
  { cron = "0 6 * * *", timezone = "Europe/Paris", parameters = { day = "today" }, active = false, name = "six" },
  { interval = 90, anchor = "2026-01-01T00:00:00" },
  { rrule = "FREQ=DAILY" },
]
parameters = { limit = 3 }
tags = ["daily"]
description = "Every day."
concurrency-limit = 2
collision-strategy = "CANCEL_NEW"
work-queue = "low"
resources = { cpu = 0.5, memory = "512Mi" }
env = { REGION = "south" }
job-variables = { labels = { team = "data" } }
targets = ["production"]
"""


def test_a_whole_configuration(tmp_path: Path) -> None:
    ca = tmp_path / "registry.toml"  # any file
    local_file = f'[build-secrets]\ntoken = {{ env = "TOKEN" }}\nca = {{ file = "{ca}" }}\n'
    root = write_files(
        tmp_path,
        {
            "registry.toml": FULL_REGISTRY,
            "registry.local.toml": local_file,
            "images/bases.lock": MINIMAL["images/bases.lock"],
            "shared/x.py": "",
            "lib/y.py": "",
            "flows/etl/flow.toml": FULL_FLOW,
            "flows/etl/main.py": FLOW,
            "flows/etl/other.py": FLOW,
            "flows/etl/requirements.txt": "# header\npandas>=2  # frames\n\nattrs\n",
            "flows/etl/Dockerfile.j2": "",
            "flows/hello/flow.py": FLOW,
            "flows/.hidden/x": "",
            "flows/__pycache__/x": "",
            "flows/README.md": "",
        },
    )
    base = BaseImage("python:3.12-slim", f"docker.io/library/python:3.12-slim@{BASE_DIGEST}", "3.12")
    env = {"LOG_LEVEL": "DEBUG", "REGION": "north"}
    both = ("local", "production")
    etl = Flow(
        name="etl",
        folder=Path("flows/etl"),
        base=base,
        dependencies=Dependencies(
            "requirements.txt", Path("flows/etl/requirements.txt"), ("pandas>=2", "attrs")
        ),
        entrypoints=("main.py:etl", "other.py:report"),
        deployments=(
            DeploymentSpec(
                name="daily",
                entrypoint="main.py:etl",
                schedules=(
                    Schedule(
                        cron="0 6 * * *",
                        timezone="Europe/Paris",
                        parameters={"day": "today"},
                        active=False,
                        name="six",
                    ),
                    Schedule(interval=90, anchor="2026-01-01T00:00:00"),
                    Schedule(rrule="FREQ=DAILY"),
                ),
                parameters={"limit": 3},
                tags=("acme", "daily", "etl"),
                description="Every day.",
                concurrency_limit=2,
                collision_strategy="CANCEL_NEW",
                work_queue="low",
                resources=Resources(0.5, 512 * 1024 * 1024),
                env={"LOG_LEVEL": "DEBUG", "REGION": "south"},
                job_variables={"labels": {"team": "data"}},
                targets=("production",),
            ),
            DeploymentSpec("weekly", "other.py:report", tags=("acme", "etl"), env=env, targets=both),
        ),
        system_packages=("git", "libpq5"),
        includes=(Path("lib"), Path("shared")),
        platforms=("linux/arm64", "linux/amd64"),
        build_secrets=("token",),
        dockerfile=Path("flows/etl/Dockerfile.j2"),
    )
    hello = Flow(
        name="hello",
        folder=Path("flows/hello"),
        base=base,
        dependencies=Dependencies("none", None, ()),
        entrypoints=("flow.py",),
        deployments=(
            DeploymentSpec(
                "default",
                "flow.py",
                tags=("acme",),
                env={"LOG_LEVEL": "INFO", "REGION": "north"},
                targets=both,
            ),
        ),
        system_packages=("libpq5",),
        includes=(Path("shared"),),
        build_secrets=("token",),
    )
    local = Target(
        name="local",
        registry_host=None,
        repository="flows/{flow}",
        work_pool="local-docker",
        work_pool_type="docker",
        prefect=PrefectChoice(api="embedded"),
        results=VolumeStorage("flow-results"),
        order="none",
    )
    production = Target(
        name="production",
        registry_host="ghcr.io",
        repository="acme/flows/{flow}",
        work_pool="big",
        work_pool_type="docker",
        prefect=PrefectChoice(profile="production"),
        work_queue="high",
        env={"STAGE": "production"},
        job_variables={"network_mode": "bridge"},
    )
    assert load(root) == Project(
        name="acme",
        root=root,
        flows=(etl, hello),
        targets={"local": local, "production": production},
        default_target="production",
        build_secrets=(BuildSecret("token", env="TOKEN"), BuildSecret("ca", file=ca)),
    )


def test_the_local_file_stands_in_for_a_base_and_keeps_its_name(tmp_path: Path) -> None:
    reference = f"127.0.0.1:5005/bases/python@sha256:{'c' * 64}"
    local = f'[bases]\n"python:3.13-slim" = {{ reference = "{reference}", python = "3.13" }}\n'
    write_files(write_files(tmp_path, MINIMAL), {"registry.local.toml": local})
    assert load(tmp_path).flows[0].base == BaseImage("python:3.13-slim", reference, "3.13")


@pytest.mark.parametrize(
    ("base", "python"),
    [
        ("python:3.12", "3.12"),
        ("python:3.11.4-slim-bookworm", "3.11"),
        ("docker.io/library/python:3.14-alpine", "3.14"),
        ("python", None),
        ("python:3-slim", None),
        ("ghcr.io/acme/python:3.12", None),
    ],
)
def test_python_is_read_from_official_tags_only(tmp_path: Path, base: str, python: str | None) -> None:
    write_files(
        write_files(tmp_path, MINIMAL), {HELLO: f'base = "{base}"\n', "images/bases.lock": "[bases]\n"}
    )
    assert load(tmp_path).flows[0].base == BaseImage(base, None, python)


def test_the_python_of_the_defaults_belongs_to_the_base_of_the_defaults(tmp_path: Path) -> None:
    defaults = registry('[defaults]\nbase = "team/base:1"\npython = "3.11"\n')
    write_files(
        write_files(tmp_path, MINIMAL),
        {**defaults, "flows/own/flow.py": FLOW, "flows/own/flow.toml": 'base = "team/other:1"\n'},
    )
    bases = {flow.name: (flow.base.name, flow.base.python) for flow in load(tmp_path).flows}
    assert bases == {"hello": ("team/base:1", "3.11"), "own": ("team/other:1", None)}
