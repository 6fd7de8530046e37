"""One account in one region: what its services answer, in the shapes of their help pages.

Every field that is documented for an answer that the commands read is there. Figures are the tests' own.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from tests.openapi.server import Fault

REGION, ZONE, OTHER_ZONE = "ap-southeast-1", "ap-southeast-1c", "ap-southeast-1b"
TYPE = "ecs.gn7i-c8g1.2xlarge"
INSTANCE, DISK, ADDRESS, PUBLIC_IP = "i-t4nexample01", "d-t4nexample01", "eip-t4nexample01", "203.0.113.80"
NO_STOCK = Fault(403, "OperationDenied.NoStock", "The requested resource is sold out in the specified zone; try other.")
FORBIDDEN = Fault(403, "Forbidden.RAM", "User not authorized to operate on the specified resource.")
THROTTLED = Fault(400, "Throttling.User", "Request was denied due to user flow control.", {"x-acs-retry-after": "20"})
BUSY = Fault(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
EXPIRED = Fault(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")

HOURLY = {  # list price per hour: instance type -> USD
    TYPE: "1.34",
    "ecs.gn6i-c4g1.xlarge": "1.62",
    "ecs.gn7i-c16g1.4xlarge": "1.51",
    "ecs.gn8is.2xlarge": "2.02",
}
SYSTEM_DISK, DATA_DISK, TRAFFIC = Decimal("0.0204"), Decimal("0.0002041"), Decimal("0.117")


def box_output(script: str) -> tuple[str, int]:
    """A box that knows only `true`."""
    return ("", 0) if script.strip() == "true" else (f"sh: {script.split(maxsplit=1)[0]}: not found\n", 127)


@dataclass
class Region:
    """What can be set from a test; `remove` takes parts out of an answer: action -> path."""

    types: Mapping[str, str] = field(default_factory=lambda: HOURLY)
    stock: dict[str, str] = field(default_factory=lambda: {ZONE: "WithStock", OTHER_ZONE: "ClosedWithStock"})
    discount: Decimal = Decimal("0.9")
    tags: Mapping[str, str] | None = None
    status: str = "Running"
    paid: str = "PostPaid"
    locks: tuple[str, ...] = ()
    images: bool = True
    agent: bool = True
    balance: str = "1,234.50"
    currency: str = "USD"
    used_vcpus: int = 16
    real_name: str = "yes"
    addresses: int = 3
    free_addresses: int = 250
    vswitches: bool = True
    snapshots: int = 2
    spot_prices: tuple[str, ...] = ("0.41", "0.38", "0.52")
    dry_runs: dict[str, Fault] = field(default_factory=dict)
    password: str = "correct-horse"
    run: Callable[[str], tuple[str, int]] = box_output
    remove: dict[str, tuple[str, ...]] = field(default_factory=dict)
    polls: dict[str, int] = field(default_factory=dict)
    scripts: dict[str, str] = field(default_factory=dict)
    stopped: list[str] = field(default_factory=list)
    transition: list[str] = field(default_factory=list)

    def answer(self, action: str, given: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
        if given.get("DryRun") == "true" and action in ("RunInstances", "CreateVpc"):
            passed = Fault(400, "DryRunOperation", "Request validation has been passed with DryRun flag set.")
            return self.dry_runs.get(action, passed)
        handler = getattr(self, action, None)
        if handler is None:
            return Fault(404, "InvalidAction.NotFound", f"Specified api is not found: {action}")
        body = handler(given)
        return without(body, self.remove.get(action, ()))

    # --- STS, BSS, OOS

    def GetCallerIdentity(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "AccountId": "1234567890123456",
            "Arn": "acs:ram::1234567890123456:user/operator",
            "IdentityType": "RAMUser",
            "PrincipalId": "216959339000654321",
            "UserId": "216959339000654321",
        }

    def QueryAccountBalance(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        data = {
            "AvailableAmount": self.balance,
            "AvailableCashAmount": self.balance,
            "CreditAmount": "0.00",
            "Currency": self.currency,
            "MybankCreditAmount": "0.00",
            "QuotaLimit": "",
        }
        return {"Code": "200", "Message": "Successful!", "Success": True, "Data": data}

    def DescribeInstanceBill(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        amounts = {INSTANCE: ("12.30", "4.50"), DISK: ("1.20",), ADDRESS: ("0.80",)}
        pages = amounts.get(given["InstanceID"], ())
        number = int(given.get("NextToken") or 0)
        items = [
            {
                "InstanceID": given["InstanceID"],
                "BillingType": "Other",
                "Currency": self.currency,
                "Item": "PayAsYouGoBill",
                "PretaxAmount": float(pages[number]),
                "PretaxGrossAmount": float(pages[number]),
                "ProductCode": "ecs",
                "SubscriptionType": "PayAsYouGo",
            }
        ] if pages else []  # fmt: skip
        data = {
            "AccountID": "1234567890123456",
            "BillingCycle": given["BillingCycle"],
            "Items": items,
            "MaxResults": int(given["MaxResults"]),
            "TotalCount": len(pages),
            **({"NextToken": str(number + 1)} if number + 1 < len(pages) else {}),
        }
        return {"Code": "Success", "Message": "Successful!", "Success": True, "Data": data}

    def GetSecretParameter(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "Parameter": {
                "Constraints": "{}",
                "CreatedBy": "root(1234567890123456)",
                "CreatedDate": "2026-11-01T08:00:00Z",
                "Description": "Read by the Open WebUI instance of this stack",
                "Id": "p-4c4b401cab6747example",
                "Name": given["Name"],
                "ParameterVersion": 1,
                "ShareType": "Private",
                "Type": "Secret",
                "UpdatedDate": "2026-11-01T08:00:00Z",
                "Value": self.password,
            }
        }

    # --- prices and stock

    def DescribePrice(self, given: Mapping[str, Any]) -> Mapping[str, Any] | Fault:
        kind, unit, periods = given.get("ResourceType", "instance"), given.get("PriceUnit", "Hour"), given.get("Period")
        if kind == "disk":
            return self._price({"disk": DATA_DISK * int(given["DataDisk"][0]["Size"])}, details=False)
        if kind == "bandwidth":
            return self._price({"bandwidth": TRAFFIC}, details=False)
        if given["InstanceType"] not in self.types:
            return Fault(403, "InvalidInstanceType.ValueNotSupported", "The specified InstanceType does not exist.")
        hours = {"Hour": 1, "Month": 450, "Year": 4800}[unit] * int(periods or 1)
        share = Decimal("0.3") if given.get("SpotStrategy") == "SpotAsPriceGo" else Decimal(1)
        parts = {
            "instanceType": Decimal(self.types[given["InstanceType"]]) * hours * share,
            "systemDisk": SYSTEM_DISK * hours,
        }
        return self._price({**parts, "bandwidth": Decimal(0), "image": Decimal(0)}, details=True)

    def _price(self, parts: Mapping[str, Decimal], *, details: bool) -> Mapping[str, Any]:
        rule = {"RuleId": 587, "Description": "Contract_10 percent off ECS"}
        rows = []
        for resource, original in parts.items():
            trade = original * self.discount if resource != "bandwidth" else original
            rows.append(
                {
                    "Resource": resource,
                    "OriginalPrice": float(original),
                    "DiscountPrice": float(original - trade),
                    "TradePrice": float(trade),
                    "SubRules": {"Rule": [rule] if trade < original else []},
                }
            )
        total: dict[str, Any] = {
            name: float(sum(Decimal(str(row[name])) for row in rows))
            for name in ("OriginalPrice", "DiscountPrice", "TradePrice")
        }
        infos = {"DetailInfos": {"DetailInfo": rows if details else []}}
        rules = {"Rule": [rule] if total["DiscountPrice"] else []}
        return {"PriceInfo": {"Price": {**total, **infos, "Currency": self.currency}, "Rules": rules}}

    def DescribeSpotPriceHistory(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        offset, size = int(given.get("Offset") or 0), 2
        prices = self.spot_prices[offset : offset + size]
        entries = [
            {
                "InstanceType": given["InstanceType"],
                "IoOptimized": "optimized",
                "NetworkType": "vpc",
                "OriginPrice": float(self.types[given["InstanceType"]]),
                "SpotPrice": float(price),
                "Timestamp": f"2026-11-{10 + offset + index:02}T00:00:00Z",
                "ZoneId": given["ZoneId"],
            }
            for index, price in enumerate(prices)
        ]
        following = offset + size if offset + size < len(self.spot_prices) else 0
        return {"Currency": self.currency, "NextOffset": following, "SpotPrices": {"SpotPriceType": entries}}

    def DescribeAvailableResource(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        what = given["DestinationResource"]
        if what != "InstanceType":
            offers = [
                {
                    "Value": name,
                    "Status": "Available",
                    "StatusCategory": "WithStock",
                    "Min": 20,
                    "Max": 2048,
                    "Unit": "GiB",
                }
                for name in ("cloud_essd", "cloud_auto")
            ]
            return self._zones({given["ZoneId"]: offers}, what)
        wanted = [name for name in self.types if given.get("InstanceType") in (None, name)]
        by_zone = {
            zone: [
                {"Value": name, "StatusCategory": state, "Status": "SoldOut" if "Without" in state else "Available"}
                for name in wanted
            ]
            for zone, state in self.stock.items()
        }  # fmt: skip
        return self._zones(by_zone, what)

    def _zones(self, by_zone: Mapping[str, list[dict[str, Any]]], what: str) -> Mapping[str, Any]:
        zones = [
            {
                "RegionId": REGION,
                "ZoneId": zone,
                "Status": "Available",
                "StatusCategory": "WithStock",
                "AvailableResources": {
                    "AvailableResource": [{"Type": what, "SupportedResources": {"SupportedResource": offers}}]
                },
            }
            for zone, offers in by_zone.items()
        ]
        return {"AvailableZones": {"AvailableZone": zones}}

    # --- account, image, network

    def DescribeAccountAttributes(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        values = {
            "max-postpaid-instance-vcpu-count": "100",
            "used-postpaid-instance-vcpu-count": str(self.used_vcpus),
            "max-spot-instance-vcpu-count": "100",
            "used-spot-instance-vcpu-count": "0",
            "real-name-authentication": self.real_name,
        }
        items = [
            {"AttributeName": name, "AttributeValues": {"ValueItem": [{"Value": values[name]}]}}
            for name in given["AttributeName"]
        ]
        return {"AccountAttributeItems": {"AccountAttributeItem": items}}

    def DescribeImages(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        family = given.get("ImageFamily", "")
        image = {
            "Architecture": "x86_64",
            "CreationTime": "2026-05-19T03:14:15Z",
            "ImageFamily": family,
            "ImageId": given.get("ImageId") or "ubuntu_24_04_x64_100G_with_gpu_driver_and_cuda_alibase_20260519.vhd",
            "ImageName": "Ubuntu 24.04 64-bit with GPU driver",
            "ImageOwnerAlias": "system",
            "IsSupportCloudinit": True,
            "OSType": "linux",
            "Size": 100,
            "Status": "Available",
        }
        images = [image] if self.images else []
        return {
            "Images": {"Image": images},
            "PageNumber": 1,
            "PageSize": 10,
            "RegionId": REGION,
            "TotalCount": len(images),
        }

    def DescribeVSwitches(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        one = {
            "AvailableIpAddressCount": self.free_addresses,
            "CidrBlock": "10.20.1.0/24",
            "IsDefault": False,
            "Status": "Available",
            "VSwitchId": given.get("VSwitchId", "vsw-t4nexample01"),
            "VpcId": "vpc-t4nexample01",
            "ZoneId": given.get("ZoneId", ZONE),
        }
        found = [one] if self.vswitches else []
        return {"VSwitches": {"VSwitch": found}, "TotalCount": len(found), "PageNumber": 1, "PageSize": 10}

    def DescribeSecurityGroups(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        group = {
            "SecurityGroupId": "sg-t4nexample01",
            "SecurityGroupName": "default",
            "SecurityGroupType": "normal",
            "VpcId": given["VpcId"],
        }
        groups = {"SecurityGroups": {"SecurityGroup": [group]}}
        return {**groups, "RegionId": REGION, "TotalCount": 1, "PageNumber": 1, "PageSize": 10}

    def DescribeEipAddresses(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "EipAddresses": {"EipAddress": []},
            "TotalCount": self.addresses,
            "PageNumber": 1,
            "PageSize": 10,
        }

    # --- the stack's machine

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
            "StoppedMode": "StopCharging" if self.status == "Stopped" else "Not-applicable",
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

    def StopInstance(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
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


def without(body: Mapping[str, Any], path: tuple[str, ...]) -> Mapping[str, Any]:
    """The answer less what is at `path`."""
    if not path:
        return body
    head, *rest = path
    if not rest:
        return {key: value for key, value in body.items() if key != head}
    return {**body, head: without(body[head], tuple(rest))}
