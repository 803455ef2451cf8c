# flowyard types 54bc558374572988c00b1060ad6e76c2 count_primes CountPrimesTask
"""What flows/count_primes takes and returns, for type checkers. Written by `lock` and `ship`."""

from typing import Any, Literal, overload

from typing_extensions import Unpack

from flowyard._docker_tasks import DockerFuture, DockerTask, Each, EachList, Options

class CountPrimesTask(DockerTask):
    def __call__(self, start: int, stop: int) -> int: ...
    async def acall(self, start: int, stop: int) -> int: ...
    def submit(self, start: int, stop: int) -> DockerFuture[int]: ...
    def map(
        self,
        start: Each[int],
        stop: Each[int],
        *,
        limit: int | None = None,
    ) -> list[DockerFuture[int]]: ...
    def with_options(self, *, deployment: Literal["default"] | None = None, **options: Unpack[Options]) -> CountPrimesTask: ...
