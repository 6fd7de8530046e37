"""The document of another git revision, made by that revision's own code in a worktree of its own."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ops.program import ROOT


class RevisionError(Exception):
    """There is no such revision, or its code cannot be run."""


class RefusedError(Exception):
    """The revision refuses its own stack file: there is nothing to compare with, and no fault of the newer one."""


def document_of(revision: str, stack: str, root: Path = ROOT) -> dict[str, Any] | None:
    """`ops preview --json` of `revision`, run with this Python's packages; None where it has no such stack.

    Raises RevisionError and RefusedError.
    """
    with _worktree(revision, root) as tree:
        if not all((tree / file).is_file() for file in ("ops/preview.py", "__main__.py", f"Pulumi.{stack}.yaml")):
            return None
        done = subprocess.run(
            [sys.executable, "-m", "ops", "preview", "--stack", stack, "--json"],
            cwd=tree,
            env={key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "PYTHONSAFEPATH")},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode == 2:
        raise RefusedError(f"{revision} refuses its own stack {stack!r}:\n{done.stderr.strip()}")
    if done.returncode not in (0, 1) or not done.stdout:  # 1: it breaks a policy, and is shown all the same
        raise RevisionError(f"{revision} does not preview stack {stack!r} itself:\n{done.stderr.strip()}")
    document: dict[str, Any] = json.loads(done.stdout)
    return document


@contextlib.contextmanager
def _worktree(revision: str, root: Path) -> Iterator[Path]:
    commit = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    if commit.returncode != 0:
        raise RevisionError(f"git knows no revision {revision!r}: a branch, a tag or a commit is wanted")
    with tempfile.TemporaryDirectory(prefix="preview-") as folder:
        tree = Path(folder) / "tree"
        added = _git(root, "worktree", "add", "--quiet", "--detach", str(tree), commit.stdout.strip())
        if added.returncode != 0:
            raise RevisionError(f"git could not check {revision} out: {added.stderr.strip()}")
        try:
            yield tree
        finally:
            _git(root, "worktree", "remove", "--force", str(tree))


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise RevisionError("comparing with a revision needs git on PATH") from None
