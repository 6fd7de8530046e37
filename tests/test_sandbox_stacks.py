"""The real program with every committed stack file, on the real engine against the stand-in region."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.engine import REPOSITORY, EngineError
from sandbox.provider import address, network, operations, storage
from sandbox.provider.faults import Fault
from sandbox.provider.instance import set_status
from sandbox.provider.network import add_vpc, add_vswitch
from tests.driven import LEFTOVERS, MARKS, REPLACED, REPLACED_DELETED_FIRST, Driven, driven, reconfigured
from tests.region import RecordingHardware

pytestmark = [*MARKS, *LEFTOVERS]

STACKS = sorted(path.name.split(".")[1] for path in REPOSITORY.glob("Pulumi.*.yaml"))
LASTING = (network.INSTANCE, storage.DISK, address.EIP)
RELEASED = {"release-carry", "release-carry-run", "release-gate", "release-gate-run"}


def committed(stack: str, section: str) -> dict[str, Any]:
    """A section of a committed stack file."""
    config = yaml.safe_load((REPOSITORY / f"Pulumi.{stack}.yaml").read_text())["config"]
    found: dict[str, Any] = config.get(f"open-webui:{section}", {})
    return found


def with_existing_network(stack: Driven, name: str) -> None:
    """Put the network that the stack file refers to into the region."""
    section = committed(name, "network")
    if "existingVpcId" not in section:
        return
    zone = committed(name, "instance")["zone"]
    vpc, vswitch = section["existingVpcId"], section["existingVswitchId"]
    with stack.cloud.store.transaction() as inventory:
        add_vpc(inventory, vpc, {"cidrBlock": "10.0.0.0/8"})
        add_vswitch(inventory, vswitch, {"vpcId": vpc, "cidrBlock": "10.9.0.0/24", "zoneId": zone})


@pytest.mark.parametrize("name", STACKS)
def test_a_committed_stack_goes_from_preview_to_destroy(name: str, tmp_path: Path) -> None:
    with driven(tmp_path, stack=name) as stack:
        with_existing_network(stack, name)
        before = set(stack.cloud.store.snapshot().resources)
        assert set(stack.preview()) == {"create"}
        assert set(stack.up()) == {"create"}
        assert set(stack.up()) == {"same"}
        assert set(stack.refresh()) == {"same"}
        assert set(stack.preview()) == {"same"}
        unprotect(stack, name)
        assert set(stack.destroy()) == {"delete"}
        # Runs are retained on purpose: the cloud forgets them by itself.
        assert set(stack.cloud.store.snapshot().resources) == {*before, operations.INVOCATION}


def unprotect(stack: Driven, name: str) -> None:
    """What a person does before the end of a protected stack; the protected one says no first."""
    protected = {section: committed(name, section) for section in ("instance", "dataDisk")}
    protected = {key: values for key, values in protected.items() if values.get("protect")}
    if not protected:
        return
    with pytest.raises(EngineError, match="protect"):
        stack.destroy()
    assert not stack.calls()
    stack.engine = reconfigured(
        stack.engine, **{key: {**values, "protect": False} for key, values in protected.items()}
    )
    stack.up()


class Dev:
    """The dev stack, up. Each test changes sections over what the tests before it left."""

    def __init__(self, stack: Driven) -> None:
        self.stack = stack
        self._sections: dict[str, Any] = {}

    def change(self, **sections: Any) -> dict[str, list[str]]:
        """Bring the stack up with these sections; returns what happened to which resource."""
        self._sections |= sections
        self.stack.engine = reconfigured(self.stack.engine, **self._sections)
        self.stack.up()
        return self.stack.steps

    def lasting(self) -> dict[str, list[str]]:
        """The ids of what most changes must keep."""
        return {token: sorted(self.stack.held(token)) for token in LASTING}


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    with driven(tmp_path_factory.mktemp("dev"), stack="dev") as stack:
        stack.up()
        yield Dev(stack)


INSTANCE = committed("dev", "instance")


def test_tags_are_updates_and_never_a_restart(dev: Dev) -> None:
    before = dev.lasting()
    steps = dev.change(tags={"team": "platform"})
    assert {tuple(step) for step in steps.values()} == {("update",)}
    assert {"box-instance", "data-disk", "public-address"} <= set(steps)
    assert "StopInstance" not in dev.stack.calls()
    assert dev.lasting() == before


def test_bandwidth_is_an_update_of_the_address_alone(dev: Dev) -> None:
    assert dev.change(publicAddress={"bandwidthMbps": 50}) == {"public-address": ["update"]}


def test_the_data_disk_grows_online(dev: Dev) -> None:
    ((disk, held),) = dev.stack.held(storage.DISK).items()
    steps = dev.change(dataDisk={"sizeGib": held["size"] + 100})
    assert steps.pop("data-disk") == ["update"]
    assert set(steps) <= RELEASED
    assert dev.stack.held(storage.DISK)[disk]["size"] == held["size"] + 100
    assert "StopInstance" not in dev.stack.calls()


@pytest.mark.parametrize(
    "sections",
    [
        {"models": ["qwen3:8b", "qwen3:4b"]},
        {"openWebui": {"environment": {"WEBUI_NAME": "Chat"}}},
        {"ollama": {"contextLength": 8192}},
    ],
    ids=["model", "environment", "context length"],
)
def test_what_the_box_runs_is_released_without_touching_the_instance(dev: Dev, sections: dict[str, Any]) -> None:
    before = dev.lasting()
    assert set(dev.change(**sections)) == RELEASED
    assert "StopInstance" not in dev.stack.calls()
    assert dev.lasting() == before


def test_another_instance_type_is_a_restart_that_keeps_disk_and_address(dev: Dev) -> None:
    before = dev.lasting()
    steps = dev.change(instance={**INSTANCE, "type": "ecs.gn7i-c16g1.4xlarge"})
    assert steps["box-instance"] == ["update"]
    assert dev.stack.calls()[:3] == ["StopInstance", "ModifyInstanceSpec", "StartInstance"]
    assert dev.stack.calls().count("InvokeCommand") == 2  # the gate waits for the machine that came back
    assert dev.lasting() == before


def test_a_replaced_instance_keeps_the_data_disk_and_the_address(dev: Dev) -> None:
    before = dev.lasting()
    steps = dev.change(instance={**INSTANCE, "spot": {"maxHourlyPrice": 2}})
    after = dev.lasting()
    assert after.pop(network.INSTANCE) != before.pop(network.INSTANCE)
    assert after == before
    for name in ("box-instance", "box-data-disk", "box-role", "public-association"):
        assert steps[name] == REPLACED_DELETED_FIRST
    (held,), (instance_id,) = dev.stack.held(storage.DISK).values(), dev.stack.held(network.INSTANCE)
    assert held["instanceId"] == instance_id


def test_a_machine_stopped_by_hand_is_started_by_up_with_refresh(dev: Dev) -> None:
    (id_,) = dev.stack.held(network.INSTANCE)
    set_status(dev.stack.cloud, id_, "Stopped")
    dev.stack.up(refresh=True)
    assert dev.stack.calls() == ["StartInstance"]


def test_an_allowed_network_more_is_a_rule_more(dev: Dev) -> None:
    networks = [*committed("dev", "access")["allowedNetworks"], "198.51.100.0/24"]
    assert dev.change(access={"allowedNetworks": networks}) == {"firewall-https-198-51-100-0-24": ["create"]}


def test_after_all_of_them_nothing_differs(dev: Dev) -> None:
    assert set(dev.stack.preview()) == {"same"}


MOVED = ("box-instance", "box-data-disk", "box-role", "public-association", "network-vswitch")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Dev]:
    with driven(tmp_path, stack="dev") as stack:
        stack.up()
        yield Dev(stack)


def order(dev: Dev, *actions: str) -> list[str]:
    return [action for action in dev.stack.calls() if action in actions]


def test_another_zone_makes_the_instance_anew_on_a_copy_of_the_data_and_keeps_the_address(fresh: Dev) -> None:
    before = fresh.lasting()
    snapshot = storage.snapshot_file(fresh.stack.cloud, "s-leave-zone")
    snapshot.parent.mkdir()
    snapshot.touch()
    steps = fresh.change(
        instance={**INSTANCE, "zone": "ap-southeast-1a"}, dataDisk={"snapshotId": "s-leave-zone", "sizeGib": 200}
    )
    after = fresh.lasting()
    assert {name: steps[name] for name in MOVED} == dict.fromkeys(MOVED, REPLACED_DELETED_FIRST)
    assert steps["data-disk"][0] == "create-replacement"  # the copy is there before the old disk goes
    (machine,) = fresh.stack.held(network.INSTANCE).values()
    (vswitch,) = fresh.stack.held(network.VSWITCH).values()
    assert machine["availabilityZone"] == vswitch["zoneId"] == "ap-southeast-1a"
    assert [held["snapshotId"] for held in fresh.stack.held(storage.DISK).values()] == ["s-leave-zone"]
    assert order(fresh, "DeleteInstance", "DeleteVSwitch", "CreateVSwitch", "RunInstances") == [
        "DeleteInstance",
        "DeleteVSwitch",
        "CreateVSwitch",
        "RunInstances",
    ]
    assert after[address.EIP] == before[address.EIP]
    assert after[storage.DISK] != before[storage.DISK]
    assert set(fresh.stack.up()) == {"same"}


def test_another_range_of_the_own_network_makes_the_instance_anew_and_keeps_disk_and_address(fresh: Dev) -> None:
    before = fresh.lasting()
    steps = fresh.change(network={"vpcCidr": "10.20.0.0/16", "vswitchCidr": "10.20.2.0/24"})
    after = fresh.lasting()
    assert {name: steps[name] for name in MOVED} == dict.fromkeys(MOVED, REPLACED_DELETED_FIRST)
    assert after.pop(network.INSTANCE) != before.pop(network.INSTANCE)
    assert after == before
    assert set(fresh.stack.up()) == {"same"}


def test_a_subscription_without_renewal_is_bought_once(tmp_path: Path) -> None:
    with driven(tmp_path, stack="dev") as stack:
        stack.engine = reconfigured(stack.engine, billing={"mode": "subscription", "months": 1})
        stack.up()
        assert set(stack.up()) == {"same"}
        assert set(stack.refresh()) == {"same"}
        stack.engine = reconfigured(stack.engine, billing={"mode": "subscription", "months": 1, "autoRenew": True})
        stack.up()
        assert stack.steps == {"box-instance": ["update"]}
        assert set(stack.up()) == {"same"}
        assert set(stack.destroy()) == {"delete"}


def test_the_world_keeps_the_redirect_when_the_certificate_comes_from_within(tmp_path: Path) -> None:
    def ports(stack: Driven) -> set[str]:
        return {rule["portRange"] for rule in stack.held(network.RULE).values()}

    with driven(tmp_path, stack="dev") as stack:
        stack.engine = reconfigured(stack.engine, access={"allowedNetworks": ["0.0.0.0/0"]})
        stack.up()
        stack.engine = reconfigured(
            stack.engine, access={"allowedNetworks": ["0.0.0.0/0"], "tls": {"mode": "internal"}}
        )
        stack.up()
        assert stack.steps["firewall-acme"] == ["update"]
        assert ports(stack) == {"443/443", "80/80"}


def test_a_release_that_fails_ends_up_with_the_reason_and_the_next_up_runs_it_again(tmp_path: Path) -> None:
    hardware = RecordingHardware()
    with driven(tmp_path, stack="dev", hardware=hardware) as stack:
        made = Dev(stack)
        stack.up()
        before = made.lasting()
        hardware.result = replace(hardware.result, exit_code=1, output="ollama.service failed")
        with pytest.raises(EngineError, match=r"Last status: Failed"):
            made.change(models=["qwen3:4b"])
        hardware.result = replace(hardware.result, exit_code=0)
        steps = made.change()
        # Kept on delete: the cloud forgets old runs by itself.
        assert steps["release-carry-run"][:2] == REPLACED[:2]
        assert set(stack.preview()) == {"same"}
        assert made.lasting() == before


def test_a_sold_out_type_is_named_and_up_goes_on_when_stock_is_back(tmp_path: Path) -> None:
    with driven(tmp_path, stack="dev") as stack:
        sold_out = Fault(
            action="RunInstances",
            match={"instanceType": INSTANCE["type"], "zone": INSTANCE["zone"]},
            code="OperationDenied.NoStock",
            message="The resource is out of stock in the specified zone.",
        )
        stack.cloud.faults.set(sold_out)
        with pytest.raises(EngineError, match="out of stock"):
            stack.up()
        (address_before,) = stack.held(address.EIP)
        stack.cloud.faults.set()
        stack.up()
        assert list(stack.held(address.EIP)) == [address_before]
        assert stack.steps["box-instance"] == ["create"]


def test_what_is_wrong_with_the_config_is_told_before_any_resource(tmp_path: Path) -> None:
    with driven(tmp_path, stack="dev") as stack:
        stack.engine = reconfigured(stack.engine, instance={**INSTANCE, "type": "gn7i"}, admin=None)
        with pytest.raises(EngineError) as failure:
            stack.preview()
        text = str(failure.value)
        assert "open-webui:instance.type" in text
        assert "open-webui:admin" in text
        assert "Traceback" not in text
        assert set(stack.steps) == {"open-webui-dev"}  # the stack itself


@pytest.mark.parametrize(
    ("sections", "said"),
    [
        ({"alarms": {}}, "open-webui:alarms.contacts"),
        ({"tags": {"team": "\u0000"}}, "NUL"),
        ({"adminPassword": ["correct horse battery"]}, "it is a list or a mapping"),
        ({"models": []}, "1 to 20 models"),
    ],
    ids=["empty section", "NUL", "password that is a list", "no model"],
)
def test_up_refuses_what_preview_refuses(tmp_path: Path, sections: dict[str, Any], said: str) -> None:
    with driven(tmp_path, stack="dev") as stack:
        stack.engine = reconfigured(stack.engine, **sections)
        with pytest.raises(EngineError) as failure:
            stack.preview()
        assert said in str(failure.value)
        assert "Traceback" not in str(failure.value)


def test_up_refuses_a_secret_inside_a_section_and_does_not_show_it(tmp_path: Path) -> None:
    with driven(tmp_path, stack="dev") as stack:
        stack.engine = replace(stack.engine, secret_config={"open-webui:tags": '{"team": "hunter2"}'})
        with pytest.raises(EngineError) as failure:
            stack.preview()
        assert "open-webui:tags\n" in str(failure.value)
        assert "goes to the machine in clear" in str(failure.value)
        assert "hunter2" not in str(failure.value)
