"""One comment about a change, updated in place: `python -m scripts.ci.comment REPORT.json [--head COMMIT]`.

The report may come from a stranger's fork: every text of it is shown inside a code block that it cannot leave, and
with `--head` the pull request that it names must have that commit as its head. Runs on the base branch's code only.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from scripts.ci.forge import Forge, ForgeError, from_environment

MARKER = "<!-- open-webui preview -->"
LONGEST = 60_000  # GitHub takes 65,536 characters
SAID = {
    0: "",
    1: ": **stopped by a policy, or not comparable**",
    2: ": **refused**",
    3: ": **its stack file is removed**",
}


class ReportError(Exception):
    """The report is not one of `scripts.ci.preview`, or not of this change."""


def read(path: Path) -> dict[str, Any]:
    """The report with everything in it checked that is used outside a code block. Raises ReportError."""
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        parts = {str(name): (int(part["status"]), str(part["text"])) for name, part in report["stacks"].items()}
        pull, base = int(report["pull"]), str(report["base"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ReportError(f"{path} is no report: {error!r}") from None
    for name in parts:
        if re.fullmatch(r"[A-Za-z0-9_.-]{1,100}", name) is None:
            raise ReportError(f"{name!r} is not the name of a stack")
    if re.fullmatch(r"[0-9A-Za-z_./~^-]{1,200}", base) is None:
        raise ReportError(f"{base!r} is not a git revision")
    return {"pull": pull, "base": base, "stacks": parts}


def body(report: dict[str, Any]) -> str:
    """Markdown of the comment."""
    lines = [MARKER, f"### What this changes, against `{report['base'][:12]}`", ""]
    room = LONGEST // max(1, len(report["stacks"]))
    for name, (status, text) in report["stacks"].items():
        shown = text if len(text) <= room else f"{text[:room]}\n… cut: run `make preview AGAINST=…` for the rest"
        quote = fence(shown)
        said = SAID.get(status, f": status {status}")
        summary = f"<summary><code>{name}</code>{said.replace('**', '')}</summary>"
        lines += [
            f"<details{' open' if status else ''}>{summary}",
            "",
            f"{quote}text",
            shown,
            quote,
            "",
            "</details>",
            "",
        ]
    return "\n".join([*lines, "Made offline from the code alone: no account, no secret."])


def fence(text: str) -> str:
    """Backticks that the text has nowhere in a row."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    return "`" * max(3, longest + 1)


def check_head(forge: Forge, pull: int, head: str) -> None:
    """Refuse a report that names somebody else's pull request."""
    found = forge.call("GET", f"pulls/{pull}")["head"]["sha"]
    if found != head:
        raise ReportError(
            f"pull request {pull} has the head {found}, the report is of {head}: outdated, or not its own"
        )


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.ci.comment", description=__doc__)
    parser.add_argument("report", type=Path)
    parser.add_argument("--head", help="the commit that the report must be about (GitHub)")
    given = parser.parse_args(arguments)
    try:
        report, forge = read(given.report), from_environment()
        if given.head:
            check_head(forge, report["pull"], given.head)
        forge.upsert(report["pull"], MARKER, body(report))
    except (ReportError, ForgeError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
