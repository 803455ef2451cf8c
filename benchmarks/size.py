"""What an image adds to its base, layer by layer, as its container registry holds it: compressed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import urllib3

from benchmarks.timing import BenchmarkFailed

_TYPES = "application/vnd.docker.distribution.manifest.v2+json, application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer: compressed bytes, and the instruction it comes from."""

    size: int
    created_by: str


def added_layers(image: str, base: str) -> tuple[Layer, ...]:
    """The layers of `image` above `base`, both `host/repository@digest`, in their order.

    Raises BenchmarkFailed when the image does not begin with the base's layers.
    """
    base_diffs = _config(base, _manifest(base))["rootfs"]["diff_ids"]
    manifest = _manifest(image)
    config = _config(image, manifest)
    below = len(base_diffs)
    if config["rootfs"]["diff_ids"][:below] != base_diffs:
        raise BenchmarkFailed(f"{image} does not stand on {base}")
    steps = [step.get("created_by", "") for step in config["history"] if not step.get("empty_layer")]
    sizes = [layer["size"] for layer in manifest["layers"]]
    if len(steps) != len(sizes):
        raise BenchmarkFailed(f"{image} has {len(sizes)} layers and a history of {len(steps)}")
    return tuple(Layer(size, step) for size, step in list(zip(sizes, steps, strict=True))[below:])


def _manifest(image: str) -> Any:
    name, _, digest = image.partition("@")
    host, _, path = name.partition("/")
    return _get(f"http://{host}/v2/{path}/manifests/{digest}", {"Accept": _TYPES})


def _config(image: str, manifest: Any) -> Any:
    host, _, path = image.partition("@")[0].partition("/")
    return _get(f"http://{host}/v2/{path}/blobs/{manifest['config']['digest']}", {})


def _get(url: str, headers: dict[str, str]) -> Any:
    answer = urllib3.request("GET", url, headers=headers, timeout=30)
    if answer.status != 200:
        raise BenchmarkFailed(f"the container registry answered {answer.status} for {url}")
    return answer.json()
