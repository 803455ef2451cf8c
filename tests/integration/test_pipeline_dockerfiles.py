"""Flows that override blocks or bring a whole Dockerfile: shipped for real, and what breaks the contract is not."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import urllib3

from tests.integration.pipeline_projects import SmallProject

pytest_plugins = ("tests.integration.pipeline_fixtures",)

BLOCKS = """{% extends "Dockerfile.j2" %}
{% block base %}
{{ super() }}
ENV GREETED_BY=block
{% endblock %}
{% block source %}
{{ super() }}
COPY --chown={{ user_id }} project/{{ folder }}/words.txt /etc/words.txt
{% endblock %}
{% block image %}
LABEL org.opencontainers.image.title="{{ flow }}"
STOPSIGNAL SIGINT
{% endblock %}
"""
SPEAKS = '''import os
from pathlib import Path

from prefect import flow


@flow
def {name}() -> list[str]:
    """Says what only its image has."""
    return [os.environ["GREETED_BY"], Path("/etc/words.txt").read_text().strip()]
'''
OWN_END = """
USER root
ENV GREETED_BY=dockerfile
COPY project/flows/{name}/words.txt /etc/words.txt
USER 10001:10001
"""
BARE = """FROM {base} AS source
RUN rm -rf /opt/venv && ln -s /usr/local /opt/venv
ENV HOME=/nowhere
COPY project/flows/{name}/flow.py /opt/flowyard/lib/flowyard/runtime/start.py
"""
BREACHES = """{name}: the image does not keep the contract:
  it runs as root: end the stage with `USER 10001:10001`
  HOME is /nowhere, which its user cannot write: `ENV HOME=` a folder of user 10001
  /var/lib/flowyard/results is not a folder its user can write: `RUN install --directory --owner=10001 \
/var/lib/flowyard/results` as root
  /opt/flowyard/lib is not this build's runtime part: `COPY lib /opt/flowyard/lib`
  /opt/project/flows/{name} is not there: `COPY project/flows/{name} /opt/project/flows/{name}`
  the working directory is /: `WORKDIR /opt/project/flows/{name}`
  PYTHONPATH is not set: `ENV PYTHONPATH=/opt/flowyard/lib:/opt/project:/opt/project/flows/{name}`, \
with others behind these three
  `python` on PATH is /usr/local/bin/python: `ENV PATH=/opt/venv/bin:$PATH`
  /opt/venv/bin/python has no Prefect: install locks/prefect.lock, or a lock that has it
"""


def write_flow(project: SmallProject, name: str, file: str, text: str) -> None:
    project.flow(name, SPEAKS.format(name=name))
    project.write(f"flows/{name}/words.txt", f"words of {name}\n")
    project.write(f"flows/{name}/{file}", text)


def rendered_without_end(project: SmallProject, name: str) -> str:
    """The common Dockerfile of a flow up to the end: what a Dockerfile of one's own can begin with."""
    done = project.program("render", name)
    assert done.returncode == 0, done.stderr
    before, found, _ = done.stdout.partition("# Imports the flow where it will run")
    assert found
    return before


def image_config(project: SmallProject, name: str) -> dict[str, Any]:
    """The configuration of the image that a deployment runs."""
    image = project.deployment(name)["job_variables"]["image"]
    subprocess.run(["docker", "pull", "--quiet", image], check=True, capture_output=True)
    found = subprocess.run(["docker", "image", "inspect", image], check=True, capture_output=True).stdout
    config: dict[str, Any] = json.loads(found)[0]["Config"]
    return config


def tags(project: SmallProject, name: str) -> int:
    """HTTP status of the list of the flow's tags in the container registry."""
    return urllib3.request("GET", f"http://{project.host}/v2/flows/{name}/tags/list").status


def test_overridden_blocks_and_a_dockerfile_of_its_own_are_shipped_and_run(project: SmallProject) -> None:
    write_flow(project, "own_blocks", "Dockerfile.j2", BLOCKS)
    write_flow(project, "own_whole", "words.txt", "words of own_whole\n")
    text = rendered_without_end(project, "own_whole") + OWN_END.format(name="own_whole")
    project.write("flows/own_whole/Dockerfile", text)
    assert project.shipped() == {"own_blocks": "build", "own_whole": "build"}
    blocks, whole = (image_config(project, name) for name in ("own_blocks", "own_whole"))
    assert blocks["Labels"]["org.opencontainers.image.title"] == "own_blocks"
    assert (blocks["StopSignal"], blocks["Entrypoint"]) == ("SIGINT", whole["Entrypoint"])
    assert [config["User"] for config in (blocks, whole)] == ["10001:10001"] * 2
    for name, by in (("own_blocks", "block"), ("own_whole", "dockerfile")):
        done = project.program("run", name)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [by, f"words of {name}"]
    assert {action for action, _ in project.plan().values()} == {"unchanged"}


def test_an_image_that_breaks_the_contract_is_not_pushed(project: SmallProject) -> None:
    base = re.search(r'reference = "([^"]+)"', (project.root / "registry.local.toml").read_text())
    assert base
    write_flow(project, "own_bare", "Dockerfile", BARE.format(base=base[1], name="own_bare"))
    done = project.program("ship", "own_bare")
    assert (done.returncode, done.stdout) == (1, "")
    assert BREACHES.format(name="own_bare") in done.stderr
    assert "  hint: images/README.md says what an image has to keep, in `The contract`" in done.stderr
    assert (tags(project, "own_bare"), project.deployments()) == (404, {})


def test_an_image_without_its_python_is_not_pushed(project: SmallProject) -> None:
    base = re.search(r'reference = "([^"]+)"', (project.root / "registry.local.toml").read_text())
    assert base
    write_flow(project, "own_empty", "Dockerfile", f"FROM {base[1]} AS source\n")
    done = project.program("ship", "own_empty")
    assert (done.returncode, done.stdout) == (1, "")
    assert "the image has no /opt/venv/bin/python, or no shell to start it" in done.stderr
    assert (tags(project, "own_empty"), project.deployments()) == (404, {})


def test_an_own_dockerfile_whose_flow_cannot_be_imported_is_not_pushed(project: SmallProject) -> None:
    write_flow(project, "own_broken", "words.txt", "none\n")
    text = rendered_without_end(project, "own_broken")
    project.write("flows/own_broken/Dockerfile", text)
    project.write("flows/own_broken/flow.py", "import not_installed_here\n")
    done = project.program("ship", "own_broken")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not_installed_here" in done.stderr
    assert (tags(project, "own_broken"), project.deployments()) == (404, {})


def test_breaches_in_the_text_are_told_before_anything_is_built(project: SmallProject) -> None:
    write_flow(project, "own_text", "Dockerfile", 'FROM python:3.13 AS base\nENTRYPOINT ["tini"]\n')
    done = project.program("ship", "own_text")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "error: 3 problems in the configuration:\n"
        "  flows/own_text/Dockerfile: line 1: the last stage is called 'base'; write `FROM ... AS source`; "
        "images/README.md says what a Dockerfile of your own has to keep\n"
        "  flows/own_text/Dockerfile: line 1: python:3.13 is not pinned: a tag moves, and nothing would notice; "
        "write NAME@sha256:...\n"
        "  flows/own_text/Dockerfile: line 2: the image's ENTRYPOINT is Flowyard's, which becomes the command it "
        "is given; leave it out\n"
    )
