"""The base job template of a Kubernetes work pool that Flowyard makes.

The worker's own, with what it has no words for: secrets of the namespace, and what images are pulled with.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from types import MappingProxyType

from flowyard.errors import PrefectError
from flowyard.values import Json

_VARIABLES: Mapping[str, Json] = MappingProxyType(
    {
        "secrets": {
            "title": "Secrets",
            "description": "Variables whose values are in Secrets of the namespace, as Kubernetes has them in `env`.",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}, "valueFrom": {"type": "object"}},
                "required": ["name", "valueFrom"],
            },
        },
        "image_pull_secrets": {
            "title": "Image Pull Secrets",
            "description": "Secrets of the namespace that nodes log in to the container registry with.",
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"name": {"type": "string"}},
                "required": ["name"],
            },
        },
    }
)


def base_job_template() -> Mapping[str, Json]:
    """The template of a pool that is made. It imports prefect, so only then is it paid for."""
    try:
        from prefect_kubernetes.worker import KubernetesWorker
    except ModuleNotFoundError as error:
        raise PrefectError(
            f"the base job template of a Kubernetes work pool needs the package {error.name}, which is not "
            "installed here",
            hint='pip install "flowyard[kubernetes]"',
        ) from None
    template: dict[str, Json] = copy.deepcopy(KubernetesWorker.get_default_base_job_template())
    template["variables"]["properties"] |= copy.deepcopy(dict(_VARIABLES))
    pod = template["job_configuration"]["job_manifest"]["spec"]["template"]["spec"]
    pod["imagePullSecrets"] = "{{ image_pull_secrets }}"
    # The worker puts the variables before what stands here; with `{{ env }}` it would leave the secrets out.
    pod["containers"][0]["env"] = "{{ secrets }}"
    return template
