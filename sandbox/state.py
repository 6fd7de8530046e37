"""What a sandbox remembers: plain files under its state directory, found again by any later process.

Each object has a file of its own and one writer at a time; files are replaced, never rewritten in place, so a
reader (the services, which outlive `pulumi up`) never sees half of one.
"""

import os
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Protocol, Self, TypeVar

from pydantic import BaseModel, ConfigDict

from sandbox.hardware import IngressRule, MachineSpec


class Record(BaseModel):
    """A frozen value that is stored as one JSON file."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ReleaseArchive(Protocol):
    """A release archive as `sandbox.parts` built it."""

    @property
    def path(self) -> Path: ...
    @property
    def version(self) -> str: ...


class RegionParts(Protocol):
    """Those of the parts (`sandbox.parts.Parts`) that a region serves or boots."""

    @property
    def root(self) -> Path: ...
    @property
    def apt_archives(self) -> Path: ...
    @property
    def ollama(self) -> ReleaseArchive: ...
    @property
    def caddy(self) -> ReleaseArchive: ...
    @property
    def registry_storage(self) -> Path: ...
    @property
    def registry(self) -> Path: ...
    @property
    def pebble(self) -> Path: ...


class Release(Record):
    """A release archive and the version it is offered as."""

    path: Path
    version: str


class Sources(Record):
    """Where the parts lie: what later processes need of `RegionParts`."""

    root: Path
    apt_archives: Path
    ollama: Release
    caddy: Release
    registry_storage: Path
    registry: Path
    pebble: Path

    @classmethod
    def of(cls, parts: RegionParts) -> Self:
        """The paths of `parts`."""
        return cls(
            root=parts.root,
            apt_archives=parts.apt_archives,
            ollama=Release(path=parts.ollama.path, version=parts.ollama.version),
            caddy=Release(path=parts.caddy.path, version=parts.caddy.version),
            registry_storage=parts.registry_storage,
            registry=parts.registry,
            pebble=parts.pebble,
        )


class RegionRecord(Record):
    """One sandbox. `index` (0..15) chooses its address ranges, see `sandbox.network`."""

    name: str
    index: int
    sources: Sources


class Machine(Record):
    """An instance as it was asked for, and what the network does for it."""

    instance_id: str
    hostname: str
    region_id: str
    zone_id: str
    instance_type: str
    image_id: str
    private_ip: str
    mac: str
    ingress: tuple[IngressRule, ...] = ()
    outbound: bool = True  # False: nothing outside the region's own network answers
    download_mbps: float | None = None  # None: unshaped

    @classmethod
    def of(cls, spec: MachineSpec) -> Self:
        """The record of a new instance. The address is locally administered and derived from the id."""
        digest = sha256(spec.instance_id.encode()).digest()
        return cls(
            instance_id=spec.instance_id,
            hostname=spec.hostname,
            region_id=spec.region_id,
            zone_id=spec.zone_id,
            instance_type=spec.instance_type,
            image_id=spec.image_id,
            private_ip=spec.private_ip,
            mac="02:" + digest[:5].hex(":"),
        )


class Disk(Record):
    """A data disk; `instance_id` is where it is attached."""

    disk_id: str
    size_gib: int
    instance_id: str | None = None


class Address(Record):
    """An elastic IP and the instance that it leads to."""

    address: str
    instance_id: str


class Role(Record):
    """The RAM role of an instance; `policy` is its policy document, JSON."""

    role_name: str
    policy: str


class Secret(Record):
    """An OOS secret parameter, in clear: readable by root only."""

    name: str
    value: str
    version: int


R = TypeVar("R", bound=Record)


def write(path: Path, record: BaseModel) -> None:
    """Replace `path` by `record`, readable by the owner only."""
    write_bytes(path, record.model_dump_json(indent=1).encode())


def write_bytes(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace `path` in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(handle, "wb") as file:
        file.write(content)
    Path(temporary).chmod(mode)
    Path(temporary).replace(path)


def read(path: Path, kind: type[R]) -> R | None:
    """The record in `path`; None where there is none."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    return kind.model_validate_json(content)


class Layout:
    """Where everything of one sandbox lies."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.region = directory / "region.json"
        self.authority = directory / "authority"
        self.acme = directory / "acme"
        self.acme_root = directory / "acme" / "root.pem"
        self.machines = directory / "machines"
        self.disks = directory / "disks"
        self.releases = directory / "releases"  # OWNER/REPOSITORY/VERSION/FILE, beside those of the parts
        self.faults = directory / "faults.json"
        self.inject = directory / "inject"  # a tree that is copied onto every new system disk
        self.log = directory / "log"
        self.services = directory / "services.json"
        self.lock = directory / "lock"

    def machine(self, instance_id: str) -> Path:
        return self.machines / instance_id

    def disk_image(self, disk_id: str) -> Path:
        return self.disks / f"{disk_id}.img"


class Store(Layout):
    """The records of one sandbox."""

    def read_region(self) -> RegionRecord | None:
        return read(self.region, RegionRecord)

    def read_machine(self, instance_id: str) -> Machine | None:
        return read(self.machine(instance_id) / "machine.json", Machine)

    def write_machine(self, machine: Machine) -> None:
        write(self.machine(machine.instance_id) / "machine.json", machine)

    def all_machines(self) -> list[Machine]:
        return list(_all(self.machines, "*/machine.json", Machine))

    def read_role(self, instance_id: str) -> Role | None:
        return read(self.machine(instance_id) / "role.json", Role)

    def write_role(self, instance_id: str, role: Role | None) -> None:
        path = self.machine(instance_id) / "role.json"
        if role is None:
            path.unlink(missing_ok=True)
        else:
            write(path, role)

    def user_data(self, instance_id: str) -> Path:
        return self.machine(instance_id) / "user-data"

    def read_disk(self, disk_id: str) -> Disk | None:
        return read(self.disks / f"{disk_id}.json", Disk)

    def write_disk(self, disk: Disk) -> None:
        write(self.disks / f"{disk.disk_id}.json", disk)

    def delete_disk(self, disk_id: str) -> None:
        self.disk_image(disk_id).unlink(missing_ok=True)
        (self.disks / f"{disk_id}.json").unlink(missing_ok=True)

    def disks_of(self, instance_id: str) -> list[Disk]:
        return [disk for disk in _all(self.disks, "*.json", Disk) if disk.instance_id == instance_id]

    def all_addresses(self) -> list[Address]:
        return list(_all(self.directory / "addresses", "*.json", Address))

    def write_address(self, address: Address) -> None:
        write(self._address(address.address), address)

    def delete_address(self, address: str) -> None:
        self._address(address).unlink(missing_ok=True)

    def read_secret(self, name: str) -> Secret | None:
        return read(self._secret(name), Secret)

    def write_secret(self, secret: Secret) -> None:
        write(self._secret(secret.name), secret)

    def delete_secret(self, name: str) -> None:
        self._secret(name).unlink(missing_ok=True)

    def _address(self, address: str) -> Path:
        return self.directory / "addresses" / f"{address}.json"

    def _secret(self, name: str) -> Path:
        # Names hold slashes, so they are no file names.
        return self.directory / "secrets" / f"{sha256(name.encode()).hexdigest()}.json"


def _all(directory: Path, pattern: str, kind: type[R]) -> Iterator[R]:
    for path in sorted(directory.glob(pattern)):
        record = read(path, kind)
        if record is not None:  # deleted meanwhile
            yield record
