"""What `python -m ops sandbox` shows: the result of an `up`, the state of the machine, why a box is not ready."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from sandbox import session
from sandbox.region import MachineStatus

DEFAULT = "sandbox"  # the sandbox of `make sandbox`
LOG_LINES = 15
NAMED = 2  # steps under way that are named: the line has to fit a terminal of 80 columns


def command(verb: str, name: str) -> str:
    """How a person calls `ops sandbox VERB` for this sandbox."""
    if name == DEFAULT and verb in {"up", "down"}:
        return {"up": "make sandbox", "down": "make sandbox-down"}[verb]
    return f".venv/bin/python -m ops sandbox {verb}" + ("" if name == DEFAULT else f" --name {name}")


def result(name: str, outputs: Mapping[str, Any], ready: Mapping[str, Any], ca_file: Path) -> None:
    """Where to go, who one is there, and what to try next."""
    rows = {
        "address": str(outputs["address"]),
        "sign in": f"{outputs['adminEmail']}  {outputs['adminPassword']}",
        "model": f"{ready.get('model')}, {ready.get('tokensPerSecond')} tokens/s",
        "GPU": str(ready.get("gpu")),
        "certificate": f"signed by {ca_file}",
    }
    following = {
        "chat": "open the address; trust that file in the browser, or accept the warning",
        "look inside": f"{command('shell', name)}, then: open-webui-box status",
        "change": f"models in Pulumi.sandbox.yaml, then: {command('up', name)}",
        "go": command("down", name),
    }
    _print_rows(rows)
    Console(highlight=False).print("\nTry next")
    _print_rows(following, indent="  ")


def status(machines: Sequence[MachineStatus], box: Mapping[str, Any]) -> None:
    """The machines, and the box's own word."""
    console = Console(highlight=False, soft_wrap=True)
    for machine in machines:
        power = "running" if machine.running else "stopped"
        console.print(", ".join((f"{machine.instance_id} {power}", machine.private_ip, *machine.addresses)))
    ready = box.get("ready") or {}
    if ready.get("ok"):
        console.print(f"ready since {ready['at']}: {ready['address']}, {ready['model']}")
    elif ready:
        failure(ready)
    else:
        console.print(f"not ready yet: {', '.join(session.pending(box)) or 'the box does not answer'}")


def status_json(name: str, machines: Sequence[MachineStatus], box: Mapping[str, Any]) -> str:
    """The same for programs: `name`, `machines`, and `box` as `open-webui-box status --json` has it."""
    shown = [
        {
            "instanceId": machine.instance_id,
            "running": machine.running,
            "privateIp": machine.private_ip,
            "addresses": list(machine.addresses),
            "disks": list(machine.disk_ids),
        }
        for machine in machines
    ]
    return json.dumps({"name": name, "machines": shown, "box": box}, indent=2)


def failure(ready: Mapping[str, Any], printed: Sequence[str] = ()) -> None:
    """Which step of the box failed, why, and its last lines. Of a box whose gate says nothing of the kind: what the
    last command that failed on it printed, if one did.
    """
    failed = [text.splitlines() for text in printed if not text.partition("\n")[0].endswith("exit status 0")]
    if ready and not ready.get("ok"):
        lines = [f"{ready['unit']}: {ready['reason']}", *ready["log"][-LOG_LINES:]]
    elif failed:
        lines = [failed[-1][0], *failed[-1][1:][-LOG_LINES:]]
    else:
        return
    print("\n  ".join(lines), file=sys.stderr)


def under_way(box: Mapping[str, Any]) -> str:
    """What the box does right now, in one short line; empty when it says nothing."""
    units = box.get("units", {})
    if not units:
        return ""
    busy = [name for name, unit in units.items() if unit["ActiveState"] == "activating"] or ["the last check"]
    more = f" and {len(busy) - NAMED} more" if len(busy) > NAMED else ""
    done = len(units) - len(session.pending(box))
    return f"the box: {', '.join(busy[:NAMED])}{more} ({done} of {len(units)} done)"


def _print_rows(rows: Mapping[str, str], indent: str = "") -> None:
    width = max(map(len, rows))
    console = Console(highlight=False, soft_wrap=True)
    for name, value in rows.items():
        console.print(f"{indent}{name:<{width}}  {value}", markup=False)  # a password may hold brackets
