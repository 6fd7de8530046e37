"""Findings for people: the worst first."""

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.findings import Level
from ops.quote_view import stock_text
from ops.show import section
from ops.terminal import Document

_STYLES = {Level.OK: "green", Level.UNKNOWN: "cyan", Level.WARNING: "yellow", Level.PROBLEM: "bold red"}
_ORDER = (Level.PROBLEM, Level.WARNING, Level.UNKNOWN, Level.OK)


def findings(document: Document) -> RenderableType:
    """One block a finding, then the zones, then the verdict."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(no_wrap=True)
    rows.add_column(style="bold", no_wrap=True)
    rows.add_column(overflow="fold")
    ordered = sorted(document["findings"], key=lambda finding: _ORDER.index(Level(finding["level"])))
    for finding in ordered:
        level = Level(finding["level"])
        rows.add_row(Text(level.value, style=_STYLES[level]), finding["check"], _text(finding))
    parts: list[RenderableType] = [
        Padding(Text(f"stack {document['stack']} in {document['region']}", style="bold"), (0, 0, 1, 0)),
        rows,
    ]
    if document["zones"]:
        parts.append(section("Zones", stock_text(document["zones"])))
    parts.append(Padding(Text(_verdict(document), style="dim"), (1, 0, 0, 0)))
    return Group(*parts)


def _text(finding: Document) -> Text:
    text = Text(finding["fact"])
    if finding["consequence"]:
        text.append(f"\nso: {finding['consequence']}")
    if finding["fix"]:
        text.append(f"\nfix: {finding['fix']}", style="cyan")
    return text


def _verdict(document: Document) -> str:
    problems = sum(finding["level"] == Level.PROBLEM for finding in document["findings"])
    names = [finding["check"] for finding in document["findings"] if finding["level"] == Level.UNKNOWN]
    unknown = f"{len(names)} not checked: {', '.join(names)}" if names else "all checked"
    if problems:
        return f"{problems} problem{'s' * (problems != 1)} to mend before pulumi up; {unknown}"
    return f"no problem found, {unknown}"
