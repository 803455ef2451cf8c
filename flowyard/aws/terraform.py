"""Roles -> the text of a Terraform file, by the template beside this module."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib.resources import files
from itertools import takewhile

from flowyard.aws.iam import Role, Statement
from flowyard.aws.site import Site

TEMPLATE = "roles.tf.j2"
_WIDTH = 100  # a list that is longer gets a line for each of its values


def terraform(site: Site, roles: Sequence[Role]) -> str:
    """The Terraform file of a target's roles, as `terraform fmt` lays it out."""
    import jinja2

    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters |= {"hcl": _string, "hcl_list": _list, "attributes": _attributes}
    template = environment.from_string(files("flowyard.aws").joinpath(TEMPLATE).read_text("utf-8"))
    place = site.place
    return template.render(
        project=site.project,
        target=site.target.name,
        account=place.account,
        region=place.region,
        roles=roles,
    )


def _string(text: str) -> str:
    """https://developer.hashicorp.com/terraform/language/expressions/strings"""
    return json.dumps(text).replace("${", "$${").replace("%{", "%%{")


def _list(values: Sequence[str]) -> str:
    words = [_string(value) for value in values]
    line = f"[{', '.join(words)}]"
    if len(line) <= _WIDTH:
        return line
    return "[\n" + "".join(f"      {word},\n" for word in words) + "    ]"


def _attributes(statement: Statement) -> str:
    """What a statement says, with the equals signs in one column as far as no value breaks the lines."""
    values = {
        "sid": _string(statement.sid),
        "actions": _list(statement.actions),
        "resources": _list(statement.resources),
    }
    before_break = list(takewhile(lambda name: "\n" not in values[name], values))
    width = max((len(name) for name in before_break), default=0)
    return "\n".join(
        f"    {name:<{width if name in before_break else 0}} = {value}" for name, value in values.items()
    )
