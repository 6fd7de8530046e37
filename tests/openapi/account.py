"""An account: who it is, what it has and may have, what it pays."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.openapi.constants import ADDRESS, DISK, INSTANCE, REGION, ZONE


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
    vswitches: bool = True
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
