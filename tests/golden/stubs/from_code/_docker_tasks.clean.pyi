# flowyard types 1c967c41a6e21613b13dd2bb244cdd02 clean CleanTask
"""What flows/clean takes and returns, for type checkers. Written by `lock` and `ship`."""

from typing import Any, Literal, overload

from typing_extensions import Unpack

from flowyard._docker_tasks import DockerFuture, DockerTask, Each, EachList, Options

import collections.abc
import datetime
import decimal
import httpx  # type: ignore[import-not-found, import-untyped, unused-ignore]
import typing

class CleanTask(DockerTask):
    def __call__(
        self,
        orders: list[Any],  # Any: Order is only in its own image
        rows: collections.abc.Sequence[dict[str, Any]],
        day: datetime.date,
        /,
        total: decimal.Decimal = ...,
        country: typing.Literal['DE', 'FR'] = 'DE',
        mode: Any = ...,  # Any: Mode is only in its own image
        *,
        limit: int = 3,
        share: float = 0.5,
        names: list[str] | None = None,
        either: int | str | None = "a 'b'",
        old: dict[str, int | None] = ...,
        client: httpx.Client | None = None,
        function: collections.abc.Callable[[int, str], bool] | None = None,
        anything: Any = None,
    ) -> tuple[dict[str, Any], list[decimal.Decimal]]: ...  # Any: Model is only in its own image
    async def acall(
        self,
        orders: list[Any],  # Any: Order is only in its own image
        rows: collections.abc.Sequence[dict[str, Any]],
        day: datetime.date,
        /,
        total: decimal.Decimal = ...,
        country: typing.Literal['DE', 'FR'] = 'DE',
        mode: Any = ...,  # Any: Mode is only in its own image
        *,
        limit: int = 3,
        share: float = 0.5,
        names: list[str] | None = None,
        either: int | str | None = "a 'b'",
        old: dict[str, int | None] = ...,
        client: httpx.Client | None = None,
        function: collections.abc.Callable[[int, str], bool] | None = None,
        anything: Any = None,
    ) -> tuple[dict[str, Any], list[decimal.Decimal]]: ...  # Any: Model is only in its own image
    def submit(
        self,
        orders: list[Any],  # Any: Order is only in its own image
        rows: collections.abc.Sequence[dict[str, Any]],
        day: datetime.date,
        /,
        total: decimal.Decimal = ...,
        country: typing.Literal['DE', 'FR'] = 'DE',
        mode: Any = ...,  # Any: Mode is only in its own image
        *,
        limit: int = 3,
        share: float = 0.5,
        names: list[str] | None = None,
        either: int | str | None = "a 'b'",
        old: dict[str, int | None] = ...,
        client: httpx.Client | None = None,
        function: collections.abc.Callable[[int, str], bool] | None = None,
        anything: Any = None,
    ) -> DockerFuture[tuple[dict[str, Any], list[decimal.Decimal]]]: ...  # Any: Model is only in its own image
    def map(
        self,
        orders: EachList[list[Any]],  # Any: Order is only in its own image
        rows: EachList[collections.abc.Sequence[dict[str, Any]]],
        day: Each[datetime.date],
        /,
        total: Each[decimal.Decimal] = ...,
        country: Each[typing.Literal['DE', 'FR']] = 'DE',
        mode: Any = ...,  # Any: Mode is only in its own image
        *,
        share: Each[float] = 0.5,
        names: EachList[list[str] | None] | None = None,
        either: Each[int | str | None] = "a 'b'",
        old: Each[dict[str, int | None]] = ...,
        client: Each[httpx.Client | None] = None,
        function: Each[collections.abc.Callable[[int, str], bool] | None] = None,
        anything: Any = None,
        limit: int | None = None,
    ) -> list[DockerFuture[tuple[dict[str, Any], list[decimal.Decimal]]]]: ...  # Any: Model is only in its own image
    def with_options(self, *, deployment: Literal["default", "large"] | None = None, **options: Unpack[Options]) -> CleanTask: ...
