"""What the region of the tests is made of: names, faults as documented, list prices."""

from decimal import Decimal

from tests.openapi.server import Fault

REGION, ZONE, OTHER_ZONE = "ap-southeast-1", "ap-southeast-1c", "ap-southeast-1b"
VPC = "vpc-t4nexample01"
TYPE = "ecs.gn7i-c8g1.2xlarge"
INSTANCE, DISK, ADDRESS, PUBLIC_IP = "i-t4nexample01", "d-t4nexample01", "eip-t4nexample01", "203.0.113.80"
NO_STOCK = Fault(403, "OperationDenied.NoStock", "The requested resource is sold out in the specified zone; try other.")
FORBIDDEN = Fault(403, "Forbidden.RAM", "User not authorized to operate on the specified resource.")
THROTTLED = Fault(400, "Throttling.User", "Request was denied due to user flow control.", {"x-acs-retry-after": "20"})
BUSY = Fault(503, "ServiceUnavailable", "The request has failed due to a temporary failure of the server.")
BROKEN = Fault(500, "InternalError", "The request processing has failed due to some unknown error.")
GATEWAY = Fault(502, "", "", page="<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>")
EXPIRED = Fault(403, "InvalidSecurityToken.Expired", "Specified SecurityToken is expired.")

HOURLY = {  # list price per hour: instance type -> USD
    TYPE: "1.34",
    "ecs.gn6i-c4g1.xlarge": "1.62",
    "ecs.gn7i-c16g1.4xlarge": "1.51",
    "ecs.gn8is.2xlarge": "2.02",
}
SYSTEM_DISK, DATA_DISK, TRAFFIC = Decimal("0.0204"), Decimal("0.0002041"), Decimal("0.117")
ADDRESS_FEE, BANDWIDTH_DAY = Decimal("0.005"), Decimal("0.35")  # per hour; per Mbit/s and day
