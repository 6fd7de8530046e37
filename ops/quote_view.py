"""Quotes for people."""

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.show import section
from ops.terminal import Document

_STOCK_STYLE = {"WithStock": "green", "ClosedWithStock": "yellow"}
_STOCK_WORDS = {
    "WithStock": "in stock",
    "ClosedWithStock": "in stock, closing",
    "WithoutStock": "none",
    "ClosedWithoutStock": "none, closed",
}


def money(value: float | None) -> str:
    """Four digits below one, else two."""
    return "" if value is None else f"{value:,.4f}" if abs(value) < 1 else f"{value:,.2f}"


def quote(document: Document) -> RenderableType:
    """All of it."""
    billing = document["billing"]
    how = f"{billing['months']} months in advance" if billing["months"] else billing["mode"]
    head = Text.assemble(
        (f"stack {document['stack']}", "bold"),
        f"  {document['instanceType']} in {document['zone']}, {how}",
    )
    return Group(Padding(head, (0, 0, 1, 0)), lines(document))


def lines(document: Document) -> RenderableType:
    """The price lines, their sums, and what has no price."""
    parts: list[RenderableType] = [_table(document)]
    if document["spot"]:
        parts.append(section("Spot", _spot(document["spot"], document["currency"])))
    if document["discounts"]:
        parts.append(section("Discounts", Group(*(Text(text) for text in document["discounts"]))))
    if document["unpriced"]:
        parts.append(section("Not in these sums", _pairs((e["what"], e["why"]) for e in document["unpriced"])))
    return Group(*parts)


def _table(document: Document) -> Table:
    currency, sums = document["currency"], document["totals"]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim", show_footer=True)
    table.add_column("", footer="sum", footer_style="bold")
    table.add_column(f"list, {currency}", justify="right")
    table.add_column("discount", justify="right")
    table.add_column("price", justify="right", footer_style="bold", footer=_hourly(sums))
    table.add_column("per", footer=_per(document))
    table.add_column("730 h", justify="right", footer=money(sums["perMonth"]), footer_style="bold")
    for line in document["lines"]:
        table.add_row(
            line["what"],
            money(line["original"]),
            money(line["discount"]) if line["discount"] else "",
            money(line["price"]),
            line["unit"],
            money(line["perMonth"]) or "by use",
        )
    return table


def _hourly(sums: Any) -> str:
    return money(sums["perHour"]) if sums["inAdvance"] is None else ""


def _per(document: Document) -> str:
    return "hour" if document["totals"]["inAdvance"] is None else ""


def _spot(spot: Any, currency: str) -> RenderableType:
    limit, history = spot["maxHourlyPrice"], spot["history"]
    rows = [("now", f"{money(spot['now'])} {currency} per hour")]
    if limit is not None:
        verdict = "starts" if spot["wouldStart"] else "would not start now: raise maxHourlyPrice or wait"
        rows.append(("the stack's limit", f"{money(limit)}: {verdict}"))
    if history:
        text = f"{money(history['lowest'])} to {money(history['highest'])}, median {money(history['median'])}"
        rows.append((f"last {history['days']} days", f"{text} ({history['samples']} prices)"))
    elif spot["historyError"]:
        rows.append(("history", spot["historyError"]))
    return _pairs(rows)


def _pairs(rows: Any) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, text in rows:
        table.add_row(name, text)
    return table


def comparison(document: Document) -> RenderableType:
    """One row a type, cheapest first."""
    head = f"types that fit {', '.join(document['models'])} in {document['region']}, system disk included"
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in ("type", "GPU"):
        table.add_column(name, overflow="fold")
    for name in ("GiB", f"{document['currency']}/h", "/730 h", "/GPU GiB"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("stock", overflow="fold")
    for row in document["types"]:
        table.add_row(
            Text(row["type"], style="bold"),
            f"{row['gpus']} x {row['gpu'].removeprefix('NVIDIA ')}",
            str(row["gpuMemoryGib"]),
            money(row["perHour"]),
            money(row["perMonth"]),
            money(row["perMonthAndGpuGib"]),
            stock_text(row["zones"]),
        )
    parts: list[RenderableType] = [Padding(Text(head, style="bold"), (0, 0, 1, 0)), table]
    if document["leftOut"]:
        parts.append(section("Left out", Group(*_left_out(document["leftOut"]))))
    return Group(*parts)


def _left_out(entries: Any) -> list[Text]:
    reasons: dict[str, list[str]] = {}
    for entry in entries:
        reasons.setdefault(entry["why"], []).append(entry["type"].removeprefix("ecs."))
    return [Text.assemble((f"{why}: ", "cyan"), ", ".join(types)) for why, types in reasons.items()]


def stock_text(zones: Any) -> Text:
    """`c in stock, b none`: the zones' last letters, best first."""
    pieces = [
        Text(
            f"{entry['zone'].rsplit('-', 1)[-1]} {_STOCK_WORDS.get(entry['stock'], entry['stock'])}",
            style=_STOCK_STYLE.get(entry["stock"], "red"),
        )
        for entry in zones
    ]
    return Text(", ").join(pieces) if pieces else Text("none", style="red")
