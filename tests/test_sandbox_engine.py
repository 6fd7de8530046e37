"""The real engine against the stand-in region: what each change is called, what a failure leaves, what is stuck."""

import base64
import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pulumi
import pulumi_alicloud as alicloud
import pytest

from sandbox import engine
from sandbox.engine import Engine, EngineError, find_cli, readable
from sandbox.provider import address, network, operations, storage
from sandbox.provider.faults import Fault
from sandbox.provider.instance import set_status
from sandbox.provider.server import KINDS
from tests.driven import CLI, LEFTOVERS, MARKS, REPLACED, Driven, driven
from tests.region import GPU_IMAGE, POLICY, TRUST, ZONE, RecordingHardware

pytestmark = LEFTOVERS


@dataclass
class World:
    """A stack of every type that the provider has; tests change the values between two `up`s."""

    tags: str = "a"
    user_data: str = "#cloud-config\n"
    instance_type: str = "ecs.gn7i-c8g1.2xlarge"
    image: str = GPU_IMAGE
    disk_gib: int = 200
    zone: str = ZONE
    bandwidth: str = "100"
    port: str = "443/443"
    rule_text: str = "HTTPS"
    secret: str = "hunter2"
    script: str = "exit 0"
    protection: bool = False
    rerun: bool = True  # replace_on_changes=["#initerror"]

    def __call__(self) -> None:
        tags = {"team": self.tags}
        vpc = alicloud.vpc.Network("vpc", vpc_name="web", cidr_block="10.20.0.0/16", tags=tags)
        vswitch = alicloud.vpc.Switch("vswitch", vpc_id=vpc.id, cidr_block="10.20.1.0/24", zone_id=self.zone)
        group = alicloud.ecs.SecurityGroup("group", security_group_name="web", vpc_id=vpc.id)
        alicloud.ecs.SecurityGroupRule(
            "rule",
            security_group_id=group.id,
            type="ingress",
            ip_protocol="tcp",
            port_range=self.port,
            cidr_ip="203.0.113.0/24",
            description=self.rule_text,
        )
        role = alicloud.ram.Role("role", role_name="web", assume_role_policy_document=TRUST)
        policy = alicloud.ram.Policy("policy", policy_name="web", policy_document=POLICY)
        alicloud.ram.RolePolicyAttachment(
            "grant", role_name=role.role_name, policy_name=policy.policy_name, policy_type="Custom"
        )
        secret = alicloud.oos.SecretParameter("secret", secret_parameter_name="web/admin", value=self.secret)
        instance = self._instance(vswitch, group)
        alicloud.ecs.RamRoleAttachment("role-of", instance_id=instance.id, ram_role_name=role.role_name)
        disk = self._disk(instance)
        eip = alicloud.ecs.EipAddress("eip", bandwidth=self.bandwidth, internet_charge_type="PayByTraffic")
        alicloud.ecs.EipAssociation("association", allocation_id=eip.id, instance_id=instance.id)
        self._release(instance)
        self._alarm()
        found = alicloud.ecs.get_images(owners="system", name_regex="^ubuntu_24_04_x64_100G", most_recent=True)
        pulumi.export("image", found.images[0].id)
        pulumi.export("instance", instance.id)
        pulumi.export("disk", disk.id)
        pulumi.export("address", eip.ip_address)
        pulumi.export("privateIp", instance.primary_ip_address)
        pulumi.export("secret", secret.value)
        pulumi.export("role", role.arn)

    def _instance(self, vswitch: alicloud.vpc.Switch, group: alicloud.ecs.SecurityGroup) -> alicloud.ecs.Instance:
        return alicloud.ecs.Instance(
            "instance",
            instance_name="web",
            instance_type=self.instance_type,
            image_id=self.image,
            vswitch_id=vswitch.id,
            security_groups=[group.id],
            system_disk_category="cloud_essd",
            system_disk_size=100,
            user_data=base64.b64encode(self.user_data.encode()).decode(),
            status="Running",
            deletion_protection=self.protection,
            tags={"team": self.tags},
            opts=pulumi.ResourceOptions(delete_before_replace=True),
        )

    def _disk(self, instance: alicloud.ecs.Instance) -> alicloud.ecs.EcsDisk:
        disk = alicloud.ecs.EcsDisk("disk", zone_id=self.zone, category="cloud_essd", size=self.disk_gib)
        once = pulumi.ResourceOptions(delete_before_replace=True)
        alicloud.ecs.EcsDiskAttachment("attachment", disk_id=disk.id, instance_id=instance.id, opts=once)
        snapshots = alicloud.ecs.AutoSnapshotPolicy(
            "snapshots", repeat_weekdays=["1"], time_points=["3"], retention_days=7
        )
        alicloud.ecs.EcsAutoSnapshotPolicyAttachment(
            "snapshots-of", auto_snapshot_policy_id=snapshots.id, disk_id=disk.id
        )
        return disk

    def _release(self, instance: alicloud.ecs.Instance) -> None:
        command = alicloud.ecs.Command(
            "command",
            type="RunShellScript",
            command_content=base64.b64encode(self.script.encode()).decode(),
            timeout=600,
        )
        alicloud.ecs.EcsInvocation(
            "invocation",
            command_id=command.id,
            instance_ids=[instance.id],
            opts=pulumi.ResourceOptions(replace_on_changes=["#initerror"] if self.rerun else []),
        )

    def _alarm(self) -> None:
        contact = alicloud.cms.AlarmContact(
            "contact",
            alarm_contact_name="ops",
            describe="ops",
            channels_mail="a@b.c",
            opts=pulumi.ResourceOptions(ignore_changes=["channelsMail"]),  # not answered before it is confirmed
        )
        contacts = alicloud.cms.AlarmContactGroup(
            "contacts", alarm_contact_group_name="ops", contacts=[contact.alarm_contact_name]
        )
        alicloud.cms.Alarm(
            "alarm",
            project="acs_ecs_dashboard",
            metric="gpu_memory_usedutilization",
            contact_groups=[contacts.alarm_contact_group_name],
            escalations_critical={"comparison_operator": ">", "threshold": "90"},
        )
        alicloud.cms.EventRule(
            "event",
            rule_name="failure",
            event_pattern={"product": "ecs", "name_lists": ["Instance:SystemFailure.Reboot:Executing"]},
            contact_parameters=[{"contact_group_name": contacts.alarm_contact_group_name}],
        )
        alicloud.ros.Stack("timers", stack_name="timers", template_body='{"ROSTemplateFormatVersion": "2015-09-01"}')


@contextmanager
def world_stack(
    directory: Path, hardware: RecordingHardware | None = None, *, show_output: bool = False
) -> Iterator[tuple[Driven, World]]:
    project = directory / "program"
    project.mkdir()
    (project / "Pulumi.yaml").write_text("name: world\nruntime: python\n")
    (project / "Pulumi.test.yaml").write_text("config: {alicloud:region: ap-southeast-1}\n")
    world = World()
    with driven(
        directory, stack="test", project=project, program=world, hardware=hardware, show_output=show_output
    ) as stack:
        yield stack, world


@pytest.fixture
def new(tmp_path: Path) -> Iterator[tuple[Driven, World]]:
    with world_stack(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Driven, World]]:
    """A stack that is up, for the tests that change it one after the other."""
    with world_stack(tmp_path_factory.mktemp("standing")) as made:
        made[0].up()
        yield made


class TestLifeOfAStack:
    pytestmark = MARKS

    def test_every_type_goes_from_preview_to_destroy_and_nothing_is_left(self, new: tuple[Driven, World]) -> None:
        stack, _ = new
        assert set(stack.preview()) == {"create"}
        assert not stack.cloud.store.snapshot().resources
        made = stack.up()
        assert made == {"create": 1 + len(KINDS)}  # the stack, and a resource of each type
        assert set(stack.up()) == {"same"}
        assert set(stack.refresh()) == {"same"}
        assert set(stack.preview()) == {"same"}
        outputs = stack.engine.outputs()
        assert outputs["instance"].startswith("i-t4n")
        assert (outputs["address"], outputs["privateIp"]) == ("203.0.113.1", "10.20.1.1")
        assert (outputs["secret"], outputs["image"]) == ("hunter2", GPU_IMAGE)
        assert set(stack.destroy()) == {"delete"}
        assert stack.cloud.store.snapshot().resources == {}
        assert stack.engine.resources() == []

    def test_a_secret_is_in_clear_neither_in_the_state_nor_in_the_log(
        self, new: tuple[Driven, World], tmp_path: Path
    ) -> None:
        new[0].up()
        new[0].refresh()
        texts = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
        assert not [text for text in texts if b"hunter2" in text]
        assert (tmp_path / "state" / "passphrase").stat().st_mode & 0o777 == 0o600


CHANGES: dict[str, tuple[dict[str, Any], dict[str, list[str]]]] = {
    "tags": ({"tags": "b"}, {"vpc": ["update"], "instance": ["update"]}),
    "user data": ({"user_data": "#cloud-config\n{}\n"}, {"instance": ["update"]}),
    "type": ({"instance_type": "ecs.gn7i-c16g1.4xlarge"}, {"instance": ["update"]}),
    "image": ({"image": "m-custom0000000001"}, {"instance": ["update"]}),
    "disk size": ({"disk_gib": 300}, {"disk": ["update"]}),
    "bandwidth": ({"bandwidth": "50"}, {"eip": ["update"]}),
    "rule text": ({"rule_text": "TLS"}, {"rule": ["update"]}),
    "secret": ({"secret": "hunter3"}, {"secret": ["update"]}),
    "port": ({"port": "8443/8443"}, {"rule": REPLACED}),
    "script": ({"script": "exit 0 # again"}, {"command": REPLACED, "invocation": REPLACED}),
}


class TestChanges:
    pytestmark = MARKS

    @pytest.mark.parametrize("change", CHANGES)
    def test_a_change_is_called_what_the_real_provider_calls_it(
        self, standing: tuple[Driven, World], change: str
    ) -> None:
        stack, world = standing
        values, expected = CHANGES[change]
        kept = {token: set(stack.held(token)) for token in (network.INSTANCE, storage.DISK, address.EIP)}
        vars(world).update(values)
        stack.up()
        assert stack.steps == expected
        assert {token: set(stack.held(token)) for token in kept} == kept

    def test_after_all_of_them_nothing_differs(self, standing: tuple[Driven, World]) -> None:
        assert set(standing[0].preview()) == {"same"}

    def test_a_moved_zone_replaces_vswitch_disk_and_what_hangs_on_them(self, standing: tuple[Driven, World]) -> None:
        stack, world = standing
        world.zone = "ap-southeast-1a"
        stack.preview()
        world.zone = ZONE
        replaced = {name for name, steps in stack.steps.items() if "replace" in steps}
        assert replaced >= {"vswitch", "disk", "attachment", "snapshots-of"}

    def test_a_machine_stopped_by_hand_is_started_by_up_with_refresh(self, standing: tuple[Driven, World]) -> None:
        stack, _ = standing
        (id_,) = stack.held(network.INSTANCE)
        set_status(stack.cloud, id_, "Stopped")
        assert set(stack.up()) == {"same"}
        stack.up(refresh=True)
        assert stack.calls() == ["StartInstance"]
        assert stack.held(network.INSTANCE)[id_]["status"] == "Running"


class TestFailures:
    pytestmark = MARKS

    def test_a_type_without_stock_leaves_the_machine_stopped_until_a_refresh(self, new: tuple[Driven, World]) -> None:
        stack, world = new
        stack.up()
        old, world.instance_type = world.instance_type, "ecs.gn7i-c16g1.4xlarge"
        stack.cloud.faults.set(Fault(action="ModifyInstanceSpec", code="OperationDenied.NoStock", message="sold out"))
        with pytest.raises(EngineError, match=r"OperationDenied\.NoStock\n +Message: sold out"):
            stack.up()
        assert stack.calls() == ["StopInstance"]
        world.instance_type = old
        assert stack.up()["update"] == 1  # "1 updated", and no call
        assert stack.calls() == []
        stack.up(refresh=True)
        assert stack.calls() == ["StartInstance"]

    def test_out_of_stock_comes_last_is_told_once_and_the_next_up_goes_on(self, new: tuple[Driven, World]) -> None:
        stack, _ = new
        stack.cloud.faults.set(Fault(action="RunInstances", match={"zone": ZONE}, code="OperationDenied.NoStock"))
        with pytest.raises(EngineError) as failure:
            stack.up()
        text = str(failure.value)
        assert text.count("OperationDenied.NoStock") == 1
        assert "Traceback" not in text
        assert "<{%" not in text
        stack.cloud.faults.set()
        stack.up()
        assert "vpc" not in stack.steps
        assert stack.steps["instance"] == ["create"]

    def test_cloud_protection_is_found_out_too_late(self, new: tuple[Driven, World]) -> None:
        stack, world = new
        world.protection = True
        stack.up()
        with pytest.raises(EngineError, match=r"InvalidOperation\.DeletionProtection"):
            stack.destroy()
        left = {resource["type"] for resource in stack.engine.resources()}
        assert network.INSTANCE in left
        assert operations.INVOCATION not in left
        world.protection = False
        stack.up()
        stack.destroy()
        assert stack.cloud.store.snapshot().resources == {}


class TestTheGate:
    """The invocation: what its failure leaves (facts/engine.md, trap 5)."""

    pytestmark = MARKS

    def test_a_failed_command_is_run_again_with_initerror_among_replace_on_changes(self, tmp_path: Path) -> None:
        hardware = RecordingHardware(exit_code=1, output="no GPU")
        with world_stack(tmp_path, hardware, show_output=True) as (stack, _):
            with pytest.raises(EngineError, match=r"Failed to reach target status\. Last status: Failed\."):
                stack.up()
            assert any("exit status 1\nno GPU" in line for line in stack.said)
            hardware.result = replace(hardware.result, exit_code=0)
            stack.up()
            assert stack.steps == {"invocation": REPLACED}
            assert hardware.names().count("run_command") == 2
            assert set(stack.preview()) == {"same"}

    def test_without_it_the_stack_is_stuck(self, tmp_path: Path) -> None:
        hardware = RecordingHardware(exit_code=1, output="no GPU")
        with world_stack(tmp_path, hardware) as (stack, world):
            world.rerun = False
            with pytest.raises(EngineError):
                stack.up()
            assert not any("no GPU" in line for line in stack.said)
            hardware.result = replace(hardware.result, exit_code=0)
            for _ in range(2):
                with pytest.raises(EngineError, match="doesn't support update"):
                    stack.up()

    def test_a_throttled_first_read_leaves_a_command_that_a_refresh_clears(self, new: tuple[Driven, World]) -> None:
        stack, _ = new
        stack.cloud.faults.set(Fault(action="DescribeCommands", code="Throttling.User", times=1))
        with pytest.raises(EngineError, match=r"Throttling\.User"):
            stack.up()
        with pytest.raises(EngineError, match="doesn't support update"):
            stack.up()
        stack.up(refresh=True)
        assert set(stack.preview()) == {"same"}


class TestMachines:
    pytestmark = MARKS

    def test_a_machine_that_went_off_by_itself_is_seen_by_refresh_and_started(self, tmp_path: Path) -> None:
        hardware = RecordingHardware()
        with world_stack(tmp_path, hardware) as (stack, _):
            stack.up()
            (id_,) = stack.held(network.INSTANCE)
            hardware.off.add(id_)
            stack.refresh()
            assert stack.steps["instance"] == ["refresh"]
            assert stack.held(network.INSTANCE)[id_]["status"] == "Stopped"
            stack.up()
            assert stack.steps == {"instance": ["update"]}
            assert hardware.names()[-1] == "start_machine"


class TestWhatIsNotThere:
    pytestmark = MARKS

    def test_another_type_is_an_error_that_names_it(self, new: tuple[Driven, World]) -> None:
        def program() -> None:
            alicloud.oss.Bucket("bucket")

        stack, _ = new
        stack.engine = replace(stack.engine, program=program)
        with pytest.raises(EngineError, match="alicloud:oss/bucket:Bucket"):
            stack.preview()

    def test_another_function_is_an_error_that_names_it(self, new: tuple[Driven, World]) -> None:
        def program() -> None:
            alicloud.get_zones()

        stack, _ = new
        stack.engine = replace(stack.engine, program=program)
        with pytest.raises(EngineError, match="alicloud:index/getZones:getZones"):
            stack.preview()

    def test_what_check_refuses_fails_the_preview_and_names_the_property(self, new: tuple[Driven, World]) -> None:
        stack, world = new
        world.instance_type = "gn7i-c8g1.2xlarge"
        with pytest.raises(EngineError, match="instanceType"):
            stack.preview()


class TestConfig:
    """The committed stack file, the caller's values over it, and secrets."""

    pytestmark = MARKS

    @pytest.fixture
    def project(self, tmp_path: Path) -> Path:
        directory = tmp_path / "project"
        directory.mkdir()
        (directory / "Pulumi.yaml").write_text("name: world\nruntime: python\n")
        (directory / "Pulumi.test.yaml").write_text(
            "config:\n  world:models: [a, b]\n  world:plain: text\n  world:key: {secure: v1:abc}\n"
        )
        return directory

    def engine(self, project: Path, **values: Any) -> Engine:
        assert CLI is not None
        return Engine(
            cli=CLI, stack="test", state_dir=project.parent / "state", provider_port=1, project_dir=project, **values
        )

    def test_values_replace_keys_and_the_committed_file_stays(self, project: Path) -> None:
        seen: dict[str, Any] = {}

        def program() -> None:
            config = pulumi.Config("world")
            seen.update(models=config.require_object("models"), plain=config.get("plain"), key=config.get("key"))

        committed = (project / "Pulumi.test.yaml").read_text()
        for _ in range(2):  # the second time on the state of the first
            made = self.engine(
                project,
                program=program,
                config={"world:models": ["c"], "world:plain": None},
                secret_config={"world:key": "hunter2"},
            )
            made.up()
        assert (seen["models"], seen["plain"], seen["key"]) == (["c"], None, "hunter2")
        assert (project / "Pulumi.test.yaml").read_text() == committed
        written = [path for path in (project.parent / "state").rglob("*") if path.is_file()]
        assert not [path for path in written if b"hunter2" in path.read_bytes()]

    def test_a_value_encrypted_for_another_state_is_refused_by_name(self, project: Path) -> None:
        with pytest.raises(EngineError, match="world:key is encrypted for another state"):
            self.engine(project).preview()

    def test_the_lock_of_a_process_that_is_gone_is_dropped_and_that_of_another_is_not(self, project: Path) -> None:
        made = self.engine(project, program=lambda: None, secret_config={"world:key": "x"})
        made.up()
        lock = made.state_dir / ".pulumi/locks/organization/world/test/0d6a.json"
        lock.parent.mkdir(parents=True, exist_ok=True)
        who = {"username": "root", "hostname": "here", "timestamp": "2026-11-27T00:00:00Z"}
        lock.write_text(json.dumps({"pid": os.getpid(), **who}))
        with pytest.raises(EngineError, match="locked"):
            made.up()
        ended = subprocess.Popen(["true"])
        ended.wait()
        lock.write_text(json.dumps({"pid": ended.pid, **who}))
        made.up()


class TestTheCli:
    def fake(self, directory: Path, version: str) -> Path:
        cli = directory / "pulumi"
        cli.parent.mkdir(parents=True, exist_ok=True)
        cli.write_text(f"#!/bin/sh\necho {version}\n")
        cli.chmod(0o755)
        return cli

    def test_one_on_path_is_taken_if_it_is_new_enough(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        assert find_cli() is None
        assert find_cli() != self.fake(tmp_path, "v3.120.0")
        newer = self.fake(tmp_path, "v3.300.1")
        assert find_cli() == newer

    def test_the_built_one_serves_where_path_has_an_old_one(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
        self.fake(tmp_path, "v3.120.0")
        built = self.fake(engine.cache_dir() / f"pulumi-{engine.PINNED}" / "bin", f"v{engine.PINNED}")
        assert find_cli() == built

    def test_building_without_go_says_what_to_install(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("PATH", str(tmp_path))
        with pytest.raises(EngineError, match=r"install Go 1\.26"):
            engine.build_cli(lambda _: None)

    def test_the_pin_and_the_module_agree(self) -> None:
        module = (engine.REPOSITORY / "tools" / "pulumi" / "go.mod").read_text()
        assert f"github.com/pulumi/pulumi/pkg/v3 v{engine.PINNED} " in module

    def test_colours_and_tracebacks_are_taken_out_of_messages(self) -> None:
        message = "<{%fg 1%}>bad\x1b[31m value<{%reset%}>\nTraceback (most recent call last):\n  File …"
        assert readable(message) == "bad value"


def test_the_passphrase_and_the_program_are_not_in_the_repr() -> None:
    made = Engine(
        cli=Path("pulumi"),
        stack="s",
        state_dir=Path("x"),
        provider_port=1,
        secret_config={"open-webui:adminPassword": "hunter2"},
    )
    assert "hunter2" not in repr(made)
    assert "hunter2" not in json.dumps(repr(engine.Outcome(changes={}, outputs={"adminPassword": "hunter2"})))
