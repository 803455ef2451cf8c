"""What an image says about itself: description.json, read back from the container registry.

The file is made inside the image, without network, by flowyard.runtime.describe; the host only reads it and
never imports a flow.
"""

from __future__ import annotations

import json

from flowyard.errors import RegistryError
from flowyard.images import PublishedImage
from flowyard.ports import ContainerRegistry
from flowyard.render import DESCRIPTION
from flowyard.runtime.names import DESCRIPTION_FORMAT
from flowyard.values import FlowDescription, ImageDescription


def read_description(registry: ContainerRegistry, image: PublishedImage) -> ImageDescription:
    """The image's description, without pulling it. Raises RegistryError when it holds none we can read."""
    return parse_description(registry.last_layer_file(image, DESCRIPTION), str(image))


def parse_description(data: bytes, shown: str) -> ImageDescription:
    """description.json as a value. `shown` names the image in the error."""
    try:
        content = json.loads(data)
        version = content["version"]
        if version != DESCRIPTION_FORMAT:
            raise RegistryError(
                f"{shown} describes itself in format {version}; "
                f"this Flowyard reads format {DESCRIPTION_FORMAT}",
                hint="ship the flow again with this Flowyard",
            )
        flows = tuple(
            FlowDescription(
                id=flow["id"],
                requested=flow["requested"],
                entrypoint=flow["entrypoint"],
                name=flow["name"],
                description=flow["description"],
                parameter_schema=flow["parameter_schema"],
                enforce_parameter_schema=flow["enforce_parameter_schema"],
                signature=flow.get("signature"),
            )
            for flow in content["flows"]
        )
        return ImageDescription(flows, content["python"], content["prefect"], content["distributions"])
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(f"{shown} holds a description that cannot be read: {error!r}") from error
