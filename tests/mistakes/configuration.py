"""Mistakes in registry.toml and flow.toml: every key with a wrong type, a wrong value or a wrong neighbour."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.table import Files
from tests.support import FLOW, REGISTRY

HELLO = "flows/hello/flow.toml"
TARGET = REGISTRY.partition("[targets.local]\n")[2]
OTHER_TARGET = TARGET.replace("http://prefect", "http://other")
OTHER_POOL = TARGET.replace('"pool"', '"other"')


def deployment(text: str) -> dict[str, str]:
    """A deployment with these settings."""
    return {HELLO: f"[deployments.daily]\n{text}\n"}


def registry(text: str) -> dict[str, str]:
    """registry.toml with this behind its target."""
    return {"registry.toml": REGISTRY + text}


def replaced(old: str, new: str) -> dict[str, str]:
    """registry.toml with other words."""
    assert old in REGISTRY
    return {"registry.toml": REGISTRY.replace(old, new)}


CONFIGURATION: Mapping[str, Files] = {
    # registry.toml
    "no registry.toml": {"registry.toml": None},
    "invalid TOML": {"registry.toml": "[project\n"},
    "not UTF-8": {"registry.toml": b'[project]\nname = "\xff"\n'},
    "empty": {"registry.toml": ""},
    "unknown table": registry("[target.other]\n"),
    "unknown key of the project": replaced('name = "acme"', 'name = "acme"\ndefault-traget = "local"'),
    "project name of wrong form": replaced('"acme"', '"Acme Flows"'),
    "project name of wrong type": replaced('"acme"', "3"),
    "project name of 64 characters": replaced('"acme"', f'"{"a" * 64}"'),
    "target name of 64 characters": replaced("targets.local", f"targets.{'a' * 64}"),
    "no targets": {"registry.toml": '[project]\nname = "acme"\n[targets]\n'},
    "target of illegal name": replaced("targets.local", 'targets."Local Machine"'),
    "default target unknown": replaced('name = "acme"', 'name = "acme"\ndefault-target = "loacl"'),
    "registry without type": replaced('type = "oci", ', ""),
    "registry of unknown type": replaced('type = "oci"', 'type = "gcr"'),
    "registry without url": replaced(', url = "registry.example:5000"', ""),
    "registry url with scheme": replaced('"registry.example:5000"', '"https://registry.example"'),
    "unknown key of the registry": replaced(", url =", ', regon = "x", url ='),
    "repository without flow": replaced(
        '"registry.example:5000"', '"registry.example:5000", repository = "all"'
    ),
    "work pool without name": replaced('name = "pool", ', ""),
    "work pool of unknown type": replaced('type = "docker"', 'type = "process"'),
    "work pool is no table": replaced('work-pool = { name = "pool", type = "docker" }', 'work-pool = "pool"'),
    "api and profile": replaced('api = "http://prefect.example/api"', 'api = "embedded", profile = "x"'),
    "two targets with one work pool": registry(f"[targets.a]\n{OTHER_TARGET}[targets.b]\n{OTHER_TARGET}"),
    "results of wrong form": registry('results = "gs://bucket"\n'),
    "environment variable of wrong form": registry('env = { "LOG-LEVEL" = "INFO" }\n'),
    "environment variable of wrong type": registry("env = { LOG_LEVEL = 1 }\n"),
    "two spellings of one Prefect API": registry(
        f"[targets.a]\n{OTHER_TARGET}[targets.b]\n{OTHER_TARGET.replace('http://other.example/api', 'HTTP://Other.example/api/')}"
    ),
    "two targets that write one deployment": registry(f"[targets.a]\n{OTHER_POOL}"),
    "two targets that write one deployment of several": {
        **registry(f"[targets.a]\n{OTHER_POOL}"),
        HELLO: '[deployments.daily]\ntargets = ["local"]\n[deployments.weekly]\ntargets = ["a", "local"]\n',
    },
    "registry url without a host": replaced('"registry.example:5000"', '"acme"'),
    "registry url with upper case": replaced('"registry.example:5000"', '"ghcr.io/Acme"'),
    "registry url with a password": replaced('"registry.example:5000"', '"https://me:secret@ghcr.io/acme"'),
    "registry url with a password and no scheme": replaced(
        '"registry.example:5000"', '"me:secret@ghcr.io/acme"'
    ),
    "registry url that is empty": replaced('"registry.example:5000"', '""'),
    "repository with a tag": replaced(
        '"registry.example:5000"', '"registry.example:5000", repository = "{flow}:latest"'
    ),
    "repository with illegal characters": replaced(
        '"registry.example:5000"', '"registry.example:5000", repository = "Team Flows/{flow}"'
    ),
    "repository that is too long for a registry": replaced(
        '"registry.example:5000"', f'"registry.example:5000", repository = "{"x" * 251}/{{flow}}"'
    ),
    "prefect api without scheme": replaced("http://prefect.example/api", "prefect.example/api"),
    "prefect api with a password": replaced("http://prefect.example", "http://me:secret@prefect.example"),
    "prefect api with an impossible port": replaced("http://prefect.example", "http://prefect.example:99999"),
    "prefect api of wrong type": replaced('"http://prefect.example/api"', "4200"),
    "work pool of a reserved name": replaced('name = "pool"', 'name = "Prefect Managed"'),
    "work pool with a slash": replaced('name = "pool"', 'name = "team/pool"'),
    "work pool of an empty name": replaced('name = "pool"', 'name = ""'),
    "work queue with a slash": replaced('name = "pool"', 'name = "pool", queue = "a/b"'),
    "image among the target's job variables": registry('job-variables = { image = "python:3.13" }\n'),
    "order": registry('order = "time"\n'),
    "defaults with a key of flows": registry('[defaults]\nentrypoint = "flow.py"\n'),
    "default include missing": registry('[defaults]\ninclude = ["shraed"]\n'),
    "default base": registry('[defaults]\nbase = "Python:3.13"\n'),
    "default env with a date": registry("[defaults]\ntags = [2026-01-01]\n"),
    # flow.toml
    "underscore instead of dash": {HELLO: 'system_packages = ["libpq5"]\n'},
    "unknown key of a flow": {HELLO: 'schedule = "0 6 * * *"\n'},
    "list instead of text": {HELLO: 'base = ["python:3.13-slim"]\n'},
    "text instead of list": {HELLO: 'system-packages = "libpq5"\n'},
    "list of wrong things": {HELLO: 'system-packages = ["libpq5", 5]\n'},
    "python of wrong form": {HELLO: 'python = "3.13.1"\n'},
    "python as a number": {HELLO: "python = 3.13\n"},
    "base that is no reference": {HELLO: 'base = "https://example.com/python"\n'},
    "entrypoint missing": {HELLO: 'entrypoint = "main.py:hello"\n'},
    "entrypoint outside": {HELLO: 'entrypoint = "../other/flow.py"\n'},
    "entrypoint absolute": {HELLO: 'entrypoint = "/flow.py"\n'},
    "no flow.py": {"flows/hello/flow.py": None, "flows/hello/readme.txt": "x"},
    "include outside": {HELLO: 'include = ["../shared"]\n'},
    "include absolute": {HELLO: 'include = ["/etc"]\n'},
    "include missing": {HELLO: 'include = ["shared"]\n'},
    "include is a file": {HELLO: 'include = ["registry.toml"]\n'},
    "check that may take no time": {HELLO: "check-seconds = 0\n"},
    "check that may take too long": {HELLO: "check-seconds = 86400\n"},
    "memory of the check without a unit": {HELLO: 'check-memory = "2GB"\n'},
    "build secret of wrong form": {HELLO: 'build-secrets = ["my secret"]\n'},
    "illegal folder name": {"flows/My Flow/flow.py": FLOW},
    "folder name a registry refuses": {"flows/a_-b/flow.py": FLOW},
    "folder name too long": {f"flows/{'a' * 64}/flow.py": FLOW},
    # deployments
    "deployment of illegal name": {HELLO: '[deployments."Every Day"]\n'},
    "deployment name of 64 characters": {HELLO: f"[deployments.{'a' * 64}]\n"},
    "unknown key of a deployment": deployment("shedules = []"),
    "unknown target": deployment('targets = ["prodction", "local"]'),
    "deployment entrypoint missing": deployment('entrypoint = "other.py:x"'),
    "deployment entrypoint outside": deployment('entrypoint = "../x.py"'),
    "limit of zero": deployment("concurrency-limit = 0"),
    "limit above what the server holds": deployment("concurrency-limit = 9999999999"),
    "limit as text": deployment('concurrency-limit = "1"'),
    "limit as truth": deployment("concurrency-limit = true"),
    "collision strategy": deployment('collision-strategy = "WAIT"'),
    "cpu of zero": deployment("resources = { cpu = 0 }"),
    "cpu of a million": deployment("resources = { cpu = 1000000 }"),
    "cpu without end": deployment("resources = { cpu = inf }"),
    "memory without unit": deployment('resources = { memory = "512" }'),
    "memory with a decimal unit": deployment('resources = { memory = "2GB" }'),
    "memory as a number": deployment("resources = { memory = 512 }"),
    "unknown resource": deployment("resources = { gpu = 1 }"),
    "parameters with a date": deployment("parameters = { day = 2026-01-01, times = [{ at = 06:00:00 }] }"),
    "parameters nested too deeply": deployment(f"parameters.x = {'[' * 60}{']' * 60}"),
    "parameters nested beyond what is read": deployment(f"parameters.x = {'[' * 2000}{']' * 2000}"),
    "parameters nested by dotted keys": deployment(f"parameters.{'x.' * 2000}x = 1"),
    "number of five thousand digits": deployment(f"concurrency-limit = {'9' * 5000}"),
    "hexadecimal number of four thousand digits": deployment(f"concurrency-limit = 0x{'f' * 4000}"),
    "text with control characters": {HELLO: 'base = "py\\u001b[31mthon\\n"\n'},
    "image among the job variables": deployment('job-variables = { image = "python:3.13" }'),
    "work queue of a deployment with a slash": deployment('work-queue = "a/b"'),
    "table where a list of tables is needed": {HELLO: "[deployments.daily.schedules]\n"},
    "deployments as a list": {HELLO: "[[deployments]]\nname = 1\n"},
    "the same key twice": {HELLO: 'base = "python:3.13"\nbase = "python:3.12"\n'},
    "the same deployment twice": {HELLO: "[deployments.daily]\n[deployments.daily]\n"},
    "platform of wrong form": {HELLO: 'platforms = ["linux"]\n'},
    "system package of wrong form": {HELLO: 'system-packages = ["git && curl"]\n'},
    "entrypoint of wrong form": {HELLO: 'entrypoint = "flow:hello"\n'},
    "python another than the base's": {HELLO: 'python = "3.12"\n'},
    "python another than that of a base which is not pinned": {
        HELLO: 'base = "python:3.12"\npython = "3.11"\n'
    },
    "python of the defaults another than the base's": registry('[defaults]\npython = "3.12"\n'),
    # schedules
    "schedule of no kind": deployment('schedules = [{ timezone = "UTC" }]'),
    "schedule of two kinds": deployment('schedules = [{ cron = "0 6 * * *", interval = 60 }]'),
    "schedules is no list": deployment('schedules = { cron = "0 6 * * *" }'),
    "schedule is text": deployment('schedules = ["0 6 * * *"]'),
    "unknown key of a schedule": deployment('schedules = [{ cron = "0 6 * * *" , tz = "UTC" }]'),
    "bad cron": deployment('schedules = [{ cron = "0 25 * * *" }]'),
    "cron with a nickname": deployment('schedules = [{ cron = "@daily" }]'),
    "cron with seconds": deployment('schedules = [{ cron = "0 0 6 * * *" }]'),
    "bad time zone": deployment('schedules = [{ cron = "0 6 * * *", timezone = "Europe/Pari" }]'),
    "time zone that is a folder": deployment('schedules = [{ cron = "0 6 * * *", timezone = "Europe" }]'),
    "time zone of this machine only": deployment(
        'schedules = [{ cron = "0 6 * * *", timezone = "localtime" }]'
    ),
    "time zone outside of the zones": deployment(
        'schedules = [{ cron = "0 6 * * *", timezone = "../../../etc/passwd" }]'
    ),
    "cron of four fields": deployment('schedules = [{ cron = "0 6 * *" }]'),
    "cron that is empty": deployment('schedules = [{ cron = "" }]'),
    "bad recurrence rule": deployment('schedules = [{ rrule = "FREQ=OFTEN" }]'),
    "recurrence rule without frequency": deployment('schedules = [{ rrule = "BYDAY=MO" }]'),
    "recurrence rule that is none": deployment('schedules = [{ rrule = "every day" }]'),
    "recurrence rule that never moves on": deployment('schedules = [{ rrule = "FREQ=DAILY;INTERVAL=0" }]'),
    "recurrence rule that is too long": deployment(
        f'schedules = [{{ rrule = "FREQ=YEARLY;BYYEARDAY={",".join(["1"] * 4000)}" }}]'
    ),
    "interval of a thousand years": deployment("schedules = [{ interval = 1e11 }]"),
    "interval as text": deployment('schedules = [{ interval = "1h" }]'),
    "interval of zero": deployment("schedules = [{ interval = 0 }]"),
    "anchor without interval": deployment('schedules = [{ cron = "0 6 * * *", anchor = "2026-01-01" }]'),
    "bad anchor": deployment('schedules = [{ interval = 60, anchor = "noon" }]'),
    "anchor without quotes": deployment("schedules = [{ interval = 60, anchor = 2026-01-01 }]"),
    "the same schedule twice": deployment(
        'schedules = [{ cron = "0 6 * * *" }, { cron = "0 6 * * *", active = false }]'
    ),
    "two schedules of one name": deployment(
        'schedules = [{ interval = 1, name = "a" }, { interval = 2, name = "a" }]'
    ),
    # dependencies
    "dependencies twice": {
        "flows/hello/requirements.txt": "attrs\n",
        "flows/hello/pyproject.toml": "[project]\ndependencies = []\n",
    },
    "option in requirements": {"flows/hello/requirements.txt": "attrs\n-r other.txt\n"},
    "requirements not UTF-8": {"flows/hello/requirements.txt": b"caf\xe9\n"},
    "dependencies of wrong type": {"flows/hello/pyproject.toml": '[project]\ndependencies = "attrs"\n'},
    "project table of wrong type": {"flows/hello/pyproject.toml": "project = 3\n"},
    "pyproject.toml that is no TOML": {"flows/hello/pyproject.toml": "[project\n"},
    "script header that is no TOML": {"flows/hello/flow.py": "# /// script\n# dependencies = [\n# ///\n"},
    "script header of wrong type": {
        "flows/hello/flow.py": '# /// script\n# dependencies = ["attrs", 1]\n# ///\n'
    },
    # registry.local.toml and images/bases.lock
    "secret of both kinds": {
        "registry.local.toml": '[build-secrets]\nindex = { env = "INDEX", file = "registry.toml" }\n'
    },
    "secret of no kind": {"registry.local.toml": "[build-secrets]\nindex = {}\n"},
    "secret whose file is missing": {
        "registry.local.toml": '[build-secrets]\nca = { file = "/nowhere/ca.pem" }\n'
    },
    "secret in the home of nobody": {
        "registry.local.toml": '[build-secrets]\nca = { file = "~nobody-here/ca.pem" }\n'
    },
    "secret of illegal name": {"registry.local.toml": '[build-secrets]\n"a b" = { env = "A" }\n'},
    "base without digest": {
        "registry.local.toml": '[bases]\n"python:3.13-slim" = { reference = "python:3.13", python = "3.13" }\n'
    },
    "unknown key of the local file": {"registry.local.toml": "[base]\n"},
    "broken lock of bases": {"images/bases.lock": "[bases\n"},
    "everything at once": {
        **replaced('name = "acme"', 'name = "acme"\ndefault-target = "prod"'),
        HELLO: 'entrypoint = "main.py"\n[deployments.daily]\nschedules = [{ cron = "x" }]\n',
        "flows/other/flow.toml": 'bse = "python"\n',
        "flows/third/flow.py": FLOW,
        "flows/third/requirements.txt": "--no-index\n",
        "registry.local.toml": "[build-secrets]\nca = {}\n",
    },
}
