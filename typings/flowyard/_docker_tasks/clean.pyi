# flowyard types ba080e8c0e4aa279fb84e8cdbe808d8d clean CleanTask
"""What flows/clean takes and returns, for type checkers. Written by `lock` and `ship`."""

from typing import Any, Literal, overload

from typing_extensions import Unpack

from flowyard._docker_tasks import DockerFuture, DockerTask, Each, EachList, Options

import pandas  # type: ignore[import-not-found, import-untyped, unused-ignore]

class CleanTask(DockerTask):
    def __call__(self, raw: pandas.DataFrame) -> tuple[pandas.DataFrame, str]: ...
    async def acall(self, raw: pandas.DataFrame) -> tuple[pandas.DataFrame, str]: ...
    def submit(self, raw: pandas.DataFrame) -> DockerFuture[tuple[pandas.DataFrame, str]]: ...
    def map(
        self,
        raw: Each[pandas.DataFrame],
        *,
        limit: int | None = None,
    ) -> list[DockerFuture[tuple[pandas.DataFrame, str]]]: ...
    def with_options(self, *, deployment: Literal["default"] | None = None, **options: Unpack[Options]) -> CleanTask: ...
