"""Releases: beside each other on disk, one of them current; changed in place, and back where the new one fails."""

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from owbox import database, download, models, packages, services, units
from owbox.base import (
    Box,
    LateError,
    StepError,
    TransientError,
    noted,
    run,
    say,
    succeeds,
    told,
    wait_for,
    within,
    write,
)

INSTALL_S = 5  # how long cloud-init may be at it
LATE_S = 840  # beyond the release's own limit; the cloud cuts the command 900 s beyond it (infra/release.py)


def link(path: Path, target: Path) -> None:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    beside.symlink_to(target)
    beside.replace(path)


def install(box: Box) -> None:
    """Make this release the current one: its users, its units, the links. Nothing is started."""
    run("systemd-sysusers", box.release / "sysusers.conf")
    here, there = box.release / "systemd", box.root / "etc/systemd/system"
    wanted = {path.relative_to(here): path.read_bytes() for path in sorted(here.rglob("*")) if path.is_file()}
    present = {path.relative_to(there): path.read_bytes() for path in there.glob("owbox-*.*")}
    for path in present.keys() - wanted.keys():
        (there / path).unlink()
    for path, content in wanted.items():
        write(there / path, content)
    link(box.home / "current", box.release)
    link(box.root / "usr/local/bin/open-webui-box", box.home / "current/open-webui-box")
    run("systemctl", "daemon-reload")
    run("systemctl", "enable", "-q", "owbox-boot.service")


def start() -> None:
    run("systemctl", "start", "--no-block", "open-webui-box.target")


def current(box: Box) -> Box | None:
    path = box.home / "current"
    return Box(path.resolve(), box.root) if path.exists() else None


def report(box: Box) -> Any:
    return noted(box.run / "ready.json")


def prove(box: Box) -> Any:
    """What the gate says, run now or waited for; its reason where it fails."""
    units.again("ready")
    found = report(box) if report(box).get("release") == box.digest else {}
    if found.get("ok"):
        return found
    log = "\n".join(found.get("log", []))
    unit = found.get("unit", "")
    raise StepError(f"{found.get('reason', 'the gate did not run')}\n--- {unit}\n{log}", unit)


def converge(box: Box, backup: Path | None = None) -> Any:
    """Bring the running machine to this release, restarting only what was started from something else.

    Where a step fails the gate says so; what serves then has not been touched.
    """
    run("systemctl", "reset-failed", "owbox-*")  # what gave up may try again
    units.again(*units.PREPARED)
    if all(units.record(box, step).get("ok") for step in units.PREPARED):
        restart(box, "ollama")
        units.again("models")
        if units.record(box, "models").get("ok"):
            restart(box, "caddy")
            succeeds("systemctl", "reload", *units.service("caddy"))  # Caddy itself knows whether anything changed
            restart(box, "open-webui", backup)
            start()
    return prove(box)


def restart(box: Box, name: str, backup: Path | None = None) -> None:
    if backup or services.outdated(box, name):
        say(f"{name} changes: restarting it")
        run("systemctl", "stop", *units.service(name), timeout=120)
        if backup:
            database.back_up(box, backup)
        succeeds("systemctl", "start", *units.service(name))  # where it does not start, the gate tells why


@contextmanager
def alone(box: Box, patience_s: float = 0) -> Iterator[None]:
    """One release at a time: a second one is refused, not queued behind something it does not know."""
    box.state.mkdir(parents=True, exist_ok=True)
    with (box.state / "lock").open("w") as file:

        def lock() -> bool:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True

        try:
            wait_for("the release lock", patience_s, lock, every=0.1)
        except StepError:
            raise StepError("another release is under way on this box; run it again when that one has ended") from None
        yield


def under_way(box: Box) -> bool:
    try:
        with alone(box):
            return False
    except StepError:
        return True


def journal(box: Box) -> Path:
    """There while a change is under way: what an interrupted one has to go back to."""
    return box.state / "release.json"


def change(old: Box, new: Box) -> Any:
    """Fetch everything first, then switch; go back where the new release does not become ready in time."""
    limit, began = new.spec["limits"]["ready_s"], time.monotonic()
    with within(f"fetching what {new.digest} needs", limit):
        take_over()
        packages.packages(new)
        download.install(new, "ollama", new.spec["ollama"]["archive"])
        download.install(new, "caddy", new.spec["caddy"])
        services.image(new)
        services.readable(new)
    digests = [box.spec["open_webui"]["image"]["digest"] for box in (old, new)]
    backup = new.data / f"backups/before-{new.digest}.db" if digests[0] != digests[1] else None
    if backup:
        backup.unlink(missing_ok=True)  # of an earlier attempt
    write(journal(new), json.dumps({"from": old.digest, "backup": str(backup or "")}))
    try:
        with within(f"release {new.digest} (release.timeoutMinutes)", max(60, limit - int(time.monotonic() - began))):
            install(new)
            result = converge(new, backup)
    except Exception as error:  # whatever it is: people get back what served
        reason, unit = told(error), getattr(error, "unit", "")
        if isinstance(error, LateError):
            cut_short()
        say(f"release {new.digest} failed, going back to {old.digest}: {reason.splitlines()[0]}")
        try:
            go_back(old, backup)
        except (StepError, TransientError, OSError) as second:
            raise StepError(f"{reason}\nAND the release before it does not come back: {second}", unit) from error
        tidy(*(box for box in releases(old) if box.digest not in (old.digest, new.digest)), old)
        raise StepError(f"{reason}\nRelease {old.digest} serves again.", unit) from error
    journal(new).unlink()
    tidy(old, new)
    return result


def busy(*names: str) -> list[str]:
    return units.service(*(name for name, unit in units.states(*names).items() if unit.get("Job")))


def take_over() -> None:
    """A boot may be under way. What works on the machine itself comes to its end, all else is the new release's."""
    if waited := busy("packages", "disk"):
        succeeds("systemctl", "start", *waited)
    cut_short()


def cut_short() -> None:
    """Stop what still runs for a release that is given up. What it has fetched stays: the next one goes on there."""
    if running := busy(*units.STEPS, "ready"):
        run("systemctl", "stop", *running, timeout=120)


def go_back(old: Box, backup: Path | None) -> None:
    """To what served: its database, its units, its programs; by its own code."""
    if backup and backup.exists():
        database.order_put_back(old, backup)
        run("systemctl", "stop", *units.service("open-webui"), timeout=120)
        database.obey(old)
    run(old.release / "open-webui-box", "converge", timeout=86400)
    journal(old).unlink()


def interrupted(box: Box, what: str) -> tuple[Box, Path | None] | None:
    """What a change that did not end has to go back to: the release, and the copy of its database."""
    found = noted(journal(box))
    if not found:
        return None
    say(f"{what}: back to {found['from']}")
    return Box(box.release.with_name(found["from"]), box.root), Path(found["backup"]) if found["backup"] else None


def finish(box: Box) -> None:
    """A release that died without a reboot (killed, out of memory) has left its journal: go back for it."""
    if found := interrupted(box, "the release before was cut off"):
        try:
            go_back(*found)
        except (TransientError, OSError) as error:
            say(f"{found[0].digest} does not come back: {error}")  # what is released now may
            journal(box).unlink()


def recover(box: Box) -> None:
    """After a boot in the middle of a change: back to the release that served."""
    if found := interrupted(box, "a release was interrupted"):
        old, backup = found
        install(old)
        if backup:
            database.order_put_back(box, backup)
        journal(box).unlink()


def releases(box: Box) -> list[Box]:
    """All that are unpacked here."""
    return [Box(path.parent, box.root) for path in (box.home / "releases").glob("[!.]*/box.json")]


def tidy(*kept: Box) -> None:
    """Only what serves, the last one here, and what served before stay: releases, programs, images, database copies."""
    box = kept[-1]
    names = {box.digest for box in kept}
    used = {box.program(name) for box in kept for name in ("ollama", "caddy")}
    images = {services.local_image(box) for box in releases(box)} - {services.local_image(box) for box in kept}
    for folder in (box.home / "releases").iterdir():
        if folder.name not in names:
            shutil.rmtree(folder)
    for folder in (box.home / "programs").iterdir():
        if folder not in used:
            shutil.rmtree(folder)
    copies = sorted((box.data / "backups").glob("before-*.db"), key=lambda path: path.stat().st_mtime)
    for path in copies[: -box.spec["limits"]["keep_releases"]]:
        path.unlink()
    for image in images - {""}:
        succeeds("docker", "image", "rm", "--force", image)  # refused while a container uses it


def release(box: Box) -> Any:
    """What the Cloud Assistant command runs: the gate of the first boot, and every later change."""
    with alone(box, INSTALL_S):
        finish(box)
        served = current(box)
        if served is not None and served.release != box.release:
            result = change(served, box)
        else:
            install(box)
            with within(f"release {box.digest}", box.spec["limits"]["ready_s"] + LATE_S):
                if report(box).get("release") != box.digest:  # not yet judged since the machine's start: it is starting
                    start()
                    result = prove(box)
                else:
                    result = converge(box)
        models.prune(box)
        return result
