"""The stand-in region without an engine: what it refuses and when, what a change does, in which order."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.effects import known_types
from sandbox.hardware import IngressRule
from sandbox.provider import address, identity, monitoring, network, operations, storage
from sandbox.provider.checks import check
from sandbox.provider.diff import changed, replacing
from sandbox.provider.errors import CloudError, HalfMadeError
from sandbox.provider.faults import Fault
from sandbox.provider.images import get_images
from sandbox.provider.server import KINDS
from sandbox.provider.values import UNKNOWN, from_struct, to_struct
from tests.region import GPU_IMAGE, POLICY, SCRIPT, TRUST, ZONE, RecordingHardware, RefusedError, Region

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture
def region(tmp_path: Path) -> Region:
    return Region(tmp_path)


@pytest.fixture
def hardware() -> RecordingHardware:
    return RecordingHardware()


@pytest.fixture
def machines(tmp_path: Path, hardware: RecordingHardware) -> Region:
    return Region(tmp_path, hardware)


def code(error: pytest.ExceptionInfo[CloudError]) -> str:
    return error.value.code


# --- what a preview refuses (facts/engine.md) ---

AT_PREVIEW: dict[str, Callable[[Region], object]] = {
    "a protocol in capitals": lambda r: r.rule("sg-1", ipProtocol="TCP"),
    "a rule with no source": lambda r: r.rule("sg-1", cidrIp=""),
    "neither image nor template": lambda r: r.make(network.INSTANCE, instanceType="ecs.g7.large"),
    "a type without ecs.": lambda r: r.instance(instanceType="gn7i-c8g1.2xlarge"),
    "an unknown system disk category": lambda r: r.instance(systemDiskCategory="cloud_nvme"),
    "an unknown data disk category": lambda r: r.disk(category="cloud_nvme"),
    "a period of 10": lambda r: r.instance(instanceChargeType="PrePaid", period=10),
    "an unknown ISP": lambda r: r.eip(isp="ACME"),
    "an unknown command type": lambda r: r.command(type="RunPython"),
    "a policy that is not JSON": lambda r: r.make(identity.POLICY, policyName="p", policyDocument="{"),
    "a trust policy that is not JSON": lambda r: r.role(assumeRolePolicyDocument="trust me"),
    "a group name of one character": lambda r: r.group("vpc-1", securityGroupName="x"),
    "a description of one character": lambda r: r.instance(description="x"),
    "a field of an inline disk": lambda r: r.instance(dataDisks=[{"size": 20, "category": "floppy"}]),
    "a reserved tag value": lambda r: r.vpc(tags={"team": "acs:ops"}),
    "two ways to name a zone": lambda r: r.vswitch("vpc-1", availabilityZone=ZONE),
    "an input that the type does not have": lambda r: r.vpc(cidr="10.0.0.0/8"),
}


@pytest.mark.parametrize("case", AT_PREVIEW)
def test_preview_refuses(case: str, region: Region) -> None:
    with pytest.raises(RefusedError):
        AT_PREVIEW[case](region)


def test_what_is_not_known_yet_passes_the_check() -> None:
    assert check(network.RULE, {"type": "ingress", "ipProtocol": "tcp", "cidrIp": UNKNOWN, "priority": UNKNOWN}) == []


# --- what only `up` finds: the API's answers (facts/engine.md) ---

AT_UP: dict[str, tuple[Callable[[Region], object], str]] = {
    "a port that is no range": (lambda r: r.rule(r.group(r.vpc()), portRange="80"), "InvalidPortRange.Malformed"),
    "tcp without ports": (lambda r: r.rule(r.group(r.vpc()), portRange="-1/-1"), "InvalidPortRange"),
    "a bad source range": (
        lambda r: r.rule(r.group(r.vpc()), cidrIp="203.0.113.0/33"),
        "InvalidSourceCidrIp.Malformed",
    ),
    "a vSwitch outside the VPC": (
        lambda r: r.vswitch(r.vpc(), cidrBlock="10.30.1.0/24"),
        "InvalidCidrBlock.Malformed",
    ),
    "overlapping vSwitches": (
        lambda r: [r.vswitch(vpc := r.vpc()), r.vswitch(vpc, cidrBlock="10.20.1.128/25")],
        "InvalidCidrBlock.Overlapped",
    ),
    "a VPC range with host bits": (lambda r: r.vpc(cidrBlock="10.20.0.1/16"), "InvalidCidrBlock.Malformed"),
    "a zone of another region": (lambda r: r.vswitch(r.vpc(), zoneId="cn-hangzhou-i"), "InvalidZoneId.NotFound"),
    "no security group": (lambda r: r.instance(securityGroups=[]), "MissingParameter"),
    "no vSwitch": (lambda r: r.instance(vswitchId=None), "MissingParameter"),
    "a system disk smaller than the image": (
        lambda r: r.instance(systemDiskSize=40),
        "InvalidSystemDiskSize.LessThanImageSize",
    ),
    "an image that is not there": (lambda r: r.instance(imageId="ubuntu_30.vhd"), "InvalidImageId.NotFound"),
    "a GPU image on a type without one": (
        lambda r: r.instance(instanceType="ecs.g7.xlarge"),
        "ImageNotSupportInstanceType",
    ),
    "a weak password": (lambda r: r.instance(password="abc12345"), "InvalidPassword.Malformed"),
    "a key pair that does not exist": (lambda r: r.instance(keyName="mine"), "InvalidKeyPair.NotFound"),
    "a host name with _": (lambda r: r.instance(hostName="open_webui"), "InvalidHostName.Malformed"),
    "a reserved tag key": (lambda r: r.vpc(tags={"acs:x": "1"}), "InvalidTagKey.Malformed"),
    "user data over 32 KB": (lambda r: r.instance(userData="#" * 33_000), "InvalidUserData.SizeExceeded"),
    "a bandwidth of 0": (lambda r: r.eip(bandwidth="0"), "InvalidBandwidth.ValueNotSupported"),
    "a disk with no size": (
        lambda r: r.make(storage.DISK, zoneId=ZONE, category="cloud_essd"),
        "InvalidDataDiskSize.ValueNotSupported",
    ),
    "a disk too small for its level": (
        lambda r: r.disk(size=100, performanceLevel="PL2"),
        "InvalidDataDiskSize.ValueNotSupported",
    ),
    "a snapshot that is not there": (lambda r: r.disk(snapshotId="s-none"), "InvalidSnapshotId.NotFound"),
    "an eighth weekday": (
        lambda r: r.make(storage.SNAPSHOT_POLICY, repeatWeekdays=["8"], timePoints=["3"], retentionDays=7),
        "InvalidParameter",
    ),
    "a 25th hour": (
        lambda r: r.make(storage.SNAPSHOT_POLICY, repeatWeekdays=["1"], timePoints=["25"], retentionDays=7),
        "InvalidParameter",
    ),
    "a command that is not Base64": (lambda r: r.command(commandContent="echo hi!"), "CmdContent.DecodeError"),
    "a command over 24 KB": (lambda r: r.command(commandContent="A" * 25_000), "CmdContent.ExceedLimit"),
    "a role name with a space": (lambda r: r.role("open webui"), "InvalidParameter.RoleName.InvalidChars"),
    "a secret whose name begins with acs": (
        lambda r: r.make(operations.SECRET, secretParameterName="acs-x", value="v"),
        "InvalidParameter",
    ),
    "an alarm without an escalation": (
        lambda r: r.make(monitoring.ALARM, name="a", project="acs_ecs_dashboard", metric="m", contactGroups=[]),
        "InvalidParameter",
    ),
    "a second role of the name": (lambda r: [r.role(), r.role()], "EntityAlreadyExists.Role"),
    "a second secret of the name": (
        lambda r: [r.make(operations.SECRET, secretParameterName="web/x", value="v") for _ in range(2)],
        "EntityAlreadyExists.Parameter",
    ),
    "a policy attached to no role": (
        lambda r: r.make(identity.GRANT, roleName="web", policyName="p", policyType="System"),
        "EntityNotExist.Role",
    ),
    "a disk in another zone": (
        lambda r: r.make(storage.ATTACHMENT, diskId=r.disk(zoneId="ap-southeast-1a"), instanceId=r.instance()),
        "InvalidOperation.ZoneMismatch",
    ),
    "an elastic IP beside a public address": (
        lambda r: r.make(address.ASSOCIATION, allocationId=r.eip(), instanceId=r.instance(internetMaxBandwidthOut=5)),
        "InvalidStatus.InstanceHasBandWidth",
    ),
    "a role that ECS may not take": (
        lambda r: r.make(
            identity.INSTANCE_ROLE,
            instanceId=r.instance(),
            ramRoleName=r.role(assumeRolePolicyDocument='{"Statement": []}'),
        ),
        "InvalidRamRole.NotEcsRole",
    ),
}


@pytest.mark.parametrize("case", AT_UP)
def test_only_up_refuses(case: str, region: Region) -> None:
    attempt, expected = AT_UP[case]
    with pytest.raises(CloudError) as refusal:
        attempt(region)
    assert code(refusal) == expected


def test_a_refused_resource_is_not_there(region: Region) -> None:
    with pytest.raises(CloudError):
        region.vpc(cidrBlock="10.20.0.1/16")
    assert region.cloud.store.snapshot().all(network.VPC) == {}


# --- deleting in the wrong order ---


def test_a_vpc_with_a_vswitch_is_not_deleted(region: Region) -> None:
    vpc = region.vpc()
    region.vswitch(vpc)
    with pytest.raises(CloudError) as refusal:
        region.delete(network.VPC, vpc)
    assert code(refusal) == "DependencyViolation"


def test_a_security_group_and_a_vswitch_in_use_are_not_deleted(region: Region) -> None:
    vpc = region.vpc()
    group, vswitch = region.group(vpc), region.vswitch(vpc)
    region.instance(vswitchId=vswitch, securityGroups=[group])
    for token, id_ in ((network.GROUP, group), (network.VSWITCH, vswitch)):
        with pytest.raises(CloudError) as refusal:
            region.delete(token, id_)
        assert code(refusal) == "DependencyViolation"


def test_an_attached_disk_is_deleted_only_after_it_was_detached(region: Region) -> None:
    disk = region.disk()
    attachment = region.make(storage.ATTACHMENT, diskId=disk, instanceId=region.instance())
    with pytest.raises(CloudError) as refusal:
        region.delete(storage.DISK, disk)
    assert code(refusal) == "IncorrectDiskStatus"
    region.delete(storage.ATTACHMENT, attachment)
    region.delete(storage.DISK, disk)


def test_an_associated_address_is_released_only_after_it_was_let_go(region: Region) -> None:
    eip = region.eip()
    association = region.make(address.ASSOCIATION, allocationId=eip, instanceId=region.instance())
    with pytest.raises(CloudError) as refusal:
        region.delete(address.EIP, eip)
    assert code(refusal) == "IncorrectEipStatus"
    region.delete(address.ASSOCIATION, association)
    region.delete(address.EIP, eip)


def test_a_role_with_a_policy_is_not_deleted_unless_by_force(region: Region) -> None:
    policy = region.make(identity.POLICY, policyName="read", policyDocument=POLICY)
    for name in ("plain", "forced"):
        region.role(name, force=name == "forced")
        region.make(identity.GRANT, roleName=name, policyName=policy, policyType="Custom")
    with pytest.raises(CloudError) as refusal:
        region.delete(identity.ROLE, "plain")
    assert code(refusal) == "DeleteConflict.Role.Policy"
    region.delete(identity.ROLE, "forced")


def test_a_protected_instance_is_deleted_only_after_the_protection_is_off(region: Region) -> None:
    id_ = region.instance(deletionProtection=True)
    with pytest.raises(CloudError) as refusal:
        region.delete(network.INSTANCE, id_)
    assert code(refusal) == "InvalidOperation.DeletionProtection"
    region.change(network.INSTANCE, id_, deletionProtection=False)
    region.delete(network.INSTANCE, id_)


def test_a_subscribed_instance_is_deleted_only_with_force_delete_in_the_state(region: Region) -> None:
    id_ = region.instance(instanceChargeType="PrePaid", period=1)
    with pytest.raises(CloudError) as refusal:
        region.delete(network.INSTANCE, id_)
    assert code(refusal) == "ChargeTypeViolation"
    region.change(network.INSTANCE, id_, forceDelete=True)
    region.delete(network.INSTANCE, id_)


def test_a_deleted_instance_lets_go_of_disk_and_address(region: Region) -> None:
    id_, disk, eip = region.instance(), region.disk(), region.eip()
    region.make(storage.ATTACHMENT, diskId=disk, instanceId=id_)
    region.make(address.ASSOCIATION, allocationId=eip, instanceId=id_)
    region.delete(network.INSTANCE, id_)
    assert region.outputs(storage.DISK, disk)["status"] == "Available"
    assert region.outputs(address.EIP, eip)["status"] == "Available"


# --- changes of an instance ---


def test_a_type_change_stops_changes_and_starts(machines: Region, hardware: RecordingHardware) -> None:
    id_ = machines.instance()
    before = len(machines.actions())
    machines.change(network.INSTANCE, id_, instanceType="ecs.gn7i-c16g1.4xlarge")
    assert machines.actions()[before:] == ["StopInstance", "ModifyInstanceSpec", "StartInstance"]
    assert hardware.names()[-2:] == ["stop_machine", "start_machine"]
    assert machines.outputs(network.INSTANCE, id_)["instanceType"] == "ecs.gn7i-c16g1.4xlarge"


def test_an_image_change_replaces_the_system_disk_while_stopped(machines: Region, hardware: RecordingHardware) -> None:
    id_ = machines.instance()
    old = machines.outputs(network.INSTANCE, id_)["systemDiskId"]
    machines.change(network.INSTANCE, id_, imageId="m-custom0000000001")
    assert hardware.names()[-3:] == ["stop_machine", "replace_system_disk", "start_machine"]
    assert machines.outputs(network.INSTANCE, id_)["systemDiskId"] != old


def test_user_data_is_written_while_running_and_then_restarts(region: Region) -> None:
    id_ = region.instance(userData=base64.b64encode(b"#cloud-config\n").decode())
    before = len(region.actions())
    region.change(network.INSTANCE, id_, userData=base64.b64encode(b"#cloud-config\n{}\n").decode())
    assert region.actions()[before:] == ["ModifyInstanceAttribute", "StopInstance", "StartInstance"]


def test_tags_and_a_grown_system_disk_do_not_stop_the_instance(machines: Region, hardware: RecordingHardware) -> None:
    id_ = machines.instance()
    machines.change(network.INSTANCE, id_, tags={"team": "ops"}, systemDiskSize=120)
    assert "stop_machine" not in hardware.names()
    assert machines.outputs(network.INSTANCE, id_)["systemDiskSize"] == 120


def test_a_shrunk_disk_is_refused(region: Region) -> None:
    with pytest.raises(CloudError) as refusal:
        region.change(storage.DISK, region.disk(), size=100)
    assert code(refusal) == "InvalidDiskSize.TooSmall"


def test_a_failed_type_change_leaves_the_instance_stopped(machines: Region, hardware: RecordingHardware) -> None:
    id_ = machines.instance()
    machines.cloud.faults.set(Fault(action="ModifyInstanceSpec", code="OperationDenied.NoStock"))
    with pytest.raises(CloudError) as refusal:
        machines.change(network.INSTANCE, id_, instanceType="ecs.gn7i-c16g1.4xlarge")
    assert code(refusal) == "OperationDenied.NoStock"
    assert machines.outputs(network.INSTANCE, id_)["status"] == "Stopped"
    assert hardware.names()[-1] == "stop_machine"


def test_without_running_in_state_or_config_a_stopped_instance_stays_stopped(region: Region) -> None:
    id_ = region.instance(status="Stopped")
    region.set_status(id_, "Stopped")
    region._states[network.INSTANCE, id_][1]["status"] = "Stopped"
    region.change(network.INSTANCE, id_, instanceType="ecs.gn7i-c16g1.4xlarge")
    assert region.outputs(network.INSTANCE, id_)["status"] == "Stopped"


def test_a_machine_that_is_off_already_is_not_stopped_again(machines: Region, hardware: RecordingHardware) -> None:
    id_ = machines.instance()
    hardware.off.add(id_)
    machines.change(network.INSTANCE, id_, instanceType="ecs.gn7i-c16g1.4xlarge")
    assert hardware.names()[-1] == "start_machine"
    assert "stop_machine" not in hardware.names()


def test_a_machine_that_does_not_start_is_recorded_as_stopped(machines: Region, hardware: RecordingHardware) -> None:
    id_ = machines.instance()
    hardware.broken.add("start_machine")
    with pytest.raises(CloudError, match="on fire"):
        machines.change(network.INSTANCE, id_, instanceType="ecs.gn7i-c16g1.4xlarge")
    assert machines.outputs(network.INSTANCE, id_)["status"] == "Stopped"


def test_subscription_drops_spot_silently_and_sees_no_difference(region: Region) -> None:
    id_ = region.instance(instanceChargeType="PrePaid", period=1, spotStrategy="SpotAsPriceGo")
    state = region.outputs(network.INSTANCE, id_)
    assert state["spotStrategy"] == "NoSpot"
    inputs = {"instanceChargeType": "PrePaid", "spotStrategy": "SpotAsPriceGo"}
    assert changed(network.INSTANCE, state, inputs, inputs) == frozenset()


# --- Diff ---


def test_the_provider_has_the_types_that_the_table_of_effects_has() -> None:
    assert set(KINDS) == known_types()


def test_the_order_of_groups_and_of_json_keys_is_no_difference() -> None:
    assert not changed(network.INSTANCE, {"securityGroups": ["a", "b"]}, {}, {"securityGroups": ["b", "a"]})
    state = {"policyDocument": '{"a": 1, "b": 2}'}
    assert not changed(identity.POLICY, state, {}, {"policyDocument": '{"b":2,"a":1}'})


def test_a_removed_input_is_a_difference() -> None:
    state = {"description": "old", "vpcName": "web"}
    assert changed(network.VPC, state, state, {"vpcName": "web"}) == {"description"}


def test_an_unknown_input_is_a_difference_and_may_replace() -> None:
    names = changed(network.VSWITCH, {"vpcId": "vpc-1"}, {"vpcId": "vpc-1"}, {"vpcId": UNKNOWN})
    assert replacing(network.VSWITCH, names) == {"vpcId"}


def test_ignored_and_suppressed_properties_are_no_difference() -> None:
    state = {"imageId": "a", "period": 1, "systemDiskPerformanceLevel": "PL1"}
    inputs = {"imageId": "b", "period": 2, "systemDiskPerformanceLevel": "PL0", "instanceChargeType": "PostPaid"}
    names = changed(network.INSTANCE, {**state, "instanceChargeType": "PostPaid"}, {}, inputs, ["imageId"])
    assert names == frozenset()


def test_values_survive_the_way_through_a_message() -> None:
    props = {"size": 200, "price": 0.5, "tags": {"a": "b"}, "list": [1, UNKNOWN], "on": True}
    assert from_struct(to_struct({**props, "none": None})) == props


# --- hardware ---


def test_a_machine_gets_the_decoded_user_data_and_an_address_of_the_vswitch(
    machines: Region, hardware: RecordingHardware
) -> None:
    machines.instance(userData=base64.b64encode(b"#cloud-config\n").decode(), hostName="web")
    spec = hardware.calls[0][1]
    assert (spec.user_data, spec.hostname, spec.zone_id) == (b"#cloud-config\n", "web", ZONE)
    assert spec.private_ip == "10.20.1.1"


def test_text_that_is_not_base64_is_what_cloud_init_reads(machines: Region, hardware: RecordingHardware) -> None:
    machines.instance(userData="#cloud-config\n")
    assert hardware.calls[0][1].user_data == b"#cloud-config\n"


def test_machines_learn_of_rules_made_before_and_after_them(machines: Region, hardware: RecordingHardware) -> None:
    vpc = machines.vpc()
    group, vswitch = machines.group(vpc), machines.vswitch(vpc)
    machines.rule(group)
    id_ = machines.instance(vswitchId=vswitch, securityGroups=[group])
    https = IngressRule(protocol="tcp", ports=(443, 443), cidr="203.0.113.0/24")
    assert hardware.calls[-1] == ("set_ingress", id_, (https,))
    rule = machines.rule(group, portRange="80/80", cidrIp="0.0.0.0/0")
    http = IngressRule(protocol="tcp", ports=(80, 80), cidr="0.0.0.0/0")
    assert set(hardware.calls[-1][2]) == {https, http}
    machines.delete(network.RULE, rule)
    assert hardware.calls[-1][2] == (https,)


def test_disk_address_role_and_secret_reach_the_hardware(machines: Region, hardware: RecordingHardware) -> None:
    id_, disk, eip, role = machines.instance(), machines.disk(), machines.eip(), machines.role()
    policy = machines.make(identity.POLICY, policyName="read", policyDocument=POLICY)
    machines.make(identity.GRANT, roleName=role, policyName=policy, policyType="Custom")
    machines.make(storage.ATTACHMENT, diskId=disk, instanceId=id_)
    machines.make(address.ASSOCIATION, allocationId=eip, instanceId=id_)
    machines.make(identity.INSTANCE_ROLE, instanceId=id_, ramRoleName=role)
    machines.make(operations.SECRET, secretParameterName="web/admin", value="hunter2")
    machines.change(storage.DISK, disk, size=300)
    assert ("create_disk", disk, 200, None) in hardware.calls
    assert ("attach_disk", disk, id_) in hardware.calls
    assert ("associate_address", "203.0.113.7", id_) in hardware.calls
    assert ("put_secret", "web/admin", "hunter2") in hardware.calls
    assert ("resize_disk", disk, 300) in hardware.calls
    attached = next(call for call in hardware.calls if call[0] == "attach_role")
    assert (attached[1], attached[3]) == ("web", id_)
    assert "oos:Get*" in attached[2]


def test_a_disk_is_born_of_a_snapshot_of_another(machines: Region, hardware: RecordingHardware) -> None:
    first = machines.disk()
    snapshot = storage.take_snapshot(machines.cloud, first)
    assert snapshot.startswith("s-t4n")
    machines.delete(storage.DISK, first)  # a snapshot outlives its disk
    second = machines.disk(snapshotId=snapshot, zoneId="ap-southeast-1a")
    assert hardware.calls[-1] == ("create_disk", second, 200, storage.snapshot_file(machines.cloud, snapshot))


def test_a_snapshot_that_could_not_be_taken_is_none(machines: Region, hardware: RecordingHardware) -> None:
    hardware.broken.add("snapshot_disk")
    disk = machines.disk()
    for id_ in (disk, "d-none"):
        with pytest.raises(CloudError):
            storage.take_snapshot(machines.cloud, id_)
    assert not list(machines.cloud.directory.glob("snapshots/*.img"))


def test_a_disk_of_a_region_without_machines_is_born_of_a_snapshot_too(region: Region) -> None:
    assert region.disk(snapshotId=storage.take_snapshot(region.cloud, region.disk()))


def test_what_the_hardware_cannot_make_is_not_recorded(machines: Region, hardware: RecordingHardware) -> None:
    hardware.broken |= {"create_disk", "create_machine"}
    for attempt in (machines.disk, machines.instance):
        with pytest.raises(CloudError, match="on fire"):
            attempt()
    inventory = machines.cloud.store.snapshot()
    assert not inventory.all(storage.DISK)
    assert not inventory.all(network.INSTANCE)
    assert hardware.names() == ["delete_machine"]


def test_addresses_come_from_the_hardware_and_run_out(machines: Region) -> None:
    made = [machines.outputs(address.EIP, machines.eip())["ipAddress"] for _ in range(2)]
    assert made == ["203.0.113.7", "203.0.113.8"]
    with pytest.raises(CloudError) as refusal:
        machines.eip()
    assert code(refusal) == "QuotaExceeded.Eip"


# --- Cloud Assistant ---


def invoke(region: Region, instance_id: str) -> str:
    return region.make(operations.INVOCATION, commandId=region.command(), instanceIds=[instance_id])


def test_a_command_runs_decoded_with_its_timeout(machines: Region, hardware: RecordingHardware) -> None:
    id_ = machines.instance()
    invocation = invoke(machines, id_)
    assert hardware.calls[-1] == ("run_command", id_, base64.b64decode(SCRIPT), 600)
    assert machines.outputs(operations.INVOCATION, invocation)["status"] == "Success"


def test_a_command_that_fails_leaves_a_half_made_invocation_and_its_output(tmp_path: Path) -> None:
    region = Region(tmp_path, RecordingHardware(exit_code=3, output="no GPU"))
    said: list[str] = []
    region.cloud.report = said.append
    with pytest.raises(HalfMadeError) as failure:
        invoke(region, region.instance())
    assert failure.value.reason == "Failed to reach target status. Last status: Failed."
    assert failure.value.outputs["status"] == "Failed"
    assert "exit status 3\nno GPU" in said[0]
    assert [path.read_text() for path in (tmp_path / "invocations").glob("*.log")] == ["no GPU"]
    [run] = operations.get_invocations(region.cloud, {"commandId": failure.value.outputs["commandId"]})["invocations"]
    assert (run["invocationStatus"], run["invokeInstances"][0]["exitCode"]) == ("Failed", 3)
    assert run["invokeInstances"][0]["output"] == ""  # as from the real data source


def test_a_command_needs_a_running_instance(region: Region) -> None:
    id_ = region.instance()
    region.set_status(id_, "Stopped")
    with pytest.raises(CloudError) as refusal:
        invoke(region, id_)
    assert code(refusal) == "InvalidInstance.NotRunning"


def test_commands_and_invocations_have_no_update_path() -> None:
    assert KINDS[operations.COMMAND].update is None
    assert KINDS[operations.INVOCATION].update is None


def test_timers_are_updated_only_beside_something_that_is_sent(region: Region) -> None:
    id_ = region.make(operations.ROS_STACK, stackName="timers", templateBody='{"a": 1}')
    region.change(operations.ROS_STACK, id_, templateBody='{"a": 2}')
    assert region.outputs(operations.ROS_STACK, id_)["templateBody"] == '{"a": 1}'
    region.change(operations.ROS_STACK, id_, templateBody='{"a": 3}', timeoutInMinutes=5)
    assert region.outputs(operations.ROS_STACK, id_)["templateBody"] == '{"a": 3}'
    with pytest.raises(CloudError) as refusal:
        region.make(operations.ROS_STACK, stackName="timers", templateBody="{}")
    assert code(refusal) == "StackExists"


# --- faults ---


def test_a_type_is_sold_out_in_one_zone_only(region: Region) -> None:
    region.cloud.faults.set(
        Fault(action="RunInstances", match={"zone": ZONE}, code="OperationDenied.NoStock", message="sold out")
    )
    vpc = region.vpc()
    group = [region.group(vpc)]
    with pytest.raises(CloudError, match="sold out"):
        region.instance(vswitchId=region.vswitch(vpc), securityGroups=group)
    elsewhere = region.vswitch(vpc, cidrBlock="10.20.2.0/24", zoneId="ap-southeast-1a")
    region.instance(vswitchId=elsewhere, securityGroups=group)


def test_a_fault_with_a_number_of_times_ends_by_itself(region: Region) -> None:
    region.cloud.faults.set(Fault(action="CreateVpc", code="QuotaExceeded.Vpc", times=1))
    with pytest.raises(CloudError):
        region.vpc()
    region.vpc()


def test_throttling_is_retried_but_not_for_ever(region: Region) -> None:
    region.cloud.faults.set(Fault(action="CreateVpc", code="Throttling.User", times=3))
    region.vpc()
    region.cloud.faults.set(Fault(action="CreateVpc", code="Throttling.User"))
    with pytest.raises(CloudError) as refusal:
        region.vpc()
    assert code(refusal) == "Throttling.User"


def test_a_commands_first_read_is_not_retried(region: Region) -> None:
    region.cloud.faults.set(Fault(action="DescribeCommands", code="Throttling.User", times=1))
    with pytest.raises(HalfMadeError):
        region.command()


def test_a_lost_answer_makes_one_instance_where_the_call_has_a_token(region: Region) -> None:
    region.cloud.faults.set(Fault(action="RunInstances", code="LostAnswer", times=1))
    region.instance()
    assert len(region.cloud.store.snapshot().all(network.INSTANCE)) == 1


def test_a_lost_answer_elsewhere_is_an_error_and_what_was_made_stays(region: Region) -> None:
    region.cloud.faults.set(Fault(action="CreateCommand", code="LostAnswer", times=1))
    with pytest.raises(CloudError):
        region.command()
    assert len(region.cloud.store.snapshot().all(operations.COMMAND)) == 1


# --- state and functions ---


def test_ids_look_like_the_clouds_and_the_state_is_for_its_owner_only(region: Region) -> None:
    assert region.instance().startswith("i-t4n")
    assert region.cloud.store.path.stat().st_mode & 0o777 == 0o600


def test_images_are_found_by_family_newest_first_and_none_is_no_error() -> None:
    family = "acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"
    found = get_images({"owners": "system", "imageFamily": family, "mostRecent": True})
    assert found["ids"] == [GPU_IMAGE]
    assert get_images({"owners": "self", "imageFamily": family})["images"] == []


def test_the_role_of_the_instance_needs_a_trust_in_ecs(region: Region) -> None:
    role = region.role(assumeRolePolicyDocument=TRUST)
    id_ = region.instance()
    attachment = region.make(identity.INSTANCE_ROLE, instanceId=id_, ramRoleName=role)
    assert region.outputs(network.INSTANCE, id_)["roleName"] == role
    with pytest.raises(CloudError) as refusal:
        region.delete(identity.ROLE, role)
    assert code(refusal) == "DeleteConflict.Role.Instance"
    region.delete(identity.INSTANCE_ROLE, attachment)
    region.delete(identity.ROLE, role)


def test_a_rule_made_while_its_instance_is_being_made_is_in_force_when_it_runs(tmp_path: Path) -> None:
    class Slow(RecordingHardware):
        """While the machine is being made, somebody adds a rule; before it is there, it takes none."""

        def create_machine(self, spec):
            self.broken.add("set_ingress")
            region.rule(group)
            self.broken.clear()
            super().create_machine(spec)

    hardware = Slow()
    region = Region(tmp_path, hardware)
    vpc = region.vpc()
    group = region.group(vpc)
    region.instance(vswitchId=region.vswitch(vpc), securityGroups=[group])
    [(_, _, rules)] = [call for call in hardware.calls if call[0] == "set_ingress"]
    assert [rule.ports for rule in rules] == [(443, 443)]
