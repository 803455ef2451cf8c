"""All of a unit or nothing: what was begun so far, and how it is put back when the rest of it fails.

Prefect has no transaction over several deployments, so each write is noted before it is sent, and putting back
begins by looking: an answer that was lost says nothing about what the server did.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from flowyard.errors import PrefectError, Unreachable
from flowyard.ports import PrefectApi
from flowyard.registering.requests import delete_deployments, read_again
from flowyard.registering.restoring import Touched, put_back
from flowyard.values import Json

# How often putting back is tried when it is refused.
_ROUNDS = 3
# And when nobody answers. Each request waits by itself for a server that restarts (see prefect_http), and a round
# ends at the first that waited in vain, so the whole is bounded by this many times that patience.
_UNANSWERED = 2


@dataclass(frozen=True, slots=True)
class Step:
    """Something that is about to be done: how to undo it, whether or not it happened, and what to say when
    that is refused (`refused`) or nobody can be asked (`unknown`)."""

    undo: Callable[[], None]
    refused: str
    unknown: str


class Steps:
    """The steps of one unit so far."""

    def __init__(self, api: PrefectApi, mend: str) -> None:
        self._api = api
        self._mend = mend
        self._steps: list[Step] = []
        self._removed: tuple[str, ...] = ()

    def begin(self, step: Step) -> None:
        """Note a step, to be called before it is done."""
        self._steps.append(step)

    def begin_deployment(self, touched: Touched) -> None:
        """Note that this deployment is about to be written or removed."""
        name = f"deployment {touched.called}"
        if touched.before is None:
            refused, unknown = f"{name} is new and could not be deleted", f"{name} is new and may exist"
        else:
            refused = f"{name} could not be put back as it was"
            unknown = f"{name} may be " + (
                "gone" if touched.body is None else "as it was or as it was being shipped"
            )
        self.begin(Step(lambda: put_back(self._api, touched), refused, unknown))

    def remove(self, deployments: Sequence[Mapping[str, Json]]) -> None:
        """Remove these deployments: the last step of a unit, because nothing brings an id back."""
        if not deployments:
            return
        for deployment in deployments:
            self.begin_deployment(Touched.removed(deployment))
        self._removed = tuple(str(deployment["id"]) for deployment in deployments)
        delete_deployments(self._api, self._removed)

    def settle(self, cause: BaseException) -> bool:
        """Put back what was done; what cannot be is noted on `cause`.

        True when the last step had happened all the same and nothing was put back: the unit is complete.
        """
        left = [_Left(step) for step in reversed(self._steps)]
        try:
            for number in range(1, _ROUNDS + 1):
                if self._round(left):
                    return True
                unanswered = any(isinstance(one.error, Unreachable) for one in left)
                if not left or (unanswered and number >= _UNANSWERED):
                    break
            return False
        finally:  # also when somebody interrupts it
            for one in left:
                cause.add_note(one.said())
            if left:
                cause.add_note(f"to mend what is left, ship again when Prefect answers: {self._mend}")

    def _round(self, left: list[_Left]) -> bool:
        """Undo what is left, and take from `left` what succeeded. True, and nothing left: it is complete."""
        try:
            if self._removed and not read_again(self._api, self._removed):
                left.clear()
                return True
            self._removed = ()  # from here on everything is put back, whatever is seen later
        except PrefectError as error:
            _failed(left, error)
            return False
        for one in tuple(left):
            try:
                one.step.undo()
            except Unreachable as error:  # the others would wait as long, for the same
                _failed(left[left.index(one) :], error)
                return False
            except PrefectError as error:
                one.error = error
            else:
                left.remove(one)
        return False


@dataclass(slots=True, eq=False)
class _Left:
    """A step that is not undone yet, and why."""

    step: Step
    error: PrefectError | None = None

    def said(self) -> str:
        if self.error is None:
            return f"{self.step.unknown}: interrupted while it was put back"
        what = self.step.unknown if isinstance(self.error, Unreachable) else self.step.refused
        return f"{what}: {self.error.message}"


def _failed(left: Iterable[_Left], error: PrefectError) -> None:
    for one in left:
        one.error = error


@contextmanager
def all_or_nothing(api: PrefectApi, mend: str) -> Iterator[Steps]:
    """For the steps of a unit, each noted before it is done: when anything goes wrong in the block, all are put back.

    What cannot be put back is noted on the error, with `mend`, the command that mends it. An error that came when
    everything was done, such as a lost answer to the last request, is none.
    """
    steps = Steps(api, mend)
    try:
        yield steps
    except BaseException as error:
        complete = steps.settle(error)
        if not (complete and isinstance(error, PrefectError)):
            raise
