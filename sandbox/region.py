"""One sandbox: a region with its machines, disks, addresses, roles and secrets, on this host.

Everything is found again from the files of its state directory, so any process may open it; `down` takes all of it
away, also what a crash left half done.
"""

import fcntl
import re
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from sandbox import checkpoint, disks, guest, machine, network
from sandbox.hardware import CommandResult, HardwareError, IngressRule, MachineSpec
from sandbox.lifecycle import (
    STATE,
    demand_root,
    keep_machines_in_memory,
    refuse_other_parts,
    remove,
    start_services,
)
from sandbox.process import await_condition
from sandbox.services import policy as ram_policy
from sandbox.services.faults import FAULTS, Fault
from sandbox.state import (
    Address,
    Disk,
    Machine,
    RegionParts,
    RegionRecord,
    ReleaseArchive,
    Role,
    Secret,
    Sources,
    Store,
    write,
    write_bytes,
)

NAME = re.compile(r"[a-z][a-z0-9]{0,11}")


@dataclass(frozen=True)
class MachineStatus:
    """A machine as `Region.machines` lists it."""

    instance_id: str
    running: bool
    private_ip: str
    addresses: tuple[str, ...]
    disk_ids: tuple[str, ...]


class Region:
    """The machines behind the provider: implements `sandbox.hardware.Hardware`."""

    def __init__(self, store: Store, record: RegionRecord) -> None:
        self._store = store
        self._record = record
        self.interrupted = threading.Event()

    @classmethod
    def open(cls, name: str, parts: RegionParts, state_dir: Path | None = None) -> "Region":
        """The sandbox `name`: as it was left, or a new one. Its services run when this returns. Root only."""
        demand_root()
        if not NAME.fullmatch(name):
            raise HardwareError(f"sandbox name {name!r}: expected {NAME.pattern}")
        store = Store(state_dir or STATE / name)
        store.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        return cls._started(store, name, Sources.of(parts))

    @classmethod
    def found(cls, name: str) -> "Region":
        """The sandbox `name` as it was left, of the parts that it was made of: nothing is built. Root only."""
        demand_root()
        store = Store(STATE / name)
        record = store.read_region()
        if record is None:
            raise HardwareError(f"only a part of sandbox {name} is there: take it down")
        return cls._started(store, name, record.sources)

    @classmethod
    def _started(cls, store: Store, name: str, sources: Sources) -> "Region":
        with _locked(store):
            index = network.slot_of(name)
            record = RegionRecord(
                name=name, index=network.claim_slot(name) if index is None else index, sources=sources
            )
            refuse_other_parts(store, record)
            write(store.region, record)
            keep_machines_in_memory(store)
            network.create_region(name, record.index)
            start_services(store, name)
        region = cls(store, record)
        region._apply_rules()
        return region

    @property
    def ca_file(self) -> Path:
        """What a client on the host must trust: the root of the ACME certificates, PEM."""
        return self._store.acme_root

    @property
    def log_directory(self) -> Path:
        """front.jsonl (every request to the outside world), names.jsonl, metrics.jsonl, logs of the servers."""
        return self._store.log

    @property
    def inject(self) -> Path:
        """A tree that is copied onto every new system disk, for instance a stand-in `nvidia-smi`."""
        return self._store.inject

    def addresses(self) -> Sequence[str]:
        return network.Ranges(self._record.index).elastic

    def machines(self) -> list[MachineStatus]:
        """All machines, running or not."""
        addresses = self._store.all_addresses()
        return [
            MachineStatus(
                instance_id=known.instance_id,
                running=machine.is_on(self._store, known.instance_id),
                private_ip=known.private_ip,
                addresses=tuple(a.address for a in addresses if a.instance_id == known.instance_id),
                disk_ids=tuple(disk.disk_id for disk in self._store.disks_of(known.instance_id)),
            )
            for known in self._store.all_machines()
        ]

    def logs(self, instance_id: str, lines: int = 200) -> str:
        """The end of the machine's journal, also when it is off; its console where there is no journal."""
        self._machine(instance_id)
        console = self._store.machine(instance_id) / "console.log"
        found = guest.journal(self._store, instance_id, lines)
        return found or "\n".join(console.read_text(errors="replace").splitlines()[-lines:])

    def shell(self, instance_id: str) -> int:
        """An interactive shell on the machine; its exit status."""
        return guest.shell(self._store, instance_id)

    # Machines

    def create_machine(self, spec: MachineSpec) -> None:
        if self._store.read_machine(spec.instance_id) is not None:
            raise HardwareError(f"{spec.instance_id} exists already")
        taken = {known.private_ip: known.instance_id for known in self._store.all_machines()}
        if spec.private_ip in taken:
            raise HardwareError(f"{spec.instance_id}: {spec.private_ip} is the address of {taken[spec.private_ip]}")
        self._new_system_disk(spec, Machine.of(spec))
        self.start_machine(spec.instance_id)

    def start_machine(self, instance_id: str) -> None:
        known = self._machine(instance_id)
        if machine.is_on(self._store, instance_id):
            return
        network.plug_in(self._record.name, known)
        network.shape(self._record.name, known)
        self._apply_rules()
        machine.power_on(self._store, self._record, instance_id)

    def stop_machine(self, instance_id: str) -> None:
        self._machine(instance_id)
        machine.power_off(self._store, self._record, instance_id)

    def is_running(self, instance_id: str) -> bool:
        return machine.is_on(self._store, instance_id)

    def reboot_machine(self, instance_id: str) -> None:
        """Restart it cleanly; returns when it boots again."""
        self._machine(instance_id)
        machine.reboot(self._store, instance_id)

    def kill_machine(self, instance_id: str) -> None:
        """Take its power away in the middle of whatever it does. It stays off until `start_machine`."""
        self._machine(instance_id)
        machine.hard_kill(self._record, instance_id)

    def replace_system_disk(self, spec: MachineSpec) -> None:
        known = self._machine(spec.instance_id)
        if machine.is_on(self._store, spec.instance_id):
            raise HardwareError(f"{spec.instance_id} is running: its system disk can be replaced only when stopped")
        asked = Machine.of(spec)
        self._new_system_disk(spec, asked.model_copy(update={"ingress": known.ingress}))

    def delete_machine(self, instance_id: str) -> None:
        self._machine(instance_id)
        machine.hard_kill(self._record, instance_id)
        for disk in self._store.disks_of(instance_id):
            self.detach_disk(disk.disk_id, instance_id)
        for address in self._store.all_addresses():
            if address.instance_id == instance_id:
                self._store.delete_address(address.address)
        network.unplug(self._record.name, instance_id)
        shutil.rmtree(self._store.machine(instance_id))
        self._apply_rules()

    def set_ingress(self, instance_id: str, rules: Sequence[IngressRule]) -> None:
        network.validate_ingress(rules)
        self._change_network(instance_id, ingress=tuple(rules))

    def set_outbound(self, instance_id: str, allowed: bool) -> None:
        """Cut the machine off from the outside world (metadata and name service stay), or reconnect it."""
        self._change_network(instance_id, outbound=allowed)

    def set_download_rate(self, instance_id: str, mbps: float | None) -> None:
        """Limit what the machine can download, in Mbit/s; None: no limit."""
        self._change_network(instance_id, download_mbps=mbps)
        network.shape(self._record.name, self._machine(instance_id))

    def set_faults(self, faults: Sequence[Fault]) -> None:
        """What goes wrong from now on in the outside world, instead of what went wrong so far."""
        write_bytes(self._store.faults, FAULTS.dump_json(tuple(faults)))

    def offer(self, repository: str, release: ReleaseArchive) -> None:
        """Put a further release on a release page: `repository` is as on GitHub, OWNER/NAME."""
        page = self._store.releases / repository / release.version
        page.mkdir(parents=True, exist_ok=True)
        shutil.copy(release.path, page)

    def save(self, label: str) -> None:
        """Keep the state of all machines and disks under `label`; the machines must be off."""
        checkpoint.save(self._store, label)

    def restore(self, label: str) -> None:
        """Go back to the state kept under `label`; the machines must be off."""
        checkpoint.restore(self._store, label)
        self._apply_rules()

    # Disks

    def create_disk(self, disk_id: str, size_gib: int, snapshot: Path | None = None) -> None:
        if self._store.read_disk(disk_id) is not None:
            raise HardwareError(f"{disk_id} exists already")
        disks.create(self._store.disk_image(disk_id), size_gib, snapshot)
        self._store.write_disk(Disk(disk_id=disk_id, size_gib=size_gib))

    def resize_disk(self, disk_id: str, size_gib: int) -> None:
        disk = self._disk(disk_id)
        disks.grow(self._store.disk_image(disk_id), size_gib)
        self._store.write_disk(disk.model_copy(update={"size_gib": size_gib}))

    def snapshot_disk(self, disk_id: str, target: Path) -> None:
        """Copy the disk's content of one moment to `target`, from which `create_disk` can make another."""
        disk, image = self._disk(disk_id), self._store.disk_image(disk_id)
        with guest.held_still(self._store, disk.instance_id, disks.loop_of(image)):
            disks.copy_content(image, target)

    def delete_disk(self, disk_id: str) -> None:
        disk = self._disk(disk_id)
        if disk.instance_id is not None:
            raise HardwareError(f"{disk_id} is attached to {disk.instance_id}: detach it first")
        self._store.delete_disk(disk_id)

    def attach_disk(self, disk_id: str, instance_id: str) -> None:
        disk = self._disk(disk_id)
        self._machine(instance_id)
        if disk.instance_id not in {None, instance_id}:
            raise HardwareError(f"{disk_id} is attached to {disk.instance_id}: a disk has one machine at a time")
        image = self._store.disk_image(disk_id)
        if disk.instance_id is None and not await_condition(lambda: disks.loop_of(image) is None, 30.0):
            raise HardwareError(f"{disk_id}: the machine that had it still has it mounted; stop that machine first")
        self._store.write_disk(disk.model_copy(update={"instance_id": instance_id}))
        guest.plug(self._store, instance_id, disks.connect(image))

    def detach_disk(self, disk_id: str, instance_id: str) -> None:
        disk = self._disk(disk_id)
        if disk.instance_id != instance_id:
            raise HardwareError(f"{disk_id} is not attached to {instance_id}")
        device = disks.loop_of(self._store.disk_image(disk_id))
        self._store.write_disk(disk.model_copy(update={"instance_id": None}))
        if device is not None:
            guest.unplug(self._store, instance_id, device)
            disks.disconnect(device)

    # Addresses

    def associate_address(self, address: str, instance_id: str) -> None:
        self._machine(instance_id)
        if address not in self.addresses():
            raise HardwareError(f"{address}: not an address of this sandbox, which has {', '.join(self.addresses())}")
        for known in self._store.all_addresses():
            if known.address == address and known.instance_id != instance_id:
                raise HardwareError(f"{address} is associated with {known.instance_id}")
            if known.instance_id == instance_id and known.address != address:
                raise HardwareError(f"{instance_id} has {known.address} already")
        self._store.write_address(Address(address=str(IPv4Address(address)), instance_id=instance_id))
        self._apply_rules()

    def dissociate_address(self, address: str, instance_id: str) -> None:
        if Address(address=address, instance_id=instance_id) not in self._store.all_addresses():
            raise HardwareError(f"{address} is not associated with {instance_id}")
        self._store.delete_address(address)
        self._apply_rules()

    # Roles, secrets, commands

    def attach_role(self, role_name: str, policy: str, instance_id: str) -> None:
        self._machine(instance_id)
        try:
            ram_policy.parse(policy)
        except ValueError as error:
            raise HardwareError(f"policy of role {role_name}: {error}") from error
        self._store.write_role(instance_id, Role(role_name=role_name, policy=policy))

    def detach_role(self, instance_id: str) -> None:
        self._machine(instance_id)
        self._store.write_role(instance_id, None)

    def put_secret(self, name: str, value: str) -> None:
        known = self._store.read_secret(name)
        self._store.write_secret(Secret(name=name, value=value, version=known.version + 1 if known else 1))

    def delete_secret(self, name: str) -> None:
        self._store.delete_secret(name)

    def run_command(self, instance_id: str, content: bytes, timeout_s: int) -> CommandResult:
        self._machine(instance_id)
        return guest.run_command(self._store, instance_id, content, timeout_s, self.interrupted)

    def down(self) -> None:
        """Take the whole sandbox away, disks included."""
        remove(self._record.name, self._store.directory)

    def _machine(self, instance_id: str) -> Machine:
        known = self._store.read_machine(instance_id)
        if known is None:
            raise HardwareError(f"{instance_id}: no such instance in sandbox {self._record.name}")
        return known

    def _disk(self, disk_id: str) -> Disk:
        known = self._store.read_disk(disk_id)
        if known is None:
            raise HardwareError(f"{disk_id}: no such disk in sandbox {self._record.name}")
        return known

    def _new_system_disk(self, spec: MachineSpec, record: Machine) -> None:
        write_bytes(self._store.user_data(spec.instance_id), spec.user_data)
        self._store.write_machine(record)
        machine.new_system_disk(self._store, self._record, record)

    def _change_network(self, instance_id: str, **changes: object) -> None:
        with _locked(self._store):
            self._store.write_machine(self._machine(instance_id).model_copy(update=changes))
        self._apply_rules()

    def _apply_rules(self) -> None:
        network.apply_rules(self._record.name, self._store)


@contextmanager
def _locked(store: Store) -> Iterator[None]:
    with store.lock.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
