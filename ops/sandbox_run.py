"""What `python -m ops sandbox` does: prerequisites, parts, `pulumi up` on the region of this machine, the result."""

import json
import sys
import threading
import webbrowser
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pulumi.automation.events import EngineEvent
from rich.console import Console
from rich.table import Table

from ops.progress import Progress
from sandbox import engine, host, lifecycle, parts, session
from sandbox.engine import EngineError
from sandbox.hardware import HardwareError
from sandbox.region import Region
from sandbox.session import Session

FAILURES = (host.HostError, parts.PartError, HardwareError, EngineError)
POLL_S = 1.0
LOG_LINES = 15
GATE = "release-gate-run"


def up(name: str, stack: str, *, as_json: bool) -> int:
    """The stack, up. 1: it failed, the machine is left for a look; 130: interrupted, what was new is taken away."""
    progress = Progress()
    fresh = not session.exists(name)
    try:
        made, cli = _prepared(progress)
        with session.opened(name, made, cli, stack=stack) as current:
            return _up(current, progress, as_json=as_json)
    except KeyboardInterrupt:
        if fresh:
            with progress.step("interrupted: taking everything away"):
                session.down(name)
        else:
            progress.note("interrupted; the machine stays as it is: python -m ops sandbox status")
        return 130
    except FAILURES as error:
        print(error, file=sys.stderr)
        return 1


def down(name: str) -> int:
    """Everything of the sandbox, gone; 1 where something would not go."""
    progress = Progress()
    with progress.step(f"taking the sandbox {name} away"):
        session.down(name)
    left = lifecycle.leftovers(name)
    for line in left:
        print(f"left: {line}", file=sys.stderr)
    return 1 if left else 0


def status(name: str, *, as_json: bool) -> int:
    """The machine and the box in it; 1 where there is no sandbox, or the box is not ready."""
    if (region := _region(name)) is None:
        return 1
    machines = region.machines()
    box = session.box_status(region, machines[0].instance_id) if machines else {}
    ready = box.get("ready", {})
    if as_json:
        print(
            json.dumps(
                {
                    "name": name,
                    "machines": [
                        {
                            "instanceId": machine.instance_id,
                            "running": machine.running,
                            "privateIp": machine.private_ip,
                            "addresses": list(machine.addresses),
                            "disks": list(machine.disk_ids),
                        }
                        for machine in machines
                    ],
                    "box": box,
                },
                indent=2,
            )
        )
    else:
        _print_status(machines, box)
    return 0 if ready.get("ok") else 1


def shell(name: str) -> int:
    """A shell on the machine; its exit status."""
    region = _region(name)
    if region is None or not region.machines():
        return 1
    return region.shell(region.machines()[0].instance_id)


def logs(name: str, lines: int) -> int:
    """The end of the journal."""
    region = _region(name)
    if region is None or not region.machines():
        return 1
    print(region.logs(region.machines()[0].instance_id, lines))
    return 0


def open_page(name: str) -> int:
    """The page in a browser, where there is one."""
    region = _region(name)
    if region is None or not region.machines():
        return 1
    address = f"https://{region.machines()[0].addresses[0]}"
    print(f"{address}\nIts certificate is signed by {region.ca_file}: trust it in the browser, or accept the warning.")
    return 0 if webbrowser.open(address) else 1


def _prepared(progress: Progress) -> tuple[parts.Parts, Path]:
    with progress.step("what this host needs"):
        host.prepare(progress.note)
    cli = engine.find_cli()
    if cli is None:
        with progress.step("the Pulumi engine, built once"):
            cli = engine.build_cli(progress.note)
    absent = parts.missing()
    if absent:
        progress.note(f"to build, once: {', '.join(absent)}")
    with progress.step("the parts: image, Ollama, Caddy, models, machine"):
        return parts.build(say=progress.waiting_for if not absent else progress.note), cli


def _up(current: Session, progress: Progress, *, as_json: bool) -> int:
    try:
        with progress.step("pulumi up"), _watched(current, progress) as on_event:
            outcome = current.engine.up(on_event, refresh=True)
    except EngineError as error:
        print(error, file=sys.stderr)
        _explain(current.status().get("ready", {}))
        print(f"The machine is left as it is: python -m ops sandbox shell --name {current.name}", file=sys.stderr)
        return 1
    if as_json:
        shown = {key: value for key, value in outcome.outputs.items() if key != "adminPassword"}
        print(
            json.dumps({"changes": outcome.changes, "outputs": shown, "ready": current.status().get("ready")}, indent=2)
        )
    else:
        _print_result(current, outcome.outputs)
    return 0


@contextmanager
def _watched(current: Session, progress: Progress) -> Iterator[engine.OnEvent]:
    """Tell what the engine does, and while it waits for the box, what the box waits for."""
    over, gate = threading.Event(), threading.Event()
    done = 0

    def on_event(event: EngineEvent) -> None:
        nonlocal done
        if event.res_outputs_event is not None:
            done += 1
        if (begun := event.resource_pre_event) is not None and begun.metadata.op.value != "same":
            name = begun.metadata.urn.rsplit("::", 1)[-1]
            progress.waiting_for(f"{begun.metadata.op.value} {name} ({done} done)")
            if name == GATE:
                gate.set()

    def watch() -> None:
        while not over.wait(POLL_S):
            if gate.is_set() and (pending := session.pending(current.status())):
                progress.waiting_for(f"the box: {', '.join(pending)}")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield on_event
    finally:
        over.set()
        thread.join()


def _explain(ready: Mapping[str, Any]) -> None:
    """Which step of the box failed, why, and its last lines."""
    if not ready or ready.get("ok"):
        return
    lines = [f"{ready['unit']}: {ready['reason']}", *ready["log"][-LOG_LINES:]]
    print("\n  ".join(lines), file=sys.stderr)


def _print_result(current: Session, outputs: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    ready = current.status().get("ready", {})
    table = Table.grid(padding=(0, 2))
    table.add_row("address", f"[bold]{outputs['address']}[/]")
    table.add_row("sign in", f"{outputs['adminEmail']}  {outputs['adminPassword']}")
    table.add_row("answers", f"{ready.get('model')} at {ready.get('tokensPerSecond')} tokens/s; {ready.get('gpu')}")
    table.add_row("certificate", f"trust {current.region.ca_file}")
    console.print(table)
    console.print(
        "\nTry next: open the address and chat; edit models in Pulumi.sandbox.yaml and run `make sandbox` again;\n"
        f"`python -m ops sandbox shell --name {current.name}`, then `open-webui-box status`; `make sandbox-down`."
    )


def _print_status(machines: list[Any], box: Mapping[str, Any]) -> None:
    console = Console(highlight=False)
    for machine in machines:
        power = "running" if machine.running else "stopped"
        console.print(f"{machine.instance_id} {power}, {machine.private_ip}, {', '.join(machine.addresses)}")
    ready = box.get("ready") or {}
    if ready.get("ok"):
        console.print(f"ready since {ready['at']}: {ready['address']}, {ready['model']}")
    elif ready:
        _explain(ready)
    else:
        console.print(f"not ready yet: {', '.join(session.pending(box)) or 'the box does not answer'}")


def _region(name: str) -> Region | None:
    if not session.exists(name):
        print(f"there is no sandbox {name!r} here: make sandbox", file=sys.stderr)
        return None
    return Region.open(name, parts.build(say=lambda _: None))
