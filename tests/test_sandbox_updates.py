"""What the stand-in region refuses when something is made, it refuses when it is changed into that."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sandbox.provider import address, identity, monitoring, network, operations, storage
from sandbox.provider.errors import CloudError
from tests.region import POLICY, ZONE, Region

OTHER_ZONE = "ap-southeast-1a"


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


def contact(region: Region, name: str = "ops") -> str:
    return region.make(monitoring.CONTACT, alarmContactName=name, describe=name, channelsMail="ops@example.com")


def contacts(region: Region) -> str:
    return region.make(
        monitoring.CONTACT_GROUP, alarmContactGroupName="team", describe="team", contacts=[contact(region)]
    )


def alarm(region: Region) -> str:
    return region.make(
        monitoring.ALARM,
        name="cpu",
        project="acs_ecs_dashboard",
        metric="CPUUtilization",
        contactGroups=[contacts(region)],
        escalationsCritical={"comparisonOperator": ">=", "threshold": "90"},
    )


def event_rule(region: Region) -> str:
    receivers = [{"contactGroupName": contacts(region), "contactParametersId": "1", "level": "2"}]
    return region.make(
        monitoring.EVENT_RULE, ruleName="stopped", contactParameters=receivers, eventPattern={"product": "ecs"}
    )


def timers(region: Region) -> str:
    return region.make(operations.ROS_STACK, stackName="night", templateBody="{}")


MADE: dict[str, Callable[[Region], str]] = {
    network.VPC: lambda r: r.vpc(),
    network.VSWITCH: lambda r: r.vswitch(r.vpc()),
    network.GROUP: lambda r: r.group(r.vpc()),
    network.INSTANCE: lambda r: r.instance(),
    identity.ROLE: lambda r: r.role(),
    identity.POLICY: lambda r: r.make(identity.POLICY, policyName="read", policyDocument=POLICY),
    storage.DISK: lambda r: r.disk(),
    storage.SNAPSHOT_POLICY: lambda r: r.make(
        storage.SNAPSHOT_POLICY, repeatWeekdays=["1"], timePoints=["3"], retentionDays=7
    ),
    address.EIP: lambda r: r.eip(),
    operations.SECRET: lambda r: r.make(operations.SECRET, secretParameterName="web/x", value="v"),
    operations.ROS_STACK: timers,
    monitoring.CONTACT_GROUP: contacts,
    monitoring.ALARM: alarm,
    monitoring.EVENT_RULE: event_rule,
}
TAGGED = [token for token in MADE if token not in {monitoring.CONTACT_GROUP, monitoring.EVENT_RULE}]


def refusal(region: Region, token: str, **props: Any) -> str:
    """Change a resource; the code of the refusal. What was refused is not recorded."""
    id_ = MADE[token](region)
    before = region.outputs(token, id_)
    with pytest.raises(CloudError) as refused:
        region.change(token, id_, **props)
    after = region.outputs(token, id_)
    assert {name: after.get(name) for name in props} == {name: before.get(name) for name in props}
    return refused.value.code


@pytest.mark.parametrize("token", TAGGED)
def test_a_reserved_tag_key_is_refused_by_every_kind(token: str, region: Region) -> None:
    assert refusal(region, token, tags={"acs:team": "web"}) == "InvalidTagKey.Malformed"


CASES: dict[str, tuple[str, dict[str, Any], str]] = {
    "an alarm without an escalation": (monitoring.ALARM, {"escalationsCritical": None}, "InvalidParameter"),
    "an alarm for a group that is not there": (monitoring.ALARM, {"contactGroups": ["night"]}, "ResourceNotFound"),
    "a group with a contact that is not there": (monitoring.CONTACT_GROUP, {"contacts": ["eve"]}, "ContactNotExists"),
    "an event rule for a group that is not there": (
        monitoring.EVENT_RULE,
        {"contactParameters": [{"contactGroupName": "night"}]},
        "ResourceNotFound",
    ),
    "a policy that allows nothing": (
        identity.POLICY,
        {"policyDocument": '{"Version": "1", "Statement": []}'},
        "MalformedPolicyDocument",
    ),
    "a bandwidth of 0": (address.EIP, {"bandwidth": "0"}, "InvalidBandwidth.ValueNotSupported"),
    "a level that the disk is too small for": (
        storage.DISK,
        {"performanceLevel": "PL2"},
        "InvalidDataDiskSize.ValueNotSupported",
    ),
    "an eighth weekday": (storage.SNAPSHOT_POLICY, {"repeatWeekdays": ["8"]}, "InvalidParameter"),
    "an empty secret": (operations.SECRET, {"value": ""}, "InvalidParameter"),
    "user data over 32 KB": (network.INSTANCE, {"userData": "#" * 33_000}, "InvalidUserData.SizeExceeded"),
    "a weak password": (network.INSTANCE, {"password": "abc12345"}, "InvalidPassword.Malformed"),
    "an image that is not there": (network.INSTANCE, {"imageId": "ubuntu_30.vhd"}, "InvalidImageId.NotFound"),
    "a type that the image does not go with": (
        network.INSTANCE,
        {"instanceType": "ecs.g7.xlarge"},
        "InvalidInstanceType.ValueNotSupported",
    ),
    "GPUs of another family": (
        network.INSTANCE,
        {"instanceType": "ecs.gn6i-c8g1.2xlarge"},
        "InvalidInstanceType.ValueNotSupported",
    ),
    "bare metal": (
        network.INSTANCE,
        {"instanceType": "ecs.ebmgn7ix.32xlarge"},
        "InvalidInstanceType.ValueNotSupported",
    ),
    "a role that is not there": (network.INSTANCE, {"roleName": "nobody"}, "EntityNotExist.Role"),
    "a security group that is not there": (
        network.INSTANCE,
        {"securityGroups": ["sg-none"]},
        "InvalidSecurityGroup.NotFound",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_an_update_refuses(case: str, region: Region) -> None:
    token, props, code = CASES[case]
    assert refusal(region, token, **props) == code


def test_a_security_group_of_another_vpc_is_refused(region: Region) -> None:
    foreign = region.group(region.vpc(cidrBlock="10.30.0.0/16"))
    assert refusal(region, network.INSTANCE, securityGroups=[foreign]) == "InvalidSecurityGroupId.VPCMismatch"


def test_a_vswitch_of_another_vpc_is_refused(region: Region) -> None:
    foreign = region.vswitch(region.vpc(cidrBlock="10.30.0.0/16"), cidrBlock="10.30.1.0/24")
    assert refusal(region, network.INSTANCE, vswitchId=foreign) == "InvalidSecurityGroupId.VPCMismatch"


def test_a_vswitch_of_another_zone_is_refused(region: Region) -> None:
    vpc = region.vpc()
    id_ = region.instance(vswitchId=region.vswitch(vpc), securityGroups=[region.group(vpc)])
    there = region.vswitch(vpc, cidrBlock="10.20.2.0/24", zoneId=OTHER_ZONE)
    with pytest.raises(CloudError) as refused:
        region.change(network.INSTANCE, id_, vswitchId=there)
    assert refused.value.code == "InvalidVSwitchId.ZoneMismatch"


def test_an_instance_moves_to_a_vswitch_beside_its_own_with_an_address_of_that_one(region: Region) -> None:
    vpc = region.vpc()
    id_ = region.instance(vswitchId=region.vswitch(vpc), securityGroups=[region.group(vpc)])
    beside = region.vswitch(vpc, cidrBlock="10.20.2.0/24", zoneId=ZONE)
    region.change(network.INSTANCE, id_, vswitchId=beside)
    assert region.outputs(network.INSTANCE, id_)["vswitchId"] == beside
    with pytest.raises(CloudError) as refused:
        region.change(network.INSTANCE, id_, privateIp="10.20.1.9")
    assert refused.value.code == "InvalidPrivateIpAddress.Mismatch"


def test_a_type_of_the_same_family_is_taken(region: Region) -> None:
    id_ = region.instance()
    region.change(network.INSTANCE, id_, instanceType="ecs.gn7i-c16g1.4xlarge")
    assert region.outputs(network.INSTANCE, id_)["instanceType"] == "ecs.gn7i-c16g1.4xlarge"


def test_general_purpose_types_change_across_families(region: Region) -> None:
    image = "ubuntu_24_04_x64_20G_alibase_20260513.vhd"
    id_ = region.instance(imageId=image, instanceType="ecs.g7.xlarge")
    region.change(network.INSTANCE, id_, instanceType="ecs.c7.xlarge")
    assert region.outputs(network.INSTANCE, id_)["instanceType"] == "ecs.c7.xlarge"
