"""The text of the stub files: one for each Docker task, and the package that a type checker takes for `flowyard`."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import flowyard
from flowyard.runtime.names import ANY, DEFAULT_DEPLOYMENT
from flowyard.stubs.signature import ANYTHING, Parameter, Signature, Type

BASE = Path(__file__).with_name("base.pyi")
HEADER = "# flowyard types "
_OF_BASE = ("DockerFuture", "DockerTask", "docker_task")
_LISTS = ("list[", "tuple[", "collections.abc.Sequence[", "typing.Sequence[")
_WIDTH = 100
_VARIADIC = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
# What is not installed where types are checked is Any there, and no error.
_MAYBE = "  # type: ignore[import-not-found, import-untyped, unused-ignore]"


@dataclass(frozen=True, slots=True)
class TaskTypes:
    """One Docker task: the signature of each of its flows by what the files call it, and which one a deployment
    runs."""

    name: str
    flows: Mapping[str, Signature]
    deployments: Mapping[str, str]

    @property
    def chosen(self) -> str | None:
        """The flow that is called when nobody says which deployment; None where that has to be said."""
        if DEFAULT_DEPLOYMENT in self.deployments:
            return self.deployments[DEFAULT_DEPLOYMENT]
        return next(iter(self.deployments.values())) if len(self.deployments) == 1 else None

    @property
    def entry(self) -> str:
        """The class that `docker_task` returns."""
        return self.class_of(self.chosen)

    def class_of(self, flow: str | None) -> str:
        """The class for one of its flows, or for none yet."""
        name = _class_name(self.name)
        if flow is None:
            return f"{name}Tasks"
        return f"{name}Task" if len(self.flows) == 1 else f"{name}{_class_name(flow)}Task"


def module_of(flow: str) -> str:
    """What its stub file is called. No flow's name ends in an underscore, so `a-b` and `a_b` stay apart."""
    return f"{flow.replace('-', '_')}_" if "-" in flow else flow


def _class_name(text: str) -> str:
    words = "".join(letter if letter.isalnum() else " " for letter in text.removeprefix("flow.py")).split()
    joined = "".join(word[:1].upper() + word[1:] for word in words)
    return f"_{joined}" if joined[:1].isdigit() else joined


def stamped(types: TaskTypes, fingerprint: str) -> str:
    """The stub file of one task. Its first line says what code it was made from, as the first line of a lock does,
    whose types it holds, and which class is the task's."""
    return f"{HEADER}{fingerprint} {types.name} {types.entry}\n{task_text(types)}"


def fingerprint_of(types: TaskTypes) -> str:
    """The fingerprint of what the code says."""
    return hashlib.sha256(task_text(types).encode()).hexdigest()[:32]


def task_text(types: TaskTypes) -> str:
    """The classes of one task."""
    imports = sorted({name for signature in types.flows.values() for name in signature.imports})
    lines = [f"import {name}{'' if _is_python(name) else _MAYBE}" for name in imports]
    classes = [_class(types, flow, signature) for flow, signature in types.flows.items()]
    if types.chosen is None:
        classes.append(_class(types, None, ANYTHING))
    own = f'"""What flows/{types.name} takes and returns, for type checkers. Written by `lock` and `ship`."""'
    fixed = [
        *("from typing import Any, Literal, overload", "", "from typing_extensions import Unpack", ""),
        "from flowyard._docker_tasks import DockerFuture, DockerTask, Each, EachList, Options",
    ]
    return "\n".join(
        [own, "", *fixed, *([""] if lines else []), *lines, *(f"\n{one}" for one in classes), ""]
    )


def _is_python(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _class(types: TaskTypes, flow: str | None, signature: Signature) -> str:
    lines = [f"class {types.class_of(flow)}(DockerTask):"]
    if flow is not None:
        returns = signature.returns
        future = f"DockerFuture[{returns.text}]"
        lines += _method("def __call__", signature, returns.text, returns.note)
        lines += _method("async def acall", signature, returns.text, returns.note)
        lines += _method("def submit", signature, future, returns.note)
        lines += _method("def map", _mapped(signature), f"list[{future}]", returns.note)
    else:
        lines += ['    """Say which deployment: with_options(deployment=...)."""']
        lines += [
            "    __call__: None  # type: ignore[assignment]",
            "    acall: None  # type: ignore[assignment]",
        ]
        lines += ["    submit: None  # type: ignore[assignment]", "    map: None  # type: ignore[assignment]"]
    return "\n".join([*lines, *_with_options(types, flow)])


def _mapped(signature: Signature) -> Signature:
    """The parameters of `map`, where `limit` is the bound on how many run at once."""
    parameters = [
        Parameter(one.name, one.kind, Type(_each(one.type.text), one.type.note), one.default)
        if one.kind not in _VARIADIC
        else one
        for one in signature.parameters
        if one.name != "limit"
    ]
    place = next((n for n, one in enumerate(parameters) if one.kind == "VAR_KEYWORD"), len(parameters))
    parameters.insert(place, Parameter("limit", "KEYWORD_ONLY", Type("int | None"), "None"))
    return Signature(tuple(parameters), signature.returns)


def _each(text: str) -> str:
    if text == ANY:
        return ANY
    if not text.startswith(_LISTS):
        return f"Each[{text}]"
    return f"EachList[{text}]{' | None' if text.endswith(' | None') else ''}"


def _method(name: str, signature: Signature, returns: str, note: str) -> Iterator[str]:
    lines = ["self,", *_listed(signature.parameters)]
    end = f") -> {returns}: ...{_comment(note)}"
    together = f"    {name}({' '.join(lines).removesuffix(',')}{end}"
    if len(together) <= _WIDTH and not any(one.type.note for one in signature.parameters):
        yield together
    else:
        yield f"    {name}("
        yield from (f"        {line}" for line in lines)
        yield f"    {end}"


def _listed(parameters: Iterable[Parameter]) -> Iterator[str]:
    before = ""
    for one in parameters:
        if before == "POSITIONAL_ONLY" != one.kind:
            yield "/,"
        if one.kind == "KEYWORD_ONLY" and before not in ("KEYWORD_ONLY", "VAR_POSITIONAL"):
            yield "*,"
        yield f"{_parameter(one)},{_comment(one.type.note)}"
        before = one.kind
    if before == "POSITIONAL_ONLY":
        yield "/,"


def _parameter(one: Parameter) -> str:
    default = "" if one.default is None else f" = {one.default}"
    return f"{_VARIADIC.get(one.kind, '')}{one.name}: {one.type.text}{default}"


def _comment(note: str) -> str:
    return f"  # Any: {' '.join(note.split())} is only in its own image" if note else ""


def _with_options(types: TaskTypes, flow: str | None) -> Iterator[str]:
    """One signature for each flow that deployments run; without a deployment the task stays what it is."""
    by_flow = {
        called: sorted(name for name, runs in types.deployments.items() if runs == called)
        for called in types.flows
    }
    ways: list[tuple[str | None, str, str]]
    ways = [(called, f"Literal{_quoted(names)}", "") for called, names in by_flow.items()]
    if len(ways) == 1 and flow is not None:
        ways = [(flow, f"{ways[0][1]} | None", " = None")]
    else:
        ways.append((flow, "None", " = None"))
    for called, deployment, default in ways:
        if len(ways) > 1:
            yield "    @overload"
        deployed = f"*, deployment: {deployment}{default}, **options: Unpack[Options]"
        yield f"    def with_options(self, {deployed}) -> {types.class_of(called)}: ..."


def _quoted(names: Iterable[str]) -> str:
    quoted = ", ".join('"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"' for name in names)
    return f"[{quoted}]"


def package_text(stubs: Mapping[str, str]) -> str:
    """The package's own stub: what flows import from `flowyard`. `stubs` are first lines of tasks' by module."""
    found = {
        module: line.removeprefix(HEADER).split() for module, line in stubs.items() if line.startswith(HEADER)
    }
    tasks = {name: (module, entry) for module, (_, name, entry) in found.items()}
    errors = [name for name in flowyard.__all__ if name not in _OF_BASE]
    lines = [
        '"""What flows import from flowyard in this project, for type checkers. Written by `lock` and `ship`."""',
        "",
        "from typing import Literal, overload",
        "",
        "from flowyard._docker_tasks import DockerFuture as DockerFuture",
        "from flowyard._docker_tasks import DockerTask as DockerTask",
        *(f"from flowyard._docker_tasks.{module} import {entry}" for module, entry in sorted(tasks.values())),
        *(f"from flowyard.runtime.tasks.errors import {name} as {name}" for name in errors),
        "",
    ]
    for name, (_, entry) in sorted(tasks.items()):
        lines += ["@overload"] if len(tasks) > 1 else []
        lines += [f"def docker_task(name: Literal{_quoted([name])}) -> {entry}: ..."]
    return "\n".join([*lines, ""])
