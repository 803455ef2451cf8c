"""Step 2, render: a flow -> the text of its Dockerfile.

The templates are real files under images/, so that people can read and change them; a name a template uses
and nobody defined is an error (StrictUndefined), never an empty string in a Dockerfile.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowyard.errors import ConfigurationError, LockError, Problem
from flowyard.program import PROGRAM
from flowyard.runtime import names
from flowyard.texts import not_utf8, read_text
from flowyard.values import Flow

TEMPLATE = "Dockerfile.j2"
END = Path("images/partials/end.j2")  # the check and the image's last layer
USER_ID = 10001
DESCRIPTION = names.DESCRIPTION.removeprefix("/")  # as a layer has it
PROJECT_FOLDER = "/opt/project"
RESULTS_FOLDER = "/var/lib/flowyard/results"
ENTRYPOINT = ("/opt/venv/bin/python", "-I", "-S", f"{names.LIB}/flowyard/runtime/start.py")
COMMON_SECRETS = ("ca", "index")
# What evaluating an expression of a template may raise, beside the template engine's own errors.
_OF_EXPRESSIONS = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError)
_WITHOUT_END = (
    'it does not end as every image does: begin with `{% extends "Dockerfile.j2" %}` and override blocks, or let '
    '`{% include "partials/end.j2" %}` be the last line'
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A Dockerfile's text, and the template files it was made from (relative to the project's root).

    `absent` are files that were looked for in vain: if one of them comes to be, the text may be another.
    """

    text: str
    templates: tuple[Path, ...]
    absent: tuple[Path, ...] = ()


Renderer = Callable[[Path, Flow, tuple[str, ...]], Rendered]


def render(root: Path, flow: Flow, locks: tuple[str, ...]) -> Rendered:
    """The flow's Dockerfile. `locks` are the names of the locks in the context, in order of installation.

    A flow's own Dockerfile stands as it is before the end that every image has. Raises ConfigurationError for a
    template that cannot be rendered and for an own one that breaks the contract, LockError for an unpinned base.
    """
    variables = template_variables(flow, locks)
    own = flow.dockerfile
    if own is None:
        return _render(root, Path("images") / TEMPLATE, variables)
    from flowyard.planning.contract import check_contract

    end = _render(root, END, variables)
    if own.suffix != ".j2":
        text = read_text(root, own)
        check_contract(own.as_posix(), text)
        return Rendered(f"{text.rstrip()}\n\n{end.text}", (own, *end.templates), end.absent)
    rendered = _render(root, own, variables)
    if not rendered.text.rstrip().endswith(end.text.rstrip()):
        raise ConfigurationError([Problem(own.as_posix(), "", _WITHOUT_END)])
    before = rendered.text.rstrip().removesuffix(end.text.rstrip())
    check_contract(own.as_posix(), before, "line {} of what it renders to")
    return rendered


def template_variables(flow: Flow, locks: tuple[str, ...]) -> dict[str, Any]:
    """What a template may use; images/README.md describes each. Raises LockError for an unpinned base."""
    named_there = flow.dockerfile is not None and flow.dockerfile.suffix != ".j2"  # in its own FROM
    if flow.base.python is None or (flow.base.reference is None and not named_there):
        raise LockError(
            f"flow {flow.name}: base image {flow.base.name} is not pinned", hint=f"run `{PROGRAM} lock`"
        )
    secrets = sorted({*COMMON_SECRETS, *flow.build_secrets})
    return {
        "flow": flow.name,
        "template": (flow.dockerfile or Path("images") / TEMPLATE).as_posix(),
        "folder": flow.folder.as_posix(),
        "base": flow.base.reference,
        "python": flow.base.python,
        "system_packages": flow.system_packages,
        "locks": locks,
        "storages": flow.storages,
        "includes": tuple(include.as_posix() for include in flow.includes),
        "entrypoints": flow.entrypoints,
        "check_options": _check_options(flow),
        "secret_mounts": " ".join(f"--mount=type=secret,id={secret}" for secret in secrets),
        "user_id": USER_ID,
        "project_folder": PROJECT_FOLDER,
        "results_folder": RESULTS_FOLDER,
        "lib": names.LIB,
        "description": names.DESCRIPTION,
        "entrypoint": json.dumps(ENTRYPOINT),
        "interpreter": ENTRYPOINT[0],
    }


def _check_options(flow: Flow) -> str:
    """The bounds of the check that differ from the runtime part's own, each with a space in front."""
    seconds = "" if flow.check_seconds is None else f" --seconds {flow.check_seconds:g}"
    return seconds + ("" if flow.check_memory is None else f" --memory {flow.check_memory}")


def _render(root: Path, template: Path, variables: dict[str, Any]) -> Rendered:
    import jinja2

    from flowyard.planning.templates import environment_of

    used: list[Path] = [template]
    absent: list[Path] = []
    environment = environment_of(root, template, used, absent)
    try:
        if template.is_relative_to("images"):
            text = environment.get_template(template.relative_to("images").as_posix()).render(variables)
        else:
            text = environment.from_string(read_text(root, template)).render(variables)
    except jinja2.TemplateSyntaxError as error:
        file = Path(error.filename).relative_to(root) if error.filename else template
        text = error.message or "is not a template"
        raise ConfigurationError([Problem(file.as_posix(), f"line {error.lineno}", text)]) from error
    except jinja2.TemplateNotFound as error:
        text = f"needs the template {error.name}, which is neither beside it nor in images/"
        raise ConfigurationError([Problem(template.as_posix(), "", text)]) from error
    except UnicodeDecodeError as error:
        text = f"holds or includes a file that {not_utf8(error)}"
        raise ConfigurationError([Problem(template.as_posix(), "", text)]) from error
    except (jinja2.TemplateError, *_OF_EXPRESSIONS) as error:
        raise ConfigurationError([Problem(template.as_posix(), "", f"{error}")]) from error
    return Rendered(text, tuple(dict.fromkeys(used)), tuple(dict.fromkeys(absent)))
