"""What the provider asks of the machines behind it; `None` in its place means "state only"."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, kw_only=True)
class CommandResult:
    """How a Cloud Assistant command ended: exit status and what it printed, stdout and stderr in order."""

    exit_code: int
    output: str


@dataclass(frozen=True, kw_only=True)
class MachineSpec:
    """One ECS instance as `RunInstances` was asked for it. `user_data` is decoded, as cloud-init reads it."""

    instance_id: str
    hostname: str
    region_id: str
    zone_id: str
    instance_type: str
    image_id: str
    private_ip: str
    user_data: bytes


@dataclass(frozen=True, kw_only=True)
class IngressRule:
    """Traffic that a security group lets in. `protocol` is tcp, udp, icmp or all; `ports`, both inclusive, count
    for tcp and udp only; `cidr` is the source.
    """

    protocol: str
    ports: tuple[int, int]
    cidr: str


class Hardware(Protocol):
    """The side effects behind the provider's resources. Each call returns when the effect is there, or raises
    `HardwareError` with a reason that a person can act on. Ids are the provider's (`i-…`, `d-…`).
    """

    @property
    def interrupted(self) -> threading.Event: ...  # while it is set, no command is waited for

    # The elastic IPs that this sandbox may hand out: no other sandbox on the host has them.
    def addresses(self) -> Sequence[str]: ...
    def create_machine(self, spec: MachineSpec) -> None: ...  # created and powered on
    def start_machine(self, instance_id: str) -> None: ...
    def stop_machine(self, instance_id: str) -> None: ...  # clean shutdown, hard after a deadline
    def replace_system_disk(self, spec: MachineSpec) -> None: ...  # of a stopped machine; data disks stay
    def is_running(self, instance_id: str) -> bool: ...  # also in the middle of a reboot
    def delete_machine(self, instance_id: str) -> None: ...
    # All that the instance's security groups allow in, every time they change; until then nothing gets in.
    def set_ingress(self, instance_id: str, rules: Sequence[IngressRule]) -> None: ...
    def create_disk(self, disk_id: str, size_gib: int, snapshot: Path | None = None) -> None: ...
    def snapshot_disk(self, disk_id: str, target: Path) -> None: ...  # its content of one moment, also while in use
    def resize_disk(self, disk_id: str, size_gib: int) -> None: ...  # online
    def delete_disk(self, disk_id: str) -> None: ...
    def attach_disk(self, disk_id: str, instance_id: str) -> None: ...  # hot-plug
    def detach_disk(self, disk_id: str, instance_id: str) -> None: ...
    def associate_address(self, address: str, instance_id: str) -> None: ...
    def dissociate_address(self, address: str, instance_id: str) -> None: ...
    # Credentials of the role appear in the instance's metadata.
    def attach_role(self, role_name: str, policy: str, instance_id: str) -> None: ...
    def detach_role(self, instance_id: str) -> None: ...
    def put_secret(self, name: str, value: str) -> None: ...  # OOS secret parameter, create or change
    def delete_secret(self, name: str) -> None: ...
    def run_command(self, instance_id: str, content: bytes, timeout_s: int) -> CommandResult: ...


class HardwareError(Exception):
    """A side effect failed; the message says which, why, and what to look at."""
