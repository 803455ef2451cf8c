"""The comment on a pull or merge request, against both APIs: one, however often it is written."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from flowyard.adapters.merge_comments import MergeComments, github_comments, gitlab_comments
from flowyard.errors import FlowyardError
from flowyard.reporting.comment import keep
from tests.integration.comments_api import CommentsApi, comments_api


@pytest.fixture
def api() -> Iterator[CommentsApi]:
    with comments_api("secret-token") as running:
        yield running


@pytest.fixture(params=["github", "gitlab"])
def comments(request: pytest.FixtureRequest, api: CommentsApi, tmp_path: Path) -> MergeComments:
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"number": 12}}))
    if request.param == "github":
        environ = {
            "GITHUB_EVENT_PATH": str(event),
            "GITHUB_REPOSITORY": "acme/flows",
            "GITHUB_API_URL": api.url,
        }
        found = github_comments({**environ, "GITHUB_TOKEN": "secret-token"})
    else:
        environ = {"CI_MERGE_REQUEST_IID": "12", "CI_PROJECT_ID": "34", "CI_API_V4_URL": api.url}
        found = gitlab_comments({**environ, "FLOWYARD_GITLAB_TOKEN": "secret-token"})
    assert found is not None
    return found


def test_one_comment_is_kept_among_many(comments: MergeComments, api: CommentsApi) -> None:
    api.bodies.update({number: f"somebody says {number}" for number in range(1, 251)})
    keep(comments, "plan production", "first")
    keep(comments, "plan production", "second, with ünicode")
    assert len(api.bodies) == 251
    assert api.bodies[251] == "<!-- flowyard: plan production -->\nsecond, with ünicode"
    assert [method for method, _ in api.asked] == ["GET"] * 3 + ["POST"] + ["GET"] * 4 + [
        comments.change_with
    ]


@pytest.mark.parametrize("app", [False, True])
def test_what_somebody_else_wrote_is_let_alone(comments: MergeComments, api: CommentsApi, app: bool) -> None:
    forged = "<!-- flowyard: plan production -->\nall is well"
    api.app, api.bodies[1], api.others = app, forged, {1}
    keep(comments, "plan production", "first")
    keep(comments, "plan production", "second")
    assert api.bodies == {1: forged, 2: "<!-- flowyard: plan production -->\nsecond"}


def test_what_is_refused_is_an_error_without_the_token(comments: MergeComments, api: CommentsApi) -> None:
    api.may_write = False
    with pytest.raises(FlowyardError, match="answered 403") as refused:
        keep(comments, "plan x", "text")
    assert "pull-requests: write" in refused.value.hint
    assert "secret-token" not in f"{refused.value!r} {refused.value.hint} {comments!r}"
    api.token = "another"
    with pytest.raises(FlowyardError, match="answered 401"):
        comments.find("x")


def test_without_a_request_or_a_token_nobody_is_asked(tmp_path: Path) -> None:
    push = tmp_path / "event.json"
    push.write_text(json.dumps({"ref": "refs/heads/main"}))
    assert github_comments({"GITHUB_EVENT_PATH": str(push), "GITHUB_REPOSITORY": "acme/flows"}) is None
    assert gitlab_comments({"CI_PROJECT_ID": "34"}) is None
    push.write_text(json.dumps({"pull_request": {"number": 12}}))
    with pytest.raises(FlowyardError, match="GITHUB_TOKEN is not set"):
        github_comments({"GITHUB_EVENT_PATH": str(push), "GITHUB_REPOSITORY": "acme/flows"})
