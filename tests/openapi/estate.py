"""The machine of one stack, its disks, and Cloud Assistant."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.openapi.constants import ADDRESS, DISK, INSTANCE, PUBLIC_IP, REGION, TYPE, ZONE
from tests.openapi.server import Fault


def box_output(script: str) -> tuple[str, int]:
    """A box that knows only `true`."""
    return ("", 0) if script.strip() == "true" else (f"sh: {script.split(maxsplit=1)[0]}: not found\n", 127)


@dataclass(kw_only=True)
class Estate:
    """What carries the stack's tags, as soon as `tags` are set."""

    tags: Mapping[str, str] | None = None
    status: str = "Running"
    paid: str = "PostPaid"
    stopped_mode: str = "StopCharging"
    locks: tuple[str, ...] = ()
    snapshots: int = 2
    transition: list[str] = field(default_factory=list)
    agent: bool = True
    run: Callable[[str], tuple[str, int]] = box_output
    polls: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)

    def DescribeInstances(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        wanted = {tag["Key"]: tag["Value"] for tag in given.get("Tag", [])}
        found = self.tags is not None and wanted.items() <= dict(self.tags).items()
        if self.transition:
            self.status = self.transition.pop(0)
        instances = [self._instance()] if found else []
        return {"Instances": {"Instance": instances}, "NextToken": "", "TotalCount": len(instances)}

    def _instance(self) -> Mapping[str, Any]:
        return {
            "CreationTime": "2026-11-20T08:00Z",
            "DeletionProtection": False,
            "EipAddress": {
                "AllocationId": ADDRESS,
                "Bandwidth": 100,
                "InternetChargeType": "PayByTraffic",
                "IpAddress": PUBLIC_IP,
            },
            "ExpiredTime": "2099-12-31T15:59Z" if self.paid == "PostPaid" else "2027-11-20T16:00Z",
            "GPUAmount": 1,
            "GPUSpec": "NVIDIA A10",
            "ImageId": "ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260519.vhd",
            "InstanceChargeType": self.paid,
            "InstanceId": INSTANCE,
            "InstanceType": TYPE,
            "OperationLocks": {"LockReason": [{"LockReason": reason} for reason in self.locks]},
            "RegionId": REGION,
            "SpotStrategy": "NoSpot",
            "StartTime": "2026-11-20T08:01Z",
            "Status": self.status,
            "StoppedMode": self.stopped_mode if self.status == "Stopped" else "Not-applicable",
            "Tags": {"Tag": [{"TagKey": key, "TagValue": value} for key, value in (self.tags or {}).items()]},
            "ZoneId": ZONE,
        }

    def DescribeDisks(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        disk = {
            "Category": "cloud_essd",
            "DiskId": DISK,
            "InstanceId": INSTANCE,
            "PerformanceLevel": "PL1",
            "Size": 200,
            "Status": "In_use",
            "Type": given["DiskType"],
            "ZoneId": ZONE,
        }
        disks = [disk] if self.tags is not None else []
        return {"Disks": {"Disk": disks}, "NextToken": "", "TotalCount": len(disks)}

    def DescribeSnapshots(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        number, size = int(given.get("NextToken") or 0), 1
        snapshots = [
            {
                "CreationTime": f"2026-11-{20 + index}T03:00:00Z",
                "Progress": "100%",
                "SnapshotId": f"s-t4nexample{index:02}",
                "SourceDiskId": given["DiskId"],
                "SourceDiskType": "data",
                "Status": "accomplished",
            }
            for index in range(self.snapshots)
        ][number : number + size]
        more = number + size < self.snapshots
        return {"Snapshots": {"Snapshot": snapshots}, "NextToken": str(number + size) if more else ""}

    def StartInstance(self, _: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
        self.transition = ["Starting", "Running"]
        return {}

    def StopInstance(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        self.stopped_mode = given.get("StoppedMode", "Not-applicable")
        self.transition = ["Stopping", "Stopped"]
        return {}

    def RebootInstance(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        self.transition = ["Running", "Stopping", "Starting", "Running"]
        return {}

    # --- Cloud Assistant

    def DescribeCloudAssistantStatus(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        entry = {
            "InstanceId": given["InstanceId"][0],
            "CloudAssistantStatus": "true" if self.agent else "false",
            "CloudAssistantVersion": "2.2.4.988",
            "LastHeartbeatTime": "2026-11-24T02:00:00Z",
            "OSType": "Linux",
        }
        return {"InstanceCloudAssistantStatusSet": {"InstanceCloudAssistantStatus": [entry]}, "TotalCount": 1}

    def RunCommand(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        invocation = f"t-{len(self.scripts):012}"
        self.scripts[invocation] = base64.b64decode(given["CommandContent"]).decode()
        return {"CommandId": "c-t4nexample01", "InvokeId": invocation}

    def DescribeInvocationResults(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        invocation = given["InvokeId"]
        self.polls[invocation] = self.polls.get(invocation, 0) + 1
        if self.polls[invocation] == 1:
            return {"Invocation": {"InvocationResults": {"InvocationResult": []}, "NextToken": "", "TotalCount": 0}}
        output, code = self.run(self.scripts[invocation])
        limit = 24 * 1024
        result = {
            "CommandId": "c-t4nexample01",
            "Dropped": max(0, len(output.encode()) - limit),
            "ErrorCode": "",
            "ErrorInfo": "",
            "ExitCode": code,
            "FinishedTime": "2026-11-24T02:00:02Z",
            "InstanceId": given["InstanceId"],
            "InvocationStatus": "Success" if code == 0 else "Failed",
            "InvokeId": invocation,
            "InvokeRecordStatus": "Finished",
            "Output": base64.b64encode(output.encode()[:limit]).decode(),
            "Repeats": 1,
            "StartTime": "2026-11-24T02:00:01Z",
            "StopTime": "",
        }
        return {"Invocation": {"InvocationResults": {"InvocationResult": [result]}, "NextToken": "", "TotalCount": 1}}

    def StopInvocation(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        self.stopped.append(given["InvokeId"])
        return {}
