import pytest

from infra.public_address import PublicAddress, PublicAddressArgs
from infra.sections import AddressCharge


@pytest.mark.parametrize(
    ("charge", "wire"), [(AddressCharge.BY_TRAFFIC, "PayByTraffic"), (AddressCharge.BY_BANDWIDTH, "PayByBandwidth")]
)
def test_the_address_is_never_subscribed_and_its_bandwidth_is_a_text(deploy, charge, wire):
    args = PublicAddressArgs(bandwidth_mbps=100, charge=charge, physical_name="open-webui-dev", tags={"team": "a"})
    address = deploy(lambda: PublicAddress("public", args))["public-address"].inputs
    assert address["internetChargeType"] == wire
    assert address["paymentType"] == "PayAsYouGo"
    assert address["bandwidth"] == "100"


def test_an_association_lets_the_address_go_before_another_instance_gets_it(deploy):
    args = PublicAddressArgs(bandwidth_mbps=5, charge=AddressCharge.BY_TRAFFIC, physical_name="n", tags={})
    made = deploy(lambda: PublicAddress("public", args).associate("public", "i-1"))["public-association"]
    assert made.inputs == {"allocationId": "public-address-id", "instanceId": "i-1", "instanceType": "EcsInstance"}
    assert made.options.delete_before_replace
