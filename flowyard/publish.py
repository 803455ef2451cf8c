"""Step 5, publish: what BuildKit says it pushed becomes a `PublishedImage` once the registry agrees.

The tag of a content key names one content. So when the registry holds another digest under it, somebody
else built the same content first, and theirs is the image everybody uses.
"""

from __future__ import annotations

from flowyard.errors import RegistryError
from flowyard.images import Digest, ImageReference, PublishedImage
from flowyard.ports import ContainerRegistry


def publish(registry: ContainerRegistry, reference: ImageReference, pushed: Digest) -> PublishedImage:
    """The image the registry holds under the key's tag. `pushed` is the digest BuildKit reported.

    Raises RegistryError when the registry does not hold the tag after all.
    """
    held = registry.find(reference)
    if held is None:
        raise RegistryError(
            f"{reference} was pushed as {pushed}, but the registry does not hold it",
            hint="ship again; if it stays so, the registry loses what it accepts",
        )
    return held
