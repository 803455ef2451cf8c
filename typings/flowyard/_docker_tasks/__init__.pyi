"""What every Docker task has. Copied to typings/ by `lock` and `ship`, beside what each task takes and returns.

A test holds it to flowyard.runtime.tasks.task, which is what runs.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypedDict, TypeVar

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

class Unmapped(Protocol[T_co]):
    """`prefect.unmapped(value)`: the same for all calls of a map, although it is a list."""

    @property
    def value(self) -> T_co: ...

# An argument of `map`: one for each call, or the same for all. Of a parameter that takes lists, a list of them.
Each: TypeAlias = T | Sequence[T] | Iterator[T] | Unmapped[T]
EachList: TypeAlias = Sequence[T] | Iterator[T] | Unmapped[T]

class Options(TypedDict, total=False):
    """What `with_options` takes beside the deployment."""

    timeout: float | None
    start_timeout: float | None
    retries: int
    job_variables: Mapping[str, Any]
    tags: Iterable[str]
    name: str | None
    pickle: bool
    logs: bool

class DockerFuture(Generic[T_co]):
    """A call that is being performed."""

    task: str
    @property
    def run(self) -> str: ...
    def done(self) -> bool: ...
    def wait(self, timeout: float | None = None) -> bool: ...
    def result(self, timeout: float | None = None) -> T_co: ...
    async def aresult(self) -> T_co: ...
    def cancel(self) -> None: ...

class DockerTask:
    """A flow of another image, which is called like a function: it returns the value or raises."""

    name: str
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    async def acall(self, *args: Any, **kwargs: Any) -> Any: ...
    def submit(self, *args: Any, **kwargs: Any) -> DockerFuture[Any]: ...
    def map(self, *args: Any, **kwargs: Any) -> list[DockerFuture[Any]]: ...
    def with_options(self, *args: Any, **kwargs: Any) -> DockerTask: ...
