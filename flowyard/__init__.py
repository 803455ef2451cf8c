"""Flowyard turns every folder under flows/ into its own image and the Prefect deployments that run it.

Nothing is imported here: the same package name is importable inside every image, where only the runtime
part is installed, and importing it must cost nothing. What flows use is loaded when they ask for it.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as in typing, whose import would cost more than all the rest
if TYPE_CHECKING:
    from flowyard.runtime.tasks.errors import (
        ArgumentNotSerialisable,
        ArgumentsRefused,
        BadSetting,
        ChildCancelled,
        ChildCrashed,
        ChildFailed,
        ChildNeverStarted,
        ChildTimedOut,
        DockerTaskError,
        ImageMissing,
        NotPinned,
        OutOfMemory,
        ResultLost,
        ResultNotSerialisable,
        ServerRefuses,
        StorageFailed,
    )
    from flowyard.runtime.tasks.task import DockerTask, docker_task

__all__ = [
    "ArgumentNotSerialisable",
    "ArgumentsRefused",
    "BadSetting",
    "ChildCancelled",
    "ChildCrashed",
    "ChildFailed",
    "ChildNeverStarted",
    "ChildTimedOut",
    "DockerTask",
    "DockerTaskError",
    "ImageMissing",
    "NotPinned",
    "OutOfMemory",
    "ResultLost",
    "ResultNotSerialisable",
    "ServerRefuses",
    "StorageFailed",
    "docker_task",
]


def __getattr__(name: str) -> object:
    """What flows import: `docker_task`, and the errors that calling one raises."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from flowyard.runtime.tasks import errors, task

    return getattr(errors, name, None) or getattr(task, name)
