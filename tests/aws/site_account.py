"""The site in a real account, where one is given: FLOWYARD_AWS_TEST_SITE names the registry.toml of its target.

Without it and FLOWYARD_AWS_TEST_ACCOUNT nothing of this is collected. It costs what its tasks and images cost.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from flowyard.adapters.prefect_api import PrefectRest
from flowyard.commands.opening import open_project
from flowyard.configuration.paths import REGISTRY_FILE
from flowyard.connect import connect
from flowyard.target import Target
from tests.aws.accounts import REAL_ACCOUNT, check_account
from tests.aws.ecs_worker import ecs_worker
from tests.aws.site import DEPLOYMENTS, FLOW, SECRET_VARIABLE, TARGET, Site, run_program
from tests.integration.yard import ROOT

SITE = os.environ.get("FLOWYARD_AWS_TEST_SITE", "")
KINDS = ("stand-in", *(("account",) if REAL_ACCOUNT and SITE else ()))


@contextmanager
def account_site(folder: Path) -> Iterator[Site]:
    """The site, shipped and with a worker on this machine. Credentials and Prefect's address are this process's own.

    When the block ends, the deployments are gone; images, task definitions and results stay in the account.
    """
    check_account()
    root = folder / "project"
    own = shutil.ignore_patterns("__pycache__")
    for name in ("images", "shared"):
        shutil.copytree(ROOT / name, root / name, ignore=own)
    shutil.copy(ROOT / "build.py", root)
    flow = root / "flows" / "etl"
    flow.mkdir(parents=True)
    (flow / "flow.py").write_text(FLOW)
    (flow / "flow.toml").write_text(DEPLOYMENTS)
    shutil.copy(SITE, root / REGISTRY_FILE)
    connection = connect(open_project(root).targets[TARGET], root, os.environ)
    target, address = connection.target, connection.prefect
    shipped = run_program(root, ("flows/etl", "--target", TARGET), os.environ)
    assert shipped.returncode == 0, shipped.stderr
    region = target.ecs.region if target.ecs else None
    settings = {name: value for name, value in os.environ.items() if name.startswith(("AWS_", "PREFECT_"))}
    settings["PREFECT_API_URL"] = address.api_url
    with ecs_worker(folder / "worker", target.work_pool, settings) as worker:
        site = Site(
            root=root,
            target=target,
            shipped=shipped,
            secret=_secret(target),
            prefect=PrefectRest(address),
            worker=worker,
            environment=lambda _: os.environ,
            client=lambda service: boto3.client(service, region_name=region),
            stand_in=None,
        )
        yield site
        for name in ("daily", "other"):
            site.prefect.request("DELETE", f"/deployments/{site.deployment(name)['id']}")


def _secret(target: Target) -> str:
    """The value that tasks are to be given, as whoever runs the tests reads it."""
    parts = target.secrets[SECRET_VARIABLE].split(":")
    client: Any = boto3.client("secretsmanager", region_name=parts[3])
    value = str(client.get_secret_value(SecretId=":".join(parts[:7]))["SecretString"])
    return str(json.loads(value)[parts[7]]) if len(parts) > 7 and parts[7] else value
