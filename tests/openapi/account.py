"""An account: who it is, what it has and may have, what it pays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.openapi.constants import ADDRESS, DISK, INSTANCE, REGION, VPC, ZONE


@dataclass(kw_only=True)
class Account:
    """STS, BSS, OOS, and what ECS and VPC say before there is a machine."""

    currency: str = "USD"
    balance: str = "1,234.50"
    used_vcpus: int = 16
    real_name: str = "yes"
    images: bool = True
    addresses: int = 3
    free_addresses: int = 250
    vswitches: tuple[tuple[str, str], ...] = (("vsw-t4nexample01", VPC),)  # with their VPCs
    groups: Mapping[str, tuple[tuple[str, bool], ...]] = field(  # by VPC: id, managed by a cloud service
        default_factory=lambda: {VPC: (("sg-t4nmanaged01", True), ("sg-t4nexample01", False))}
    )
    password: str = "correct-horse"

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
        owner = "system" if family.startswith("acs:") else "self"  # of the image; another one's is not found by family
        images = [image] if self.images and given.get("ImageOwnerAlias", owner) == owner else []
        return {
            "Images": {"Image": images},
            "PageNumber": 1,
            "PageSize": 10,
            "RegionId": REGION,
            "TotalCount": len(images),
        }

    def DescribeVSwitches(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        size, number = int(given.get("PageSize", 10)), int(given.get("PageNumber", 1))
        names = [given["VSwitchId"]] if "VSwitchId" in given else [name for name, _ in self.vswitches]
        found = [
            {
                "AvailableIpAddressCount": self.free_addresses,
                "CidrBlock": "10.20.1.0/24",
                "IsDefault": False,
                "Status": "Available",
                "VSwitchId": name,
                "VpcId": dict(self.vswitches).get(name, VPC),
                "ZoneId": given.get("ZoneId", ZONE),
            }
            for name in names
        ]
        page = found[(number - 1) * size : number * size]
        return {"VSwitches": {"VSwitch": page}, "TotalCount": len(found), "PageNumber": number, "PageSize": size}

    def DescribeSecurityGroups(self, given: Mapping[str, Any]) -> Mapping[str, Any]:
        number = int(given.get("NextToken") or 0)
        found = self.groups.get(given["VpcId"], ())
        groups = [
            {
                "SecurityGroupId": name,
                "SecurityGroupName": "default",
                "SecurityGroupType": "normal",
                "ServiceManaged": managed,
                "VpcId": given["VpcId"],
            }
            for name, managed in found[number : number + 1]
        ]
        token = str(number + 1) if number + 1 < len(found) else ""
        return {"SecurityGroups": {"SecurityGroup": groups}, "RegionId": REGION, "NextToken": token}

    def DescribeEipAddresses(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {
            "EipAddresses": {"EipAddress": []},
            "TotalCount": self.addresses,
            "PageNumber": 1,
            "PageSize": 10,
        }
