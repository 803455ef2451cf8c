"""Changes of the little repository, each of one kind, with what `plan` has to say of it."""

from __future__ import annotations

from tests.support import IN_A_BUCKET, write_files
from tests.unit.changing import (
    LOCK,
    SETTINGS,
    Change,
    append,
    changed_linked_lock,
    daily,
    flow_key,
    left_overs,
    link_becomes_file,
    link_to_another,
    linked_lock,
    other_secret,
    relocked,
    replaced,
    rewrite_backwards,
    target,
    touch,
)

# Each makes another image. The values are the reasons.
IMAGE: dict[str, tuple[Change, tuple[str, ...]]] = {
    "source byte": (append("flows/hello/flow.py", " "), ("flows/hello/flow.py changed",)),
    "data byte": (append("flows/hello/data/rows.csv", "\n"), ("flows/hello/data/rows.csv changed",)),
    "line endings": (replaced("flows/hello/flow.py", "\n", "\r\n"), ("flows/hello/flow.py changed",)),
    "mode: executable": (
        lambda root: (root / "flows/hello/helper.py").chmod(0o755),
        ("flows/hello/helper.py mode changed",),
    ),
    "mode: no longer executable": (
        lambda root: (root / "flows/hello/run.sh").chmod(0o644),
        ("flows/hello/run.sh mode changed",),
    ),
    "added file": (append("flows/hello/new.py", ""), ("flows/hello/new.py added",)),
    "removed file": (
        lambda root: (root / "flows/hello/helper.py").unlink(),
        ("flows/hello/helper.py removed",),
    ),
    "renamed file": (
        lambda root: (root / "flows/hello/helper.py").rename(root / "flows/hello/other.py"),
        ("flows/hello/helper.py removed", "flows/hello/other.py added"),
    ),
    "ignored by the folder's own rules": (
        append("flows/hello/.dockerignore", "data\n"),
        ("flows/hello/data/rows.csv removed",),
    ),
    "symlink's target": (link_to_another, ("flows/hello/link changed",)),
    "symlink becomes a file": (link_becomes_file, ("flows/hello/link changed",)),
    "lock": (replaced(LOCK, "attrs==1.0", "attrs==1.1"), (f"{LOCK} changed",)),
    "lock behind a symlink": (changed_linked_lock, (f"{LOCK} changed",)),
    "requirement": (relocked(append("flows/hello/requirements.txt", "six\n")), (f"{LOCK} changed",)),
    "Prefect's lock": (
        relocked(append("images/locks/prefect-3.13.lock", "#\n")),
        (f"{LOCK} changed", "images/locks/prefect-3.13.lock changed"),
    ),
    "installer's lock": (append("images/locks/uv.lock", "#\n"), ("images/locks/uv.lock changed",)),
    "template": (append("images/Dockerfile.j2", "{# remark #}"), ("images/Dockerfile.j2 changed",)),
    "template's text": (append("images/Dockerfile.j2", "USER root\n"), ("images/Dockerfile.j2 changed",)),
    "partial": (append("images/partials/check.j2", "# remark\n"), ("images/partials/check.j2 changed",)),
    "install script": (append("images/scripts/install-lock", "\n"), ("images/scripts/install-lock changed",)),
    "flow's own template": (
        append("flows/hello/Dockerfile.j2", '{% extends "Dockerfile.j2" %}'),
        ("flows/hello/Dockerfile.j2 added",),
    ),
    "flow's own Dockerfile": (
        append("flows/hello/Dockerfile", "FROM scratch AS source\n"),
        ("flows/hello/Dockerfile added",),
    ),
    "shared folder": (append("shared/days.py", " "), ("shared/days.py changed",)),
    "new file in the shared folder": (append("shared/new.txt", ""), ("shared/new.txt added",)),
    "another shared folder": (
        flow_key('include = ["extra"]\n'),
        ("extra/more.py added", "include changed"),
    ),
    "base digest": (replaced("images/bases.lock", "b" * 64, "c" * 64), ("base image changed",)),
    "base on this machine": (
        append(
            "registry.local.toml",
            f'[bases]\n"python:3.13-slim" = {{ reference = "x.example/p@sha256:{"d" * 64}", python = "3.13" }}',
        ),
        ("base image changed",),
    ),
    "Python version": (
        flow_key('base = "python:3.12-slim"\n'),
        (
            f"{LOCK} changed",
            "images/locks/prefect-3.12.lock added",
            "images/locks/prefect-3.13.lock removed",
            "python changed",
        ),
    ),
    "system package": (flow_key('system-packages = ["git"]\n'), ("system-packages changed",)),
    "platform": (flow_key('platforms = ["linux/arm64"]\n'), ("platforms changed",)),
    "time of the check": (flow_key("check-seconds = 300\n"), ("check-seconds added",)),
    "memory of the check": (flow_key('check-memory = "4Gi"\n'), ("check-memory added",)),
    "build secret's name": (flow_key('build-secrets = ["token"]\n'), ("build-secrets changed",)),
    "results in a bucket": (
        relocked(append("registry.toml", IN_A_BUCKET)),
        (f"{LOCK} changed", "results in s3 added"),
    ),
    "entrypoint": (
        flow_key('entrypoint = "helper.py"\n'),
        ("deployments.daily.entrypoint changed", "entrypoints changed"),
    ),
    "image and deployment": (
        relocked(flow_key('system-packages = ["git"]\ntags = ["more"]\n')),
        ("deployments.daily.tags changed", "system-packages changed"),
    ),
}

# Each leaves the image as it is and registers the deployments anew.
DEPLOYMENTS: dict[str, tuple[Change, tuple[str, ...]]] = {
    "schedule": (replaced(SETTINGS, "0 6", "1 6"), ("deployments.daily.schedules changed",)),
    "schedule removed": (
        replaced(SETTINGS, ', { cron = "0 18 * * *" }', ""),
        ("deployments.daily.schedules changed",),
    ),
    "schedule's time zone": (
        replaced(SETTINGS, '"0 6 * * *"', '"0 6 * * *", timezone = "Europe/Paris"'),
        ("deployments.daily.schedules changed",),
    ),
    "schedule switched off": (
        replaced(SETTINGS, '"0 6 * * *"', '"0 6 * * *", active = false'),
        ("deployments.daily.schedules changed",),
    ),
    "parameter": (replaced(SETTINGS, "today", "yesterday"), ("deployments.daily.parameters changed",)),
    "tag": (replaced(SETTINGS, "nightly", "hourly"), ("deployments.daily.tags changed",)),
    "default tag": (flow_key('tags = ["all"]\n'), ("deployments.daily.tags changed",)),
    "description": (daily('description = "Says hello."\n'), ("deployments.daily.description changed",)),
    "concurrency limit": (daily("concurrency-limit = 1\n"), ("deployments.daily.concurrency-limit changed",)),
    "work queue": (daily('work-queue = "fast"\n'), ("deployments.daily.work-queue changed",)),
    "memory": (daily('resources = { memory = "1Gi" }\n'), ("deployments.daily.resources changed",)),
    "env": (daily('env = { MODE = "test" }\n'), ("deployments.daily.env changed",)),
    "flow's env": (flow_key('env = { MODE = "test" }\n'), ("deployments.daily.env changed",)),
    "job variable": (
        daily('job-variables = { image_pull_policy = "Always" }\n'),
        ("deployments.daily.job-variables changed",),
    ),
    "two settings": (
        daily('env = { MODE = "test" }\nwork-queue = "fast"\n'),
        ("deployments.daily.env changed", "deployments.daily.work-queue changed"),
    ),
    "target's env": (target('env = { MODE = "test" }\n'), ("targets.local.env changed",)),
    "target's job variable": (
        target('job-variables = { image_pull_policy = "Always" }\n'),
        ("targets.local.job-variables changed",),
    ),
    "target's results": (target('results = "volume:results"\n'), ("targets.local.results changed",)),
    "target's work pool": (
        replaced("registry.toml", 'name = "pool"', 'name = "other"'),
        ("work pool changed",),
    ),
    "another deployment": (daily("[deployments.weekly]\n"), ("deployment weekly added",)),
    "deployment's name": (
        replaced(SETTINGS, "deployments.daily", "deployments.dawn"),
        ("deployment dawn added", "deployment daily removed"),
    ),
}


# Each must not be seen.
NOTHING: dict[str, Change] = {
    "no change": lambda root: None,
    "mtime": touch,
    "file order": rewrite_backwards,
    "__pycache__": left_overs(
        "__pycache__/flow.cpython-313.pyc", "flow.pyc", ".mypy_cache/x", ".venv/bin/python"
    ),
    ".env": left_overs(".env", ".env.local", ".envrc", "id_rsa", "server.pem", ".aws/credentials"),
    "editor files": left_overs(
        ".flow.py.swp", "flow.py~", "#flow.py#", ".#flow.py", ".idea/x", ".vscode/y", ".DS_Store"
    ),
    "version control": left_overs(".git/config", ".gitignore", ".gitattributes"),
    "rules that leave nothing out": append("flows/hello/.dockerignore", "nothing\n"),
    "build secret's value": replaced("secret.txt", "first", "second"),
    "build secret's place": other_secret,
    "remarks and order of flow.toml": lambda root: write_files(
        root,
        {
            SETTINGS: """# every day
[deployments.daily]
tags = ["nightly"]
parameters.day = "today"
[[deployments.daily.schedules]]
cron = "0 18 * * *"
[[deployments.daily.schedules]]
cron = "0 6 * * *"
timezone = "UTC"
"""
        },
    ),
    "lock behind a symlink": linked_lock,
    "remarks in registry.toml": append("registry.toml", "# the end\n"),
    "order of requirements": lambda root: write_files(
        root, {"flows/hello/requirements.txt": "idna # names\n\nattrs\n"}
    ),
    "unused template": append("images/partials/unused.j2", "x"),
    "read-me of the templates": append("images/README.md", "x"),
    "unused base": append(
        "images/bases.lock", f'"x:1" = {{ reference = "x.example/x@sha256:{"e" * 64}", python = "3.13" }}\n'
    ),
    "empty folder": lambda root: (root / "flows/hello/empty").mkdir(),
    "another folder": append("notes.txt", "x"),
    "target's builder and cache": append(
        "registry.toml",
        '[targets.local.build]\nbuilder = "farm"\ncache = { type = "registry", repository = "cache" }\n',
    ),
    "this machine's builder": append("registry.local.toml", '[build]\nbuilder = "farm"\n'),
    "another target": append(
        "registry.toml",
        '[targets.b]\nregistry = { type = "oci", url = "x.example" }\nwork-pool = { name = "b", type = "docker" }\n',
    ),
}
