"""TOML documents made from the JSON Schemas of the files, and what people may do to them.

The document that holds every key is generated, so a new key is fuzzed from the day it is there.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from flowyard.configuration.models import FlowFile, RegistryFile

Json = Any
Path = tuple[str | int, ...]
# One of them fits each pattern of the schemas.
SAMPLES = (
    *("local", "flow.py:hello", "libpq5", "shared", "linux/arm64", "3.13", "512Mi", "volume:results"),
    *("LOG_LEVEL", f"x@sha256:{'a' * 64}", "eu-west-1", "123456789012"),
    *("vpc-0123456789abcdef0", "subnet-0123456789abcdef0", "sg-0123456789abcdef0"),
    "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf",
    "arn:aws:iam::123456789012:role/flows",
)
NAMES = ("local", "hello", "daily", "LOG_LEVEL", "token", "python:3.13-slim")
ODD_TEXTS = (
    *(
        "",
        " ",
        ".",
        "..",
        "/",
        "../..",
        "~",
        "~nobody/x",
        "\x00",
        "\x1b[31m",
        "a\nb",
        "é",
        "\u202e",
        "x" * 300,
    ),
    *("embedded", "oci", "docker", "git", "local", "nowhere", "hello", "flow.py", "flow.py:", ":", "{flow}"),
    *("0 6 * * *", "0 6 31 2 *", "@daily", "* * * *", "*/0 * * * *", "² * * * *", "L * * * *", "* * LW * *"),
    *("UTC", "Europe", "localtime", "posix/UTC", "2026-01-01", "9999-99-99", "FREQ=DAILY", "FREQ=", "RRULE:"),
    *("FREQ=DAILY;UNTIL=1", "DTSTART:99999999999999999999", "EXDATE:1", "FREQ=DAILY;INTERVAL=-1"),
    *("http://x/api", "http://[", "https://a:b@c/", "http://x:99999", "ghcr.io/acme", "a:b@c", "x:5000/A"),
    *("ecr", "ecs", "ecs:push", "process", "FARGATE_SPOT", "arn:aws:ssm:eu-west-1::parameter/", "s3://a-b"),
    *("1Ki", "999999999Ti", "3.999", "python:3.13-slim", "a@b", "a:" + "b" * 200, "volume:a", "PREFECT"),
)
ODD_NUMBERS = (0, -1, 1, 2**31, 2**63 - 1, -(2**63), 10**400, 0.0, -0.0, 1e-300, 1e300, 0.1)


def whole_document(model: type[BaseModel]) -> dict[str, Json]:
    """A document with every key of the file."""
    schema = model.model_json_schema(by_alias=True)
    document = _sample(schema, schema)
    assert isinstance(document, dict)
    return document


def sound_registry() -> dict[str, Json]:
    """registry.toml with every key that may stand beside the others, and two targets."""
    document = whole_document(RegistryFile)
    target = document["targets"]["local"]
    target["prefect"] = {"api": "https://prefect.example.com/api"}
    target["registry"] = {"type": "oci", "url": "ghcr.io/acme", "repository": "flows/{flow}"}
    del target["ecs"], target["kubernetes"], target["secrets"]
    target["build"]["cache"] = {"type": "registry", "repository": "flows-cache"}
    other = copy.deepcopy(target)
    other |= {"prefect": {"profile": "production"}, "registry": {"type": "embedded"}}
    document["targets"]["other"] = other
    document["defaults"]["base"] = "python:3.13-slim"
    return document


def sound_registry_on_ecs() -> dict[str, Json]:
    """registry.toml with every key that may stand beside the others where tasks run on ECS."""
    document = whole_document(RegistryFile)
    target = document["targets"]["local"]
    target["prefect"] = {"profile": "production"}
    target["registry"]["repository"] = "flows/{flow}"
    target["work-pool"]["type"] = "ecs"
    del target["kubernetes"]
    target["results"] = "s3://acme-results/flows"
    target["secrets"] = {"PASSWORD": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf:key::"}
    target["ecs"]["capacity-providers"] = [{"name": "FARGATE_SPOT", "weight": 1, "base": 1}]
    target["ecs"]["architecture"] = "arm64"  # as the sample of platforms
    document["defaults"]["base"] = "python:3.13-slim"
    return document


def sound_flow(*, on_ecs: bool = False) -> dict[str, Json]:
    """flow.toml with every key that may stand beside the others, and a schedule of each kind."""
    document = whole_document(FlowFile)
    document["base"] = "python:3.13-slim"
    (daily,) = document["deployments"].values()
    (schedule,) = daily["schedules"]
    kinds = {"cron": "0 6 * * *", "interval": 60, "rrule": "FREQ=DAILY"}
    kept = {
        key: value for key, value in schedule.items() if key not in (*kinds, "anchor", "timezone", "name")
    }
    schedules = [{**kept, kind: value, "timezone": "Europe/Paris"} for kind, value in kinds.items()]
    schedules[1]["anchor"] = "2026-01-01T00:00:00"
    daily["schedules"] = schedules
    daily["resources"] = {"cpu": 1, "memory": "2Gi"}
    if on_ecs:
        daily["secrets"] = {"token": "arn:aws:ssm:eu-west-1:123456789012:parameter/flows/token"}
    else:
        del daily["secrets"]
    document["entrypoint"] = daily["entrypoint"] = "flow.py:hello"
    return document


def _sample(schema: Json, root: Json) -> Json:
    if "$ref" in schema:
        return _sample(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return _sample(next(one for one in reversed(schema[choice]) if one != {"type": "null"}), root)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            return _table(schema, root)
        case "array":
            return [_sample(schema["items"], root)]
        case "string":
            return next(text for text in SAMPLES if re.search(schema.get("pattern", ""), text))
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
    return "anything"


def _table(schema: Json, root: Json) -> dict[str, Json]:
    table = {key: _sample(value, root) for key, value in schema.get("properties", {}).items()}
    for pattern, value in schema.get("patternProperties", {}).items():
        table[next(name for name in NAMES if re.search(pattern, name))] = _sample(value, root)
    if isinstance(schema.get("additionalProperties"), dict):
        table["daily"] = _sample(schema["additionalProperties"], root)
    elif schema.get("additionalProperties") is True:
        table["x"] = 1
    return table


def paths(value: Json, at: Path = ()) -> Iterator[Path]:
    """The path of everything in a document."""
    entries = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    )
    for key, inner in entries:
        yield (*at, key)
        yield from paths(inner, (*at, key))


def toml(value: Json) -> str:
    """A value as TOML writes it inside a line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{text(key)} = {toml(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(toml, value)) + "]"
    if isinstance(value, str):
        return text(value)
    if isinstance(value, bool | int | float):
        return str(value).lower()
    return str(value.isoformat())


def text(value: str) -> str:
    """A basic string of TOML."""
    return json.dumps(value).replace("\x7f", "\\u007f")


def written(document: dict[str, Json]) -> str:
    """The document as a file: its tables in lines of their own, what is in them inside the lines."""
    return "".join(f"{text(key)} = {toml(value)}\n" for key, value in document.items())


texts = st.one_of(
    st.sampled_from((*ODD_TEXTS, *SAMPLES)),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
numbers: st.SearchStrategy[Json] = st.one_of(
    st.sampled_from(ODD_NUMBERS), st.floats(), st.integers(-(2**64), 2**64)
)
scalars: st.SearchStrategy[Json] = st.one_of(
    texts,
    numbers,
    st.booleans(),
    st.dates(),
    st.datetimes(),
    st.times(),
)
values: st.SearchStrategy[Json] = st.one_of(
    scalars,
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(st.sampled_from([*NAMES, "type", "x", "", "a b"]), scalars, max_size=2),
)


@st.composite
def mutated(draw: st.DrawFn, document: dict[str, Json]) -> dict[str, Json]:
    """The document after one to three changes anywhere in it."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        path = draw(st.sampled_from(sorted(paths(document), key=str)))
        _change(draw, changed, path)
    return changed


def _change(draw: st.DrawFn, document: Json, path: Path) -> None:
    for part in path[:-1]:
        try:
            document = document[part]
        except (KeyError, IndexError, TypeError):
            return  # an earlier change took it away
    key = path[-1]
    if not isinstance(document, dict | list) or (isinstance(document, list) and not isinstance(key, int)):
        return
    action = draw(st.sampled_from(["alike", "alike", "alike", "other", "drop", "wrap", "unknown", "twice"]))
    if isinstance(document, list):
        document.insert(int(key), draw(values))
    elif action == "drop":
        document.pop(key, None)
    elif action == "wrap":
        document[key] = [document.get(key, 1)]
    elif action == "twice":
        document[f"{key}-2"] = document.get(key, 1)
    elif action == "unknown":
        document[draw(st.sampled_from([str(key)[:-1], "schedule"]) | texts)] = draw(scalars)
    elif action == "alike":
        document[key] = draw(_alike(document.get(key)))
    else:
        document[key] = draw(values)


def _alike(value: Json) -> st.SearchStrategy[Json]:
    """Values of the same type, which get past the first check."""
    if isinstance(value, bool):
        return st.booleans()
    if isinstance(value, int | float):
        return numbers
    return texts if isinstance(value, str) else values
