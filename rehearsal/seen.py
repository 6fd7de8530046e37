"""What was seen of the deliberate faults: rehearsal/seen.json, and the table that docs/rehearsal.md shows of it.

`python -m rehearsal.seen` writes the table.
"""

import json
import subprocess
from pathlib import Path

from rehearsal.breakages import breakage_of
from rehearsal.scenarios import all_scenarios
from sandbox.engine import REPOSITORY

RECORD = Path(__file__).with_name("seen.json")
PAGE = REPOSITORY / "docs" / "rehearsal.md"
BEGIN, END = "<!-- seen: python -m rehearsal.mutations -->\n", "<!-- /seen -->\n"


def read() -> dict[str, dict[str, str]]:
    """By scenario: the fault, the words by which the scenario failed on it, the day and the commit."""
    found: dict[str, dict[str, str]] = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    return found


def record(name: str, fault: str, said: str | None) -> None:
    """What was seen of one scenario; `said` None: it did not fail, or not by the expected words."""
    known = {other: entry for other, entry in read().items() if other != name}
    if said is not None:
        day, commit = _git("log", "-1", "--format=%cs %h").split()
        known[name] = {"fault": fault, "said": said, "day": day, "commit": commit}
    RECORD.write_text(json.dumps(dict(sorted(known.items())), indent=1, ensure_ascii=False) + "\n")


def table() -> str:
    """Each scenario with its fault and what it said, in Markdown."""
    known, rows = read(), []
    for one in all_scenarios():
        fault, entry = breakage_of(one.name).what, known.get(one.name, {})
        said = f"`{_cell(entry['said'])}`" if entry.get("fault") == fault else "**not seen yet**"
        rows.append(f"| {one.group.value[0]} | {_cell(one.name)} | {_cell(fault)} | {said} |\n")
    head = "| | scenario | made to fail by | how it failed |\n|---|---|---|---|\n"
    return head + "".join(rows)


def page() -> str:
    """docs/rehearsal.md with the table as it is now."""
    text = PAGE.read_text()
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return f"{before}{BEGIN}\n{table()}\n{END}{after}"


def write_page() -> None:
    """Bring docs/rehearsal.md up to date."""
    PAGE.write_text(page())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'").replace("\n", " ")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, check=True, capture_output=True, text=True
    ).stdout.strip()


if __name__ == "__main__":
    write_page()
