"""The few calls to GitHub and GitLab that CI makes, with Python's standard library."""

import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 30


class ForgeError(Exception):
    """The forge refused, or the environment does not say which one it is."""


@dataclass(frozen=True, kw_only=True)
class Forge:
    """Comments of one repository. Paths are below `repository`, or with a leading slash below `api`.

    `writer` says where in a comment its author's name is; `own` is the name that CI writes under, None: the token's.
    """

    api: str
    repository: str
    headers: dict[str, str] = field(repr=False)
    writer: tuple[str, str]
    own: str | None
    notes: str  # with {number}
    note: str  # with {number} and {id}
    update: str  # the HTTP method

    def call(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Answer of one call, as JSON. Raises ForgeError."""
        place = path if path.startswith("/") else f"/{self.repository}/{path}"
        request = urllib.request.Request(  # noqa: S310 (the address is the CI's own)
            f"{self.api}{place}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={**self.headers, "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 (as above)
                return json.load(answer)
        except urllib.error.HTTPError as error:
            text = error.read(500).decode(errors="replace")
            raise ForgeError(f"{method} {path}: {error.code} {text}") from None
        except OSError as error:
            raise ForgeError(f"{method} {path}: {error}") from None

    def every(self, path: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        page = 1
        while batch := self.call("GET", f"{path}{'&' if '?' in path else '?'}per_page=100&page={page}"):
            found += batch
            page += 1
        return found

    def of_ours(self, notes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those comments or issues that CI wrote itself: anybody can write what looks like one."""
        part, name = self.writer
        own = self.own or self.call("GET", "/user")["username"]
        return [note for note in notes if (note[part] or {}).get(name) == own]

    def upsert(self, number: int, marker: str, body: str) -> None:
        """Make CI's comment that begins with `marker`, or replace it."""
        notes = self.of_ours(self.every(self.notes.format(number=number)))
        mine = [note for note in notes if note["body"].startswith(marker)]
        if mine:
            self.call(self.update, self.note.format(number=number, id=mine[0]["id"]), {"body": body})
        else:
            self.call("POST", self.notes.format(number=number), {"body": body})


def from_environment() -> Forge:
    """GitHub Actions: GITHUB_API_URL, GITHUB_REPOSITORY, GITHUB_TOKEN. GitLab CI: CI_API_V4_URL, CI_PROJECT_ID, and
    GITLAB_TOKEN, a project token with the scope `api`.
    """
    given = os.environ
    if "GITHUB_REPOSITORY" in given:
        return Forge(
            api=given.get("GITHUB_API_URL", "https://api.github.com"),
            repository=f"repos/{given['GITHUB_REPOSITORY']}",
            writer=("user", "login"),
            own="github-actions[bot]",  # whose the token of every workflow is
            headers={"Authorization": f"Bearer {given['GITHUB_TOKEN']}", "Accept": "application/vnd.github+json"},
            notes="issues/{number}/comments",
            note="issues/comments/{id}",
            update="PATCH",
        )
    if "CI_PROJECT_ID" in given:
        return Forge(
            api=given["CI_API_V4_URL"],
            repository=f"projects/{given['CI_PROJECT_ID']}",
            writer=("author", "username"),
            own=None,
            headers={"PRIVATE-TOKEN": given["GITLAB_TOKEN"]},
            notes="merge_requests/{number}/notes",
            note="merge_requests/{number}/notes/{id}",
            update="PUT",
        )
    raise ForgeError("neither GITHUB_REPOSITORY nor CI_PROJECT_ID is set: this runs in GitHub Actions or GitLab CI")
