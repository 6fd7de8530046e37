"""One sandbox as a person uses it: the real engine runs the real program, and the region makes it so."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from sandbox.engine import REPOSITORY, Engine, EngineError
from sandbox.hardware import HardwareError
from sandbox.lifecycle import STATE, leftovers, remove
from sandbox.parts import Parts
from sandbox.provider.cloud import Cloud
from sandbox.provider.server import serve
from sandbox.provider.storage import take_snapshot
from sandbox.region import Region

NAMESPACE = "open-webui"
STATUS_S = 20


@dataclass(frozen=True, kw_only=True)
class Session:
    """A region with machines, and the stack in it. The stack's state lies in the region's directory."""

    name: str
    region: Region
    engine: Engine
    printed: list[str] = field(default_factory=list)  # what commands on machines printed, each after its exit status

    @property
    def instance_id(self) -> str | None:
        """The machine; None before there is one."""
        machines = self.region.machines()
        return machines[0].instance_id if machines else None

    def status(self) -> dict[str, Any]:
        """What the box says of itself (`open-webui-box status --json`); empty while it cannot answer."""
        return {} if self.instance_id is None else box_status(self.region, self.instance_id)


def box_status(region: Region, instance_id: str) -> dict[str, Any]:
    """`open-webui-box status --json` of a machine; empty while it cannot answer."""
    command = b"#!/bin/sh\nexec open-webui-box status --json\n"
    try:
        status: dict[str, Any] = json.loads(region.run_command(instance_id, command, STATUS_S).output)
    except (HardwareError, ValueError):
        return {}
    return status


def pending(status: Mapping[str, Any]) -> list[str]:
    """The units of the box that are not done."""
    return [name for name, unit in status.get("units", {}).items() if unit["ActiveState"] != "active"]


def snapshot(name: str, region: Region, disk_id: str) -> str:
    """Take a snapshot of a disk; its id, for `dataDisk.snapshotId`."""
    return take_snapshot(Cloud(directory=directory(name) / "cloud", hardware=region), disk_id)


def directory(name: str) -> Path:
    """Everything of one sandbox."""
    return STATE / name


def exists(name: str) -> bool:
    """Whether anything of the sandbox is on this host."""
    return bool(leftovers(name))


@contextmanager
def opened(
    name: str, parts: Parts, cli: Path, *, stack: str = "sandbox", config: Mapping[str, object] | None = None
) -> Iterator[Session]:
    """The sandbox as it was left, or a new one. `config` replaces whole keys of the stack file."""
    region_id = _region_id(stack)
    region = Region.open(name, parts)
    printed: list[str] = []
    cloud = Cloud(directory=directory(name) / "cloud", hardware=region, region_id=region_id, report=printed.append)
    with serve(cloud) as port:
        engine = Engine(
            cli=cli,
            stack=stack,
            state_dir=directory(name) / "engine",
            provider_port=port,
            config={**built_parts(parts, stack), **(config or {})},
            secret_config=made_up_secrets(stack),
        )
        yield Session(name=name, region=region, engine=engine, printed=printed)


def built_parts(parts: Parts, stack: str) -> dict[str, object]:
    """The stack file's sections that name what was built here, with its digests."""
    committed = _config(stack)

    def section(key: str, **values: object) -> tuple[str, object]:
        return f"{NAMESPACE}:{key}", {**committed.get(f"{NAMESPACE}:{key}", {}), **values}

    return dict(
        (
            section("ollama", version=parts.ollama.version, sha256=parts.ollama.sha256),
            section("caddy", version=parts.caddy.version, sha256=parts.caddy.sha256),
            section("openWebui", image=f"{parts.image.reference}@{parts.image.digest}"),
        )
    )


def made_up_secrets(stack: str) -> dict[str, str]:
    """A value for each encrypted key of the stack file, which is encrypted for nobody."""
    masked = [key for key, value in _config(stack).items() if isinstance(value, dict) and set(value) == {"secure"}]
    return {key: f"sandbox-{key.rpartition(':')[2]}" for key in masked}


def down(name: str) -> None:
    """Take everything away, whatever state it is in. Root only."""
    remove(name)


def _config(stack: str) -> dict[str, Any]:
    file = REPOSITORY / f"Pulumi.{stack}.yaml"
    if not file.exists():
        there = sorted(path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml"))
        raise EngineError(f"no stack {stack!r}: {file} does not exist; there are {', '.join(there)}")
    config: dict[str, Any] = yaml.safe_load(file.read_text())["config"]
    return config


def _region_id(stack: str) -> str:
    return str(_config(stack)["alicloud:region"])
