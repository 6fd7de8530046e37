"""What `python -m ops sandbox` does: prerequisites, parts, `pulumi up` on the region of this machine, the result."""

import functools
import json
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ParamSpec

from pulumi.automation.events import EngineEvent

from ops import sandbox_show as show
from ops.progress import Progress
from sandbox import engine, host, lifecycle, parts, session
from sandbox.engine import EngineError, Outcome
from sandbox.hardware import HardwareError
from sandbox.provider.errors import CloudError
from sandbox.region import MachineStatus, Region
from sandbox.session import Session

FAILURES = (host.HostError, parts.PartError, HardwareError, EngineError, CloudError)
FAILED, INTERRUPTED = 1, 130
POLL_S = 2.0  # each look at the box costs a boot on two cores some time
GATE = "release-gate-run"

P = ParamSpec("P")


class AbsentError(Exception):
    """The sandbox has nothing of what was asked for; the message says how to get it."""


def told(command: Callable[P, int]) -> Callable[P, int]:
    """Make of an expected failure its message on standard error, and the exit status 1."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> int:
        try:
            return command(*args, **kwargs)
        except (*FAILURES, AbsentError) as error:
            print(error, file=sys.stderr)
            return FAILED

    return run


@told
def up(name: str, stack: str, *, as_json: bool) -> int:
    """The stack, up. 1: it failed, the machine is left for a look; 130: interrupted, what was new is taken away."""
    progress = Progress()
    fresh = not session.exists(name)
    try:
        made, cli = _prepared(progress)
        with ExitStack() as region:
            with progress.step("the region: its network, and what boxes call"):
                current = region.enter_context(session.opened(name, made, cli, stack=stack))
            return _up(current, progress, as_json=as_json)
    except KeyboardInterrupt:
        if fresh:
            _take_away(name, progress, f"interrupted: taking the sandbox {name} away")
        else:
            print(f"Interrupted. The machine is left as it is: {show.command('status', name)}", file=sys.stderr)
        return INTERRUPTED


@told
def down(name: str) -> int:
    """Everything of the sandbox, gone; 1 where something would not go."""
    lifecycle.demand_root()
    return FAILED if _take_away(name, Progress(), f"taking the sandbox {name} away") else 0


@told
def status(name: str, *, as_json: bool) -> int:
    """The machine and the box in it; 1 where there is no sandbox, or the box is not ready."""
    region = _region(name)
    machines = region.machines()
    box = session.box_status(region, machines[0].instance_id) if machines else {}
    if as_json:
        print(show.status_json(name, machines, box))
    else:
        show.status(machines, box)
    return 0 if box.get("ready", {}).get("ok") else FAILED


@told
def shell(name: str) -> int:
    """A shell on the machine; its exit status."""
    region = _region(name)
    return region.shell(_machine(region, name).instance_id)


@told
def logs(name: str, lines: int) -> int:
    """The end of the journal."""
    region = _region(name)
    print(region.logs(_machine(region, name).instance_id, lines))
    return 0


@told
def snapshot(name: str) -> int:
    """A snapshot of the data disk; its id, for the stack file's `dataDisk.snapshotId`."""
    region = _region(name)
    machine = _machine(region, name)
    if not machine.disk_ids:
        raise AbsentError(f"{machine.instance_id} has no data disk yet: {show.command('up', name)}")
    print(session.snapshot(name, region, machine.disk_ids[0]))
    return 0


@told
def open_page(name: str) -> int:
    """The page in a browser; 1 where there is none to start."""
    region = _region(name)
    machine = _machine(region, name)
    if not machine.addresses:
        raise AbsentError(f"{machine.instance_id} has no address yet: {show.command('up', name)}")
    address = f"https://{machine.addresses[0]}"
    print(f"{address}\nIts certificate is signed by {region.ca_file}: trust it in the browser, or accept the warning.")
    if not webbrowser.open(address):
        raise AbsentError("no browser could be started here: open the address in one on this machine")
    return 0


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
            outcome = _until_interrupted(
                lambda: current.engine.up(on_event, refresh=True), current.region.interrupted, progress
            )
    except EngineError as error:
        print(error, file=sys.stderr)
        show.failure(current.status().get("ready", {}), current.printed)
        print(f"The machine is left as it is: {show.command('shell', current.name)}", file=sys.stderr)
        return FAILED
    ready = current.status().get("ready", {})
    if as_json:
        shown = {key: value for key, value in outcome.outputs.items() if key != "adminPassword"}
        print(json.dumps({"changes": outcome.changes, "outputs": shown, "ready": ready}, indent=2))
    else:
        show.result(current.name, outcome.outputs, ready, current.region.ca_file)
    return 0


def _until_interrupted(operation: Callable[[], Outcome], interrupted: threading.Event, progress: Progress) -> Outcome:
    """Run `operation` in another thread: Ctrl-C reaches this one, and what has begun there comes to its end."""
    with ThreadPoolExecutor(1) as pool:
        try:
            return pool.submit(operation).result()
        except KeyboardInterrupt:
            interrupted.set()
            progress.waiting_for("interrupted: what has begun comes to its end")
            raise  # out of the pool, which waits


@contextmanager
def _watched(current: Session, progress: Progress) -> Iterator[engine.OnEvent]:
    """Tell what the engine does, and while it waits for the box, what the box waits for."""
    over, gate = threading.Event(), threading.Event()
    doing, done = "", 0

    def on_event(event: EngineEvent) -> None:
        nonlocal doing, done
        if event.res_outputs_event is not None:
            done += 1
        if (begun := event.resource_pre_event) is not None and begun.metadata.op.value != "same":
            name = begun.metadata.urn.rsplit("::", 1)[-1]
            doing = f"{begun.metadata.op.value} {name} ({done} done)"
            progress.waiting_for(doing)
            if name == GATE:
                gate.set()

    def watch() -> None:
        while not over.wait(POLL_S):
            box = show.under_way(current.status()) if gate.is_set() else ""
            if not current.region.interrupted.is_set():
                progress.waiting_for(box or doing)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield on_event
    finally:
        over.set()
        thread.join()


def _take_away(name: str, progress: Progress, what: str) -> list[str]:
    """Take the sandbox away; what would not go, which is also told."""
    with progress.step(what):
        session.down(name)
    left = lifecycle.leftovers(name)
    for line in left:
        print(f"left: {line}", file=sys.stderr)
    return left


def _region(name: str) -> Region:
    lifecycle.demand_root()
    if not session.exists(name):
        raise AbsentError(f"there is no sandbox {name!r} here: {show.command('up', name)}")
    return Region.found(name)


def _machine(region: Region, name: str) -> MachineStatus:
    machines = region.machines()
    if not machines:
        raise AbsentError(f"the sandbox {name!r} has no machine: {show.command('up', name)}")
    return machines[0]
