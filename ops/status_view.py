"""The state of a stack for people."""

from collections.abc import Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ops.quote_view import money
from ops.show import section
from ops.terminal import Document

_GOOD = {"Running": "green", "active": "green", "Stopped": "red", "failed": "bold red"}


def status(document: Document) -> RenderableType:
    """From the address down to the cost; what needs attention comes last, where the eye ends up."""
    parts: list[RenderableType] = [
        Padding(
            Text.assemble((f"stack {document['stack']}", "bold"), f"  {document['address'] or 'no address yet'}"),
            (0, 0, 1, 0),
        ),
        _rows(_machine(document)),
    ]
    if box := document["box"]:
        parts.append(section("Steps", _steps(box["steps"])))
        parts.append(section("Box", _rows(_box(box))))
    parts.append(section("Versions", _versions(document)))
    parts.append(section("Keeping and cost", _rows(_keeping(document))))
    if document["attention"]:
        lines = (Text.assemble(("! ", "bold yellow"), line) for line in document["attention"])
        parts.append(section("Attention", Group(*lines)))
    else:
        parts.append(Padding(Text("all is well", style="dim"), (1, 0, 0, 0)))
    return Group(*parts)


def _rows(rows: Iterable[tuple[str, RenderableType]]) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows:
        table.add_row(name, value)
    return table


def _machine(document: Document) -> Iterable[tuple[str, RenderableType]]:
    machine = document["instance"]
    if machine is None:
        yield "instance", Text("none", style="red")
        return
    state = machine["status"] + (f", {machine['stoppedMode']}" if machine["stoppedMode"] else "")
    paid = "spot" if machine["spot"] else machine["billing"]
    yield (
        "instance",
        Text.assemble(
            (state, _GOOD.get(machine["status"], "yellow")),
            f"  {machine['id']}, {machine['type']} in {machine['zone']}, {paid}",
        ),
    )
    if machine["billing"] == "PrePaid":
        yield "paid until", str(machine["expires"])


def _steps(steps: Iterable[Document]) -> RenderableType:
    table = Table.grid(padding=(0, 3, 0, 0))
    for _ in range(3):
        table.add_column()
    for step in steps:
        seconds = "" if step["seconds"] is None else f"{step['seconds']:.1f} s"
        table.add_row(step["name"], Text(step["state"], style=_GOOD.get(step["state"], "")), Text(seconds, style="dim"))
    return table


def _box(box: Document) -> Iterable[tuple[str, RenderableType]]:
    if box["ready"]:
        speed = f", {box['tokensPerSecond']} tokens/s" if box["tokensPerSecond"] else ""
        yield "ready", Text(f"since {box['since']}{speed}", style="green")
    else:
        yield "ready", Text(f"no: {box['reason'] or 'not yet'}", style="bold red")
    if cert := box["certificate"]:
        seen = "" if cert["served"] else ", as the gate saw it: not served now"
        yield "certificate", f"{cert['issuer']}, {cert['daysLeft']} days left (until {cert['notAfter']}){seen}"
    yield from _gpus(box)
    for disk in box["disks"] or ():
        used = disk["bytes"] - disk["freeBytes"]
        yield "disk", f"{disk['mount']}: {_gib(used)} of {_gib(disk['bytes'])} used"
    yield "models", _models(box["models"])


def _gpus(box: Document) -> Iterable[tuple[str, RenderableType]]:
    for gpu in box["gpus"] or ():
        memory = f"{_gib_of_mib(gpu['usedMib'])} of {_gib_of_mib(gpu['totalMib'])} GiB"
        yield "GPU", f"{gpu['name']}: {memory}, {_known(gpu['percent'])} % busy, driver {gpu['driver']}"
    if not box["gpus"] and box["gpusWanted"]:
        why = "none can be seen" if box["gpus"] is not None else "nvidia-smi does not answer"
        yield "GPU", Text(why, style="bold red")
    elif not box["gpus"]:
        yield "GPU", "none: models run on the CPU"


def _models(models: Any) -> RenderableType:
    if models is None:
        return Text("Ollama does not answer", style="red")
    texts = [
        model["name"]
        + ("" if model["bytes"] is None else f" {model['bytes'] / 1000**3:.1f} GB")
        + (f" (in GPU memory: {_gib(model['gpuBytes'])})" if model["gpuBytes"] else "")
        for model in models
    ]
    return Text(", ".join(texts) or "none")


def _versions(document: Document) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    silent = Text("no answer", style="red") if document["box"] else Text("unknown")
    for row in document["versions"]:
        same = row["running"] == row["wanted"]
        verdict = Text("as in the stack file", style="green") if same else Text(f"wanted: {row['wanted']}", "yellow")
        table.add_row(Text(row["name"], style="cyan"), row["running"] or silent, verdict)
    return table


def _keeping(document: Document) -> Iterable[tuple[str, RenderableType]]:
    if disk := document["dataDisk"]:
        yield "data disk", f"{disk['id']}, {disk['sizeGib']} GiB {disk['category']}, {disk['status']}"
        last = disk["lastSnapshot"]
        none = disk["snapshotsError"] or "none"
        text = f"{last['at']} ({last['status']}), {disk['snapshots']} kept" if last else none
        yield "last snapshot", Text(text, style="" if last else "yellow")
    else:
        yield "data disk", document["dataDiskError"] or "none"
    cost = document["cost"]
    if cost:
        parts = ", ".join(f"{what} {money(amount)}" for what, amount in cost["parts"].items())
        yield f"cost in {cost['month']}", f"{money(cost['amount'])} {cost['currency']} so far ({parts})"
    else:
        yield "cost this month", document["costError"] or "no bill yet"


def _gib(size: float) -> str:
    return f"{size / 1024**3:.1f} GiB"


def _gib_of_mib(mib: int | None) -> str:
    return "unknown" if mib is None else f"{mib / 1024:.1f}"


def _known(value: int | None) -> str:
    return "unknown" if value is None else str(value)
