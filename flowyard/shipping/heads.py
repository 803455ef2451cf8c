"""What the target's head has to do with a ship: who may not overwrite what is there, and what is to be noted.

The head, the marks on live deployments and the release records are looked at together, because a ship that
was killed has written some of them and not the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from flowyard.errors import OrderError
from flowyard.plan import Action, FlowPlan, Plan
from flowyard.planning.standing import is_deployed, standing, with_unsettled
from flowyard.releasing.order import Commit, History, refused
from flowyard.releasing.records import WHOLE, Moving, behind, in_order, latest_of, move_head, read_head
from flowyard.yard import Yard


def out_of_order(yard: Yard, plan: Plan, commit: Commit | None) -> Mapping[str, OrderError]:
    """The flows that would change and may not, because a commit that is not older than ours is deployed."""
    if yard.target.order == "none":
        return {}
    head = read_head(yard.api, yard.project.name, yard.target.name)
    sha = commit.sha if commit else None
    heads = {flow.name: head.commit(flow.name) for flow in plan.changes}
    # A ship that was killed has registered flows and not moved the head: what is live counts as well.
    errors: dict[str, OrderError] = {}
    for flow in plan.changes:
        for live in _live_commits(flow):
            errors |= refused({flow.name: live}, sha, yard.history)
    return errors | dict(refused(heads, sha, yard.history))


def _live_commits(flow: FlowPlan) -> set[str]:
    return {live.marks.commit for live in flow.live if live.marks.commit}


def to_hold(yard: Yard, plan: Plan, commit: Commit | None, *, whole: bool) -> set[str]:
    """What a ship by this plan has to hold: the flows that change, those that are not settled, and WHOLE.

    A flow is not settled when the head has it at an older commit or as another release; it is held although
    it need not change, since an older ship that is about to change it would not see that the head moves.
    With `whole` those are not settled either that are gone while the head still names a release of them.
    """
    same = [flow for flow in plan.flows if flow.action is Action.UNCHANGED]
    changing = {flow.name for flow in plan.changes}
    sha = commit.sha if commit else None
    ours = standing(same, sha)
    head = read_head(yard.api, yard.project.name, yard.target.name)
    gone = {name for name in head.releases if _is_gone(plan, name, whole=whole)}
    commits: Mapping[str, str | None] = {**ours.commits, **dict.fromkeys(gone, sha)}
    history = _history(yard)
    moving = Moving(ours.releases, sha if whole and history else None)
    if history is not None:
        commits, moving = in_order(head, commits, moving, history)
    found = changing | behind(head, commits, moving)
    # Whether a flow that was never shipped may be is for the commit of the whole to say.
    new = history is not None and any(name not in head.commits for name in changing)
    return found | ({WHOLE} if new or (whole and found and history is not None) else set())


def settling(yard: Yard, plan: Plan, names: set[str]) -> Plan:
    """The plan in which the unsettled flows of these `names` are settled.

    A ship that was killed after it had registered a flow and before it kept the record: registered again,
    which keeps one. After it had removed a flow: removed again, which notes that.
    """
    names = names - {WHOLE}
    records = latest_of(yard.api, yard.project.name, yard.target.name, names)
    return with_unsettled(plan, names, records)


def _is_gone(plan: Plan, name: str, *, whole: bool) -> bool:
    found = [flow for flow in plan.flows if flow.name == name]
    return whole if not found else found[0].action is Action.UNCHANGED and not is_deployed(found[0])


def note_head(yard: Yard, flows: Sequence[FlowPlan], commit: Commit | None, *, whole: bool) -> None:
    """Move the target's head, also for what was not rebuilt: it is now known to be at this commit."""
    sha = commit.sha if commit else None
    ours = standing(flows, sha)
    head = read_head(yard.api, yard.project.name, yard.target.name)
    history = _history(yard)
    moving = Moving(ours.releases, sha if whole and history else None, yard.holder)
    move_head(yard.api, head, ours.commits, history, moving)


def _history(yard: Yard) -> History | None:
    """None where the order does not count: there the head simply is what was shipped last."""
    return None if yard.target.order == "none" else yard.history
