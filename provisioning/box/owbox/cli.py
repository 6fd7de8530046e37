"""The box's commands: `step`, `exec` and `wait` are systemd's, `release` Cloud Assistant's, `status` is for people."""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from owbox import cloud, database, disk, download, models, network, packages, ready, release, services, units, watch
from owbox.base import Box, StepError, TransientError, say, told, write


def secrets(box: Box) -> None:
    """Every secret of the spec, from the parameter store to one file in tmpfs that only root reads."""
    names = box.spec["secrets"]
    groups = {
        group: {key: cloud.wait_for_parameter(box, name) for key, name in names[group].items()}
        for group in ("backend_keys", "environment")
    }
    values = {"admin_password": cloud.wait_for_parameter(box, names["admin_password"]), **groups}
    write(box.run / "secrets.json", json.dumps(values), 0o600)


def install_caddy(box: Box) -> None:
    download.install(box, "caddy", box.spec["caddy"])
    write(box.run / "caddy.json", json.dumps(services.caddy_configuration(box), indent=1))


STEPS: dict[str, Callable[[Box], None]] = {
    "packages": packages.packages,
    "disk": disk.disk,
    "secrets": secrets,
    "network": network.network,
    "address": network.address,
    "gpu": packages.gpu,
    "fetch-ollama": lambda box: void(download.fetch(box, "ollama", box.spec["ollama"]["archive"])),
    "install-ollama": lambda box: download.install(box, "ollama", box.spec["ollama"]["archive"]),
    "install-caddy": install_caddy,
    "image": services.image,
    "models": models.models,
    "ready": ready.ready,
}


def void(_: object) -> None:
    """A step's result is what it leaves behind."""


def step(box: Box, name: str) -> None:
    """Run a step and leave a record of it, for the gate and for `status`."""
    record = {"digest": box.digest, "start": time.monotonic(), "ok": False}
    try:
        STEPS[name](box)
        record["ok"] = True
    except Exception as error:
        record["error"] = told(error)
        raise StepError(told(error)) from error
    finally:
        write(box.run / f"steps/{name}.json", json.dumps({**record, "end": time.monotonic()}))


def boot(box: Box) -> None:
    release.recover(box)
    release.start()


def install(box: Box) -> None:
    """What user-data runs. A release that was faster than cloud-init, or has come since, stays."""
    try:
        with release.alone(box):
            if release.current(box) in (None, box):
                release.install(box)
                release.start()
            else:
                say(f"another release is here: {box.digest} is not installed")
    except StepError as error:
        say(f"{error}: {box.digest} is not installed")


def status(box: Box, form: str = "") -> None:
    """Each unit's state, then the gate's last word."""
    seen, found = units.states(), release.report(box)
    if form == "--json":
        print(json.dumps({"units": seen, "ready": found}, indent=1))
        return
    print(f"release {box.digest}")
    for name, unit in seen.items():
        last = units.record(box, name)
        done = "done" if last.get("ok") else unit["ActiveState"]
        state = unit["ActiveState"] if name in units.SERVICES or unit.get("Job") else done
        took = found.get("steps", {}).get(name, {}).get("seconds", "")
        print(f"  {name:15} {state:12} {took:>8} {last.get('error', '')}")
    if not found:
        print("not ready yet")
    elif found.get("ok"):
        speed, cert = found["tokensPerSecond"], found["certificate"]
        print(f"ready since {found['at']}: {found['address']}, {found['model']} at {speed} tokens/s")
        print(f"certificate of {cert['issuer']} until {cert['notAfter']}", cert.get("warning", ""))
        print(f"GPU: {found['gpu']}")
    else:
        print(f"NOT READY ({found['at']}): {found['reason']}", *found["log"], sep="\n")


def converge(box: Box) -> None:
    release.install(box)
    tell(release.converge(box))


def tell(result: dict[str, object]) -> None:
    say(json.dumps(result, indent=1))


def main(here: Path, argv: list[str]) -> int:
    box, (command, *arguments) = Box(here), argv or ["status"]
    commands: dict[str, Callable[..., None]] = {
        "install": install,
        "boot": boot,
        "step": step,
        "exec": services.become,
        "wait": services.wait,
        "status": status,
        "watch": watch.watch,
        "back-up": lambda box: database.back_up(box, box.data / "backups/hourly.db"),
        "release": lambda box: tell(release.release(box)),
        "converge": converge,
    }
    if command not in commands:
        print(f"unknown command {command}; known: {', '.join(commands)}", file=sys.stderr)
        return 2
    os.environ["PATH"] = packages.QUIET["PATH"]
    try:
        commands[command](box, *arguments)
    except (StepError, TransientError) as error:
        print(f"{' '.join(argv)}: {error}", file=sys.stderr)
        return units.exit_status(error)
    return 0
