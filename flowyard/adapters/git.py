"""What git knows about the project: the commit that is checked out, changed files and ancestry.

It runs the git program, because reading .git by hand would be a second implementation of worktrees,
packed references and safe directories.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from flowyard.errors import OrderError, UsageError
from flowyard.ports import Completed, Processes
from flowyard.releasing.order import Commit, Relation

_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_FETCH = (
    "fetch it with its history (git fetch --unshallow; in GitHub Actions, checkout with fetch-depth: 0), or leave "
    "--since out: what is deployed decides anyway"
)


class Git:
    """The git repository that `root` lies in, if it lies in one."""

    def __init__(self, root: Path, processes: Processes) -> None:
        self._root = root
        self._processes = processes

    def head(self) -> str | None:
        """The checked-out commit's id; None outside of git and before the first commit. One process, 2-3 ms.

        Raises OrderError when there is a repository but git cannot read it.
        """
        done = self._git("rev-parse", "--verify", "--quiet", "HEAD")
        if done.returncode == 0:
            return done.stdout.strip()
        if done.returncode == 1:  # a repository without a commit
            return None
        if any((folder / ".git").exists() for folder in (self._root, *self._root.parents)):
            raise _failed("the checked-out commit", done)
        return None

    def dirty(self, paths: Sequence[Path] = ()) -> bool:
        """Whether files under `paths` (relative to the root; none: everywhere) differ from the commit.

        New files count, ignored ones do not. Slower than `head` in a large tree: ask before deploying only.
        Raises OrderError.
        """
        done = self._git("status", "--porcelain", "--untracked-files=normal", "--", *map(str, paths))
        if done.returncode != 0:
            raise _failed("which files were changed", done)
        return bool(done.stdout)

    def commit(self, paths: Sequence[Path] = ()) -> Commit | None:
        """The commit with whether `paths` differ from it, or None when there is none. Raises OrderError."""
        sha = self.head()
        return None if sha is None else Commit(sha, self.dirty(paths))

    def relation(self, ours: str, head: str) -> Relation:
        """What our commit is to the deployed one; `unknown` when this clone does not hold enough to tell."""
        if ours == head:
            return "same"
        if not (_SHA.fullmatch(ours) and _SHA.fullmatch(head)):
            return "unknown"  # and never an option of git's command line
        newer = self._is_ancestor(head, ours)
        if newer:
            return "descendant"
        older = self._is_ancestor(ours, head)
        if older:
            return "ancestor"
        return "unknown" if newer is None or older is None or self._shallow() else "diverged"

    def changed_since(self, reference: str) -> tuple[str, ...]:
        """As FileChanges.changed_since: also what is not committed, and files that git does not know yet."""
        base = self._fork_point(reference)
        compared = ("diff", "--name-only", "--no-renames", "--relative", "-z", base, "--")
        found = [self._git(*compared), self._git("ls-files", "--others", "--exclude-standard", "-z")]
        for done in found:
            if done.returncode != 0:
                raise _failed("which files were changed", done)
        return tuple(sorted({path for done in found for path in done.stdout.split("\0") if path}))

    def _fork_point(self, reference: str) -> str:
        """The newest commit that `reference` and ours have in common. Raises UsageError."""
        unknown = reference.startswith("-")  # it would be an option of git's command line
        done = None if unknown else self._git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        if done is None or done.returncode != 0:
            if self.head() is None:
                raise UsageError(f"--since {reference}: here is no git commit to compare with")
            raise UsageError(
                f"--since {reference}: git knows no such commit, branch or tag here", hint=_FETCH
            )
        base = self._git("merge-base", done.stdout.strip(), "HEAD")
        if base.returncode != 0:
            why = "this clone is shallow" if self._shallow() else "they share no history"
            text = f"--since {reference}: git finds no commit that it and ours have in common; {why}"
            raise UsageError(text, hint=_FETCH)
        return base.stdout.strip()

    def _is_ancestor(self, first: str, second: str) -> bool | None:
        """None when git cannot tell, such as for a commit that is not in this clone."""
        done = self._git("merge-base", "--is-ancestor", first, second)
        return {0: True, 1: False}.get(done.returncode)

    def _shallow(self) -> bool:
        """Whether history is cut off, so that "not an ancestor" proves nothing."""
        return self._git("rev-parse", "--is-shallow-repository").stdout.strip() != "false"

    def _git(self, *arguments: str) -> Completed:
        # No optional locks: looking must not get in the way of a git command the user runs meanwhile.
        return self._processes.run(["git", "--no-optional-locks", "-C", str(self._root), *arguments])


def _failed(what: str, done: Completed) -> OrderError:
    return OrderError(
        f"git could not say {what} (exit {done.returncode}): {done.stderr.strip()}",
        hint="make `git status` work here; in a container that may need `git config safe.directory`",
    )
