from ipaddress import IPv4Network

import pytest

from infra.network import ExistingNetwork, Network, NetworkArgs, NewNetwork

NEW = NetworkArgs(
    choice=NewNetwork(vpc_cidr=IPv4Network("10.0.0.0/16"), vswitch_cidr=IPv4Network("10.0.1.0/24")),
    zone_id="ap-southeast-1c",
    physical_name="open-webui-dev",
    tags={"team": "a"},
)
EXISTING = NetworkArgs(
    choice=ExistingNetwork(vpc_id="vpc-1", vswitch_id="vsw-1"), zone_id="z", physical_name="n", tags={}
)


@pytest.mark.parametrize("preview", [True, False])
def test_a_new_network_is_one_vpc_with_one_vswitch(deploy, preview):
    made = deploy(lambda: Network("net", NEW), preview=preview)
    assert set(made) == {"net", "net-vpc", "net-vswitch"}


def test_the_vswitch_lives_in_the_vpc_and_the_zone(deploy):
    vswitch = deploy(lambda: Network("net", NEW))["net-vswitch"]
    assert vswitch.inputs["vpcId"] == "net-vpc-id"
    assert vswitch.inputs["zoneId"] == "ap-southeast-1c"
    assert vswitch.inputs["cidrBlock"] == "10.0.1.0/24"


def test_a_vswitch_is_let_go_before_its_range_is_used_again(deploy):
    assert deploy(lambda: Network("net", NEW))["net-vswitch"].options.delete_before_replace


def test_an_existing_network_creates_nothing(deploy):
    made = deploy(lambda: Network("net", EXISTING))
    assert set(made) == {"net"}
    assert made["net"].outputs == {"vpcId": "vpc-1", "vswitchId": "vsw-1"}
