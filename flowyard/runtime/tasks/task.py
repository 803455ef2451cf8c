"""`docker_task("clean")`: what flows write to call the flow of another folder, in that folder's own image."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import TimeoutError as NotYet
from contextlib import suppress
from dataclasses import fields, replace
from typing import Any

from flowyard.runtime.tasks.calls import Arguments, Options, perform, prepare
from flowyard.runtime.tasks.crew import Job, perform_all
from flowyard.runtime.tasks.errors import DockerTaskError
from flowyard.runtime.tasks.handles import Handle, Work
from flowyard.runtime.tasks.places import OPEN, place
from flowyard.runtime.tasks.standins import function_for

AT_ONCE = 100  # calls of one map, where it says nothing else: each is waited for by a thread
_OPTIONS = frozenset(field.name for field in fields(Options))


class DockerTask:
    """A flow of another image, which is called like a function: it returns the value or raises."""

    def __init__(self, name: str, options: Options | None = None) -> None:
        self.name = name
        self._options = options or Options()

    def __repr__(self) -> str:
        return f"docker_task({self.name!r})"

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it with these arguments to its end: its value. Raises its exception, or DockerTaskError."""
        _refuse_to_block(self.name)
        work = self._work(args, kwargs)
        handle = OPEN.begin(self.name)
        handle.perform(work)
        return handle.future.result()

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """As calling it, without blocking the event loop; when the awaiting task is cancelled, so is the run."""
        work = await asyncio.to_thread(self._work, args, kwargs)
        return await self._begun([work], 1)[0].aresult()

    def submit(self, *args: Any, **kwargs: Any) -> DockerFuture:
        """Begin to run it with these arguments. Raises for arguments that cannot travel."""
        return self._begun([self._work(args, kwargs)], 1)[0]

    def map(self, *args: Any, limit: int | None = None, **kwargs: Any) -> list[DockerFuture]:
        """Begin to run it once for each element of the lists among the arguments; what is no list is the same
        for all. At most `limit` run at once, or 100 where it is not given."""
        if limit is not None and limit < 1:
            raise DockerTaskError(f"map(limit={limit}): at least one has to run at once", task=self.name)
        # All of them before the first runs: a wrong argument starts nothing.
        works = [self._work(one, named) for one, named in spread(args, kwargs)]
        return self._begun(works, limit or AT_ONCE)

    def with_options(self, **options: Any) -> DockerTask:
        """The same task, called otherwise.

        `deployment`: whose resources and environment it runs with. `timeout`: seconds from the call to its end.
        `start_timeout`: seconds in which something has to be executed. `retries`: how often it is run again when
        it failed or crashed. `job_variables`, `tags`, `name`: of its run. `pickle`: allow what only pickling can
        hold. `logs`: repeat its log in the caller's.
        """
        unknown = sorted(set(options) - _OPTIONS)
        if unknown:
            raise TypeError(f"with_options() has no {unknown[0]!r}; it has: {', '.join(sorted(_OPTIONS))}")
        if "tags" in options:
            options["tags"] = tuple(options["tags"])
        return DockerTask(self.name, replace(self._options, **options))

    def _work(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Work:
        """What is to be done in any thread, once its arguments are known to be good."""
        function = function_for(self.name)
        if function is None:
            prepared = prepare(place(), self.name, self._options, Arguments(args, kwargs))
            return lambda handle: perform(prepared, handle)
        return lambda _: _driven(function(*args, **kwargs))

    def _begun(self, works: list[Work], at_once: int) -> list[DockerFuture]:
        jobs = [Job(OPEN.begin(self.name), work) for work in works]  # open before any thread is there
        perform_all(jobs, at_once)
        return [DockerFuture(job.handle) for job in jobs]


def docker_task(name: str) -> DockerTask:
    """The flow in flows/<name>, as a function. Nothing is asked of anybody before it is called."""
    return DockerTask(name)


class DockerFuture:
    """A call that is being performed."""

    def __init__(self, handle: Handle) -> None:
        self.task = handle.task
        self._handle = handle
        self._future = handle.future

    @property
    def run(self) -> str:
        """The id of its flow run; empty before there is one."""
        return self._handle.run

    def done(self) -> bool:
        """Whether it has ended."""
        return self._future.done()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for its end, but no longer than so many seconds; whether it has ended."""
        try:
            self._future.exception(timeout)
        except NotYet:
            return False
        return True

    def result(self, timeout: float | None = None) -> Any:
        """Its value, as calling would give it. Raises TimeoutError after so many seconds; it runs on then."""
        _refuse_to_block(self.task)
        try:
            return self._future.result(timeout)
        except NotYet as error:
            if self._future.done():
                raise
            raise TimeoutError(f"Docker task {self.task!r} has not ended within {timeout} s") from error

    async def aresult(self) -> Any:
        """Its value, without blocking the event loop; when the awaiting task is cancelled, so is the run."""
        try:
            return await asyncio.wrap_future(self._future)
        except asyncio.CancelledError:
            with suppress(Exception):  # it ends as cancelled, whatever the server says
                self.cancel()
            raise

    def cancel(self) -> None:
        """Have its run cancelled; it has ended when that is done."""
        self._handle.cancel("Its caller cancelled it.")


def spread(
    args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """The arguments of each call of a map. Raises DockerTaskError for lists of different lengths, or none."""
    lists = [list(each) for each in (*args, *kwargs.values()) if _is_many(each)]
    lengths = {len(each) for each in lists}
    if not lengths:
        raise DockerTaskError(
            "map() calls it once for each element of a list, tuple, range or iterator, "
            "and none of its arguments is one"
        )
    if len(lengths) != 1:
        found = ", ".join(str(length) for length in sorted(lengths))
        raise DockerTaskError(
            f"map() needs lists of one length among its arguments, theirs are {found}; "
            "what is to be the same list for all calls stands in prefect's unmapped(...)"
        )
    many = iter(lists)
    ways: list[Callable[[int], Any]] = [_way(each, many) for each in (*args, *kwargs.values())]
    for index in range(lengths.pop()):
        values = [way(index) for way in ways]
        yield tuple(values[: len(args)]), dict(zip(kwargs, values[len(args) :], strict=False))


def _way(each: Any, many: Iterator[list[Any]]) -> Callable[[int], Any]:
    if _is_many(each):
        return next(many).__getitem__
    value = each.value if type(each).__name__ == "unmapped" else each  # Prefect's own mark
    return lambda _: value


def _is_many(value: Any) -> bool:
    return isinstance(value, (list, tuple, range, Iterator))


def _driven(value: Any) -> Any:
    """The value of a coroutine, in a loop of its own; anything else as it is."""
    return asyncio.run(value) if asyncio.iscoroutine(value) else value


def _refuse_to_block(name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise DockerTaskError(
        f"calling {name}() here would stop the event loop: use `await {name}.acall(...)`, "
        f"or `await {name}.submit(...).aresult()`",
        task=name,
    )
