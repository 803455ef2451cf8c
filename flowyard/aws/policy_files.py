"""The policies as text: a file for each document, or one of Terraform, and the JSON of the verb."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from flowyard.aws.iam import Role
from flowyard.aws.site import Site
from flowyard.aws.terraform import terraform
from flowyard.documents import dumped
from flowyard.values import Json

TERRAFORM_FILE = "flowyard-{target}.tf"


def json_files(roles: Sequence[Role]) -> dict[str, str]:
    """File name -> text: of each role who may become it, and what it may do."""
    files = {}
    for role in roles:
        if role.trust_document is not None:
            files[f"{role.key}.trust.json"] = _text(role.trust_document)
        for number, document in enumerate(role.documents, 1):
            files[f"{role.key}.policy{'' if number == 1 else f'-{number}'}.json"] = _text(document)
    return files


def terraform_files(site: Site, roles: Sequence[Role]) -> dict[str, str]:
    """File name -> text: the one file of Terraform."""
    return {TERRAFORM_FILE.format(target=site.target.name): terraform(site, roles)}


def shown(files: Mapping[str, str]) -> str:
    """The files for a person to read, each below its name where there are several."""
    if len(files) == 1:
        return next(iter(files.values())).rstrip()
    return "\n\n".join(f"# {name}\n{text.rstrip()}" for name, text in files.items())


def policies_json(site: Site, roles: Sequence[Role], written: Sequence[str]) -> str:
    """The roles for a program, and the paths of the files that were written."""
    document = {
        "target": site.target.name,
        "account": site.place.account,
        "region": site.place.region,
        "roles": [_entry(role) for role in roles],
        "files": list(written),
    }
    return dumped(document)


def _entry(role: Role) -> Json:
    return {
        "role": role.key,
        "name": role.name,
        "path": role.path,
        "purpose": role.purpose,
        "trust": role.trust_document,
        "policies": list(role.documents),
    }


def _text(document: Json) -> str:
    return json.dumps(document, indent=2) + "\n"
