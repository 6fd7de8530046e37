"""A comparison for people: what is added, changed and removed, and what each change costs."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Final

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops import show
from ops.compare import TAKEN, Change, Comparison, Kind, ResourceChange

STYLES: Final = {
    Kind.IGNORED: "dim",
    Kind.OPTION: "dim",
    Kind.UNSURE: "bold yellow",
    Kind.UPDATE: "green",
    Kind.RESTART: "bold yellow",
    Kind.REPLACE: "bold red",
}
LONGEST: Final = 44


def comparison(stack: str, revision: str, found: Comparison) -> RenderableType:
    """Everything that differs, the costly things named in the first lines."""
    head = Text.assemble((f"stack {stack}", "bold"), f": what changes from {revision} to the working tree")
    if found.is_empty:
        return Group(head, Text("nothing: the same resources, the same box", style="green"))
    return Group(
        head,
        _summary(found),
        *([show.section("Added", show.table(found.added))] if found.added else ()),
        *([show.section("Changed", Group(*_changed(found.changed)))] if found.changed else ()),
        *([show.section("Removed", show.table(found.removed))] if found.removed else ()),
        *([show.section("The box", _plain(found.box))] if found.box else ()),
        *([show.section("Outputs", _plain(found.outputs))] if found.outputs else ()),
        *([show.section("Newly broken policies", show.policies(found.policies))] if found.policies else ()),
    )


def _summary(found: Comparison) -> Text:
    kinds = Counter(resource.kind for resource in found.changed)
    pieces = [
        Text(f"{number} {words}", style=style)
        for number, words, style in (
            (len(found.added), "added", "green"),
            *((kinds[kind], _words(kind), STYLES[kind]) for kind in reversed(Kind)),
            (len(found.removed), "removed", "red"),
        )
        if number
    ]
    return Text(", ").join(pieces) if pieces else Text("no resource changes")


def _words(kind: Kind) -> str:
    return {
        Kind.IGNORED: "left as it is",
        Kind.OPTION: "with other options",
        Kind.UNSURE: "with an effect that is not known",
        Kind.UPDATE: "updated in place",
        Kind.RESTART: "updated with a restart",
        Kind.REPLACE: "replaced",
    }[kind]


def _changed(resources: Iterable[ResourceChange]) -> Iterator[RenderableType]:
    """Resources with the very same changes (a tag, mostly) are told together."""
    alike: dict[tuple[Change, ...], list[ResourceChange]] = {}
    for resource in sorted(resources, key=lambda resource: list(Kind).index(resource.kind), reverse=True):
        alike.setdefault(resource.changes, []).append(resource)
    for index, (changes, group) in enumerate(alike.items()):
        names = [Text.assemble((one.name, "bold"), " ", (show.short_type(one.type), "dim")) for one in group]
        names[-1] = Text.assemble(names[-1], ": ", (_words(group[0].kind), STYLES[group[0].kind]))
        yield Padding(Group(show.Pieces(names), Padding(_rows(changes), (0, 0, 0, 4))), (min(index, 1), 0, 0, 0))


def _rows(changes: Collection[Change]) -> Table:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(overflow="fold", max_width=36)
    rows.add_column(overflow="fold")
    rows.add_column(overflow="fold", no_wrap=True)
    together = Counter((change.input, change.kind) for change in changes if _told_together(change))
    for change in changes:
        if not _told_together(change):
            rows.add_row(change.path, _values(change), Text(change.kind, style=STYLES[change.kind]))
            if change.remark:
                rows.add_row("", Text(change.remark, style="italic"), "")
    for (name, kind), number in together.items():
        what = (
            "but the resource keeps the old one" if kind is Kind.IGNORED else "and the new resource takes the new one"
        )
        differs = f"differs in {number} place{'s' * (number > 1)}, {what}"
        rows.add_row(name, differs, Text(kind, style=STYLES[kind]))
    return rows


def _told_together(change: Change) -> bool:
    """Of an input that a resource keeps while it stays, the number of places says enough."""
    return change.kind is Kind.IGNORED or change.remark == TAKEN


def _plain(changes: Iterable[Change]) -> RenderableType:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(overflow="fold", ratio=3)
    rows.add_column(overflow="fold", ratio=7)
    for change in changes:
        rows.add_row(Text(change.path, style="cyan"), _values(change))
    return rows


def _values(change: Change) -> Text:
    return Text.assemble((_cut(change.before), "red"), " → ", (_cut(change.after), "green"))


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"
