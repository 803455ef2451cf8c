"""What a Docker task's call raises: one class for each way in which it gives no value.

An exception of the called flow is raised as itself where its type can be imported; `ChildFailed` is then its
cause, with the traceback of the other image.
"""

from __future__ import annotations


class DockerTaskError(RuntimeError):
    """A call that gave no value. `task` is the called flow's name, `run` its flow run's id, if there is one."""

    def __init__(self, message: str, *, task: str = "", run: str = "") -> None:
        super().__init__(message)
        self.task = task
        self.run = run


class NotPinned(DockerTaskError):
    """The caller was not shipped with this task, or what it was shipped with is no longer as it was."""


class BadSetting(DockerTaskError):
    """A variable of the environment that does not say what it has to."""


class ArgumentNotSerialisable(DockerTaskError):
    """An argument that cannot travel. `argument` is its name."""

    def __init__(self, message: str, *, task: str = "", argument: str = "") -> None:
        super().__init__(message, task=task)
        self.argument = argument


class ArgumentsRefused(DockerTaskError):
    """Arguments that the called flow does not take."""


class StorageFailed(DockerTaskError):
    """The target's result storage cannot be written or read, or is full."""


class ChildFailed(DockerTaskError):
    """The called flow raised. `type` is its exception's qualified name, `message` and `traceback` are its texts."""

    def __init__(
        self, text: str, *, task: str = "", run: str = "", kind: str = "", traceback: str = ""
    ) -> None:
        super().__init__(f"{text}\n\n{traceback}" if traceback else text, task=task, run=run)
        self.message = text
        self.type = kind
        self.traceback = traceback


class ResultNotSerialisable(DockerTaskError):
    """The called flow returned something that cannot travel; its run has failed for that reason."""


class ResultLost(DockerTaskError):
    """The called flow has completed, but its value is not in the result storage; or it is, when `is_there`, and
    cannot be read here."""

    def __init__(self, message: str, *, task: str = "", run: str = "", is_there: bool = False) -> None:
        super().__init__(message, task=task, run=run)
        self.is_there = is_there


class ChildCrashed(DockerTaskError):
    """The called flow's process, container or machine ended, whatever the flow did."""


class OutOfMemory(ChildCrashed):
    """The called flow was killed because its container reached its memory limit."""


class ImageMissing(ChildCrashed):
    """The image that the call is pinned to cannot be had where it was to run."""


class ChildCancelled(DockerTaskError):
    """The called flow's run was cancelled."""


class ChildTimedOut(DockerTaskError, TimeoutError):
    """The called flow took longer than it may, or than the call allows; its run is stopped."""


class ServerRefuses(DockerTaskError):
    """The Prefect server is away, or refuses to make the called flow's run or to say how it goes, such as to a key
    that it takes no more."""


class ChildNeverStarted(DockerTaskError):
    """Nothing began to execute the called flow; its run is cancelled."""
