"""`ops doctor --write-zone`: a zone that has the stack's type in stock, written into the stack file."""

import sys
from typing import Any

from infra.settings import Settings
from ops import edit_stack_file, instance, stock, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import NotPossibleError
from ops.program import ROOT
from ops.stock import ZoneStock


def run(settings: Settings, cloud: Cloud, *, as_json: bool) -> int:
    """Move to the best zone where that is better than the stack's own; return the exit status, 1 without stock."""
    with terminal.doing("asking for stock"):
        zones = stock.of_type(cloud, settings)
    own = next((zone for zone in zones if zone.zone == settings.instance.zone), None)
    best = next((zone for zone in zones if zone.has_stock), None)
    better = best if best and stock.rank(best) < stock.rank(own) else None
    if better:
        _require_movable(settings, cloud, better)
        _write(settings, better)
    elif best is None:
        print(_no_zone(settings), file=sys.stderr)
    following = f"make preview STACK={settings.stack}" if better else None
    terminal.emit(_document(settings, zones, better), _text, as_json=as_json, following=following)
    return terminal.OK if best else terminal.FINDINGS


def _document(settings: Settings, zones: list[ZoneStock], better: ZoneStock | None) -> dict[str, Any]:
    """Of ops/schemas/doctor-write-zone.json."""
    return {
        "stack": settings.stack,
        "file": f"Pulumi.{settings.stack}.yaml",
        "instanceType": settings.instance.type,
        "before": settings.instance.zone,
        "zone": better.zone if better else settings.instance.zone,
        "written": better is not None,
        "zones": [{"zone": zone.zone, "stock": zone.state} for zone in zones],
    }


def _text(document: terminal.Document) -> str:
    if document["written"]:
        return f"{document['file']}: open-webui:instance.zone {document['before']} -> {document['zone']}"
    states = {zone["zone"]: zone["stock"] for zone in document["zones"]}
    state = states.get(document["before"], "not sold")
    return f"{document['instanceType']} in {document['before']}: {state}; no zone is better: nothing was written"


def _no_zone(settings: Settings) -> str:
    return (
        f"no zone of {settings.region} has {settings.instance.type} in stock\n"
        f"    fix: another type (python -m ops quote --compare --stack {settings.stack}), or another region"
    )


def _require_movable(settings: Settings, cloud: Cloud, better: ZoneStock) -> None:
    if settings.network.existing_vswitch_id is not None:
        raise NotPossibleError(
            f"{better.zone} has stock, but {settings.network.existing_vswitch_id} is bound to its own zone\n"
            f"    fix: give existingVswitchId of a vSwitch in {better.zone}, and instance.zone with it"
        )
    if existing := instance.find(cloud, settings):
        raise NotPossibleError(
            f"the stack runs already ({existing.id}): another zone would replace machine and data disk\n"
            "    fix: keep the zone; to move, restore a snapshot into a new stack"
        )


def _write(settings: Settings, better: ZoneStock) -> None:
    file = ROOT / f"Pulumi.{settings.stack}.yaml"
    text = file.read_text(encoding="utf-8")
    path = ("config", "open-webui:instance", "zone")
    edit_stack_file.write(file, edit_stack_file.set_value(text, path, better.zone))
