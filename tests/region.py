"""The sandbox's region for tests: without an engine, resource by resource; and with one, on state only."""

import base64
import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sandbox.hardware import CommandResult, HardwareError, IngressRule, MachineSpec
from sandbox.provider import address, identity, instance, network, operations, storage
from sandbox.provider.checks import check
from sandbox.provider.cloud import Cloud
from sandbox.provider.diff import changed
from sandbox.provider.kind import Change, Kind
from sandbox.provider.server import KINDS
from sandbox.provider.values import Props

ZONE = "ap-southeast-1c"
GPU_IMAGE = "ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260519.vhd"
TRUST = json.dumps({"Statement": [{"Action": "sts:AssumeRole", "Principal": {"Service": ["ecs.aliyuncs.com"]}}]})
POLICY = json.dumps({"Version": "1", "Statement": [{"Effect": "Allow", "Action": ["oos:Get*"], "Resource": ["*"]}]})
SCRIPT = base64.b64encode(b"#!/bin/sh\nexit 0\n").decode()


class RefusedError(Exception):
    """Check refused the inputs; what a preview would say."""


class Region:
    """One region, driven as the engine would drive it: Check, Diff, then the change."""

    def __init__(self, directory: Path, hardware: "RecordingHardware | None" = None) -> None:
        self.cloud = Cloud(directory=directory, hardware=hardware, region_id="ap-southeast-1")
        self._states: dict[tuple[str, str], tuple[Props, Props]] = {}

    def make(self, token: str, **props: Any) -> str:
        """Create a resource; what it was made of is remembered, as the engine's state does."""
        refusals = check(token, props)
        if refusals:
            raise RefusedError("; ".join(f"{refusal.property}: {refusal.reason}" for refusal in refusals))
        id_ = KINDS[token].create(self.cloud, props)
        self._states[token, id_] = (props, self.outputs(token, id_))
        return id_

    def change(self, token: str, id_: str, **props: Any) -> frozenset[str]:
        """Update with these inputs changed (None: no longer given); returns which properties differed."""
        old, state = self._states[token, id_]
        new = {key: value for key, value in {**old, **props}.items() if value is not None}
        names = changed(token, state, old, new)
        kind: Kind = KINDS[token]
        assert kind.update is not None
        kind.update(self.cloud, Change(id=id_, state=state, inputs=new, changed=names))
        self._states[token, id_] = (new, self.outputs(token, id_))
        return names

    def delete(self, token: str, id_: str) -> None:
        KINDS[token].delete(self.cloud, id_, self._states[token, id_][1])

    def outputs(self, token: str, id_: str) -> Props:
        found = self.cloud.store.snapshot().get(token, id_)
        assert found is not None
        return found

    def actions(self) -> list[str]:
        """The API calls so far."""
        return [action for action, _ in self.cloud.calls()]

    # The usual pieces, each with what it needs.

    def vpc(self, **props: Any) -> str:
        return self.make(network.VPC, **{"vpcName": "web", "cidrBlock": "10.20.0.0/16", **props})

    def vswitch(self, vpc: str, **props: Any) -> str:
        return self.make(
            network.VSWITCH,
            **{"vpcId": vpc, "vswitchName": "web", "cidrBlock": "10.20.1.0/24", "zoneId": ZONE, **props},
        )

    def group(self, vpc: str, **props: Any) -> str:
        return self.make(network.GROUP, **{"vpcId": vpc, "securityGroupName": "web", **props})

    def rule(self, group: str, **props: Any) -> str:
        usual = {"type": "ingress", "ipProtocol": "tcp", "portRange": "443/443", "cidrIp": "203.0.113.0/24"}
        return self.make(network.RULE, **{"securityGroupId": group, **usual, **props})

    def role(self, name: str = "web", **props: Any) -> str:
        return self.make(identity.ROLE, **{"roleName": name, "assumeRolePolicyDocument": TRUST, **props})

    def instance(self, **props: Any) -> str:
        if "vswitchId" not in props:
            vpc = self.vpc()
            props["vswitchId"] = self.vswitch(vpc)
            props.setdefault("securityGroups", [self.group(vpc)])
        usual = {"imageId": GPU_IMAGE, "instanceType": "ecs.gn7i-c8g1.2xlarge", "systemDiskSize": 100}
        given = {**usual, "instanceName": "web", "status": "Running", **props}
        return self.make(network.INSTANCE, **{key: value for key, value in given.items() if value is not None})

    def disk(self, **props: Any) -> str:
        return self.make(storage.DISK, **{"zoneId": ZONE, "category": "cloud_essd", "size": 200, **props})

    def eip(self, **props: Any) -> str:
        return self.make(address.EIP, **{"bandwidth": "100", "internetChargeType": "PayByTraffic", **props})

    def command(self, **props: Any) -> str:
        usual = {"name": "release", "type": "RunShellScript", "commandContent": SCRIPT, "timeout": 600}
        return self.make(operations.COMMAND, **{**usual, **props})

    def set_status(self, id_: str, status: str) -> None:
        """Turn an instance on or off by hand, as at the console."""
        instance.set_status(self.cloud, id_, status)


class RecordingHardware:
    """Machines that only remember what was asked of them; `broken` names the calls that fail."""

    def __init__(self, *, exit_code: int = 0, output: str = "") -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.broken: set[str] = set()
        self.interrupted = threading.Event()
        self.off: set[str] = set()  # machines that somebody turned off
        self.result = CommandResult(exit_code=exit_code, output=output)

    def _note(self, name: str, *arguments: Any) -> None:
        if name in self.broken:
            raise HardwareError(f"{name}: the machine is on fire")
        self.calls.append((name, *arguments))

    def names(self) -> list[str]:
        return [call[0] for call in self.calls]

    def addresses(self) -> Sequence[str]:
        return ("203.0.113.7", "203.0.113.8")

    def create_machine(self, spec: MachineSpec) -> None:
        self._note("create_machine", spec)

    def start_machine(self, instance_id: str) -> None:
        self._note("start_machine", instance_id)
        self.off.discard(instance_id)

    def stop_machine(self, instance_id: str) -> None:
        self._note("stop_machine", instance_id)
        self.off.add(instance_id)

    def is_running(self, instance_id: str) -> bool:
        return instance_id not in self.off

    def replace_system_disk(self, spec: MachineSpec) -> None:
        self._note("replace_system_disk", spec)

    def delete_machine(self, instance_id: str) -> None:
        self._note("delete_machine", instance_id)

    def set_ingress(self, instance_id: str, rules: Sequence[IngressRule]) -> None:
        self._note("set_ingress", instance_id, tuple(rules))

    def create_disk(self, disk_id: str, size_gib: int, snapshot: Path | None = None) -> None:
        self._note("create_disk", disk_id, size_gib, snapshot)

    def snapshot_disk(self, disk_id: str, target: Path) -> None:
        self._note("snapshot_disk", disk_id, target)
        target.touch()

    def resize_disk(self, disk_id: str, size_gib: int) -> None:
        self._note("resize_disk", disk_id, size_gib)

    def delete_disk(self, disk_id: str) -> None:
        self._note("delete_disk", disk_id)

    def attach_disk(self, disk_id: str, instance_id: str) -> None:
        self._note("attach_disk", disk_id, instance_id)

    def detach_disk(self, disk_id: str, instance_id: str) -> None:
        self._note("detach_disk", disk_id, instance_id)

    def associate_address(self, address: str, instance_id: str) -> None:
        self._note("associate_address", address, instance_id)

    def dissociate_address(self, address: str, instance_id: str) -> None:
        self._note("dissociate_address", address, instance_id)

    def attach_role(self, role_name: str, policy: str, instance_id: str) -> None:
        self._note("attach_role", role_name, policy, instance_id)

    def detach_role(self, instance_id: str) -> None:
        self._note("detach_role", instance_id)

    def put_secret(self, name: str, value: str) -> None:
        self._note("put_secret", name, value)

    def delete_secret(self, name: str) -> None:
        self._note("delete_secret", name)

    def run_command(self, instance_id: str, content: bytes, timeout_s: int) -> CommandResult:
        self._note("run_command", instance_id, content, timeout_s)
        return self.result
