"""Mistakes on the command line, and in the environment it reads."""

from __future__ import annotations

from collections.abc import Mapping

from tests.mistakes.configuration import replaced
from tests.mistakes.table import Mistake

PROFILE = replaced('api = "http://prefect.example/api"', 'profile = "production"')
EMBEDDED = replaced('api = "http://prefect.example/api"', 'api = "embedded"')
FROM_ENVIRONMENT = replaced('prefect = { api = "http://prefect.example/api" }\n', "")
SECRET_URL = "https://me:secret@other.example/api?token=hidden"


def words(*typed: str) -> Mistake:
    """Nothing is wrong but the words."""
    return Mistake(words=typed)


COMMAND_LINE: Mapping[str, Mistake] = {
    "verb mistyped": words("shp"),
    "verb mistyped with a flow": words("plam", "hello"),
    "flow mistyped": words("render", "helo"),
    "flow that does not exist": words("plan", "etl"),
    "second flow that does not exist": words("plan", "hello", "etl"),
    "folder that is no flow": words("plan", "flows/etl"),
    "file outside of every flow": words("plan", "registry.toml"),
    "folder above the flows": words("plan", "flows"),
    "path outside of the repository": words("plan", "../../etc"),
    "glob that matches nothing": words("plan", "x*"),
    "glob of paths that matches nothing": words("ship", "flows/x*"),
    "exclusion that is not there": words("render", "--exclude", "helo"),
    "exclusion by a glob that matches nothing": words("plan", "-x", "x*"),
    "flow of an empty name": words("plan", ""),
    "flow named in bytes that are no text": words("plan", "\udcff"),
    "flow with a null character": words("plan", "a\0b"),
    "flow of five thousand characters": words("plan", "x" * 5000),
    "option that does not exist": words("plan", "--nope"),
    "option mistyped": words("ship", "--taget", "local"),
    "option of another verb": words("list", "--jobs", "2"),
    "option of another verb, as JSON": words("render", "--detailed-exitcode"),
    "option without its value": words("ship", "--jobs"),
    "target without its name": words("plan", "--target"),
    "target mistyped": words("list", "--target", "locl"),
    "target that does not exist": words("plan", "-t", "production"),
    "target of an empty name": words("ship", "--target", ""),
    "target that does not exist, as JSON": words("list", "--json", "-t", "production"),
    "jobs as a word": words("ship", "--jobs", "many"),
    "jobs as a fraction": words("ship", "--jobs", "1.5"),
    "no jobs": words("ship", "--jobs", "0"),
    "jobs below nothing": words("build", "-j", "-1"),
    "flag with a value": words("list", "--json=perhaps"),
    "word too much": words("list", "extra"),
    "words too much": words("up", "local", "production"),
    "run of nothing": words("run"),
    "run of two": words("run", "hello", "etl"),
    "run with a parameter without a value": words("run", "hello", "--parameter"),
    "run with a timeout as a word": words("run", "hello", "--timeout", "soon"),
    "run with no time": words("run", "hello", "--timeout", "0"),
    "run with a time below nothing": words("run", "hello", "--timeout=-5"),
    "run with a time that is no number": words("run", "hello", "--timeout", "nan"),
    "up without embedded services": words("up"),
    "embedded services that are not up": Mistake(EMBEDDED, ("plan",)),
    "state of the embedded services that is broken": Mistake(
        {**EMBEDDED, ".flowyard/services.json": "{"}, ("plan",)
    ),
    "profile that does not exist": Mistake(PROFILE, ("plan",)),
    "profiles that cannot be read": Mistake({**PROFILE, "profiles.toml": "[profiles\n"}, ("plan",)),
    "profile without an address": Mistake(
        {**FROM_ENVIRONMENT, "profiles.toml": 'active = "empty"\n[profiles.empty]\n'}, ("ship",)
    ),
    "no Prefect API at all": Mistake(FROM_ENVIRONMENT, ("plan",)),
    "Prefect API that is no URL": Mistake(
        FROM_ENVIRONMENT, ("plan",), {"PREFECT_API_URL": "prefect.example.com"}
    ),
    "Prefect API that is no URL and holds a password": Mistake(
        FROM_ENVIRONMENT, ("plan",), {"PREFECT_API_URL": "me:secret@prefect.example.com/api"}
    ),
    "Prefect API of the file and of the environment": Mistake({}, ("plan",), {"PREFECT_API_URL": SECRET_URL}),
    "Prefect API of the profile and of the environment": Mistake(
        {
            **PROFILE,
            "profiles.toml": '[profiles.production]\nPREFECT_API_URL = "https://you:hidden@prefect.example/api"\n',
        },
        ("plan",),
        {"PREFECT_API_URL": SECRET_URL},
    ),
}
