"""A cache of steps outside the builder, in buildx's words.

Reading one that fails is no error to BuildKit, and writing one is none with `ignore-error`: no cache ever fails a
build. `mode=max` has all stages in it, as most of our steps are in stages that no image is made of.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from flowyard.aws.ecr_hosts import account_and_region
from flowyard.images import Repository
from flowyard.target import RegistryCache, Target

# The form in which ECR takes a cache:
# https://aws.amazon.com/blogs/containers/announcing-remote-cache-support-in-amazon-ecr-for-buildkit-clients/
_AS_IMAGE = ",image-manifest=true,oci-mediatypes=true"


@dataclass(frozen=True, slots=True)
class LayerCache:
    """Where steps of one flow are kept: `place` is a reference in a container registry, or a scope of GitHub's.

    `as_image`: the registry takes nothing but images. Not `written`: it is read only.
    """

    type: Literal["registry", "gha"]
    place: str
    as_image: bool = False
    written: bool = True

    @property
    def flags(self) -> tuple[str, ...]:
        """The words of the command line."""
        place = f"type={self.type},{'ref' if self.type == 'registry' else 'scope'}={self.place}"
        form = _AS_IMAGE if self.as_image else ""
        write = ("--cache-to", f"{place},mode=max{form},ignore-error=true")
        return ("--cache-from", place, *(write if self.written else ()))


def cache_for(target: Target, flow: str, push_to: Repository | None) -> tuple[LayerCache | None, str]:
    """Where steps of a flow are kept, and what to say where a cache that is wanted has to be left out.

    Only who pushes images writes a registry's cache: what a pull request made is read by nobody but itself, which
    GitHub sees to in its own. Whose address only the registry's API tells is known to nobody else either.
    """
    cache = target.build.cache
    if cache is None:
        return None, ""
    if not isinstance(cache, RegistryCache):
        return LayerCache("gha", f"flowyard-{flow}"), ""
    host = push_to.host if push_to else None if target.ecr else target.registry_host
    if host is None:
        return None, "no cache: only a ship knows the registry's address"
    as_image = target.ecr is not None or account_and_region(host) is not None
    place = f"{host}/{cache.repository}:{flow}"
    return LayerCache("registry", place, as_image, written=push_to is not None), ""
