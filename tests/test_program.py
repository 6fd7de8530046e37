"""The real `__main__.py` with each committed stack file, as preview and as update, and what must hold of all of it."""

import base64
import json
import re
from pathlib import Path

import pytest
import yaml

from infra.settings import Settings
from ops.program import record_stack
from ops.recording import Recording
from ops.values import UNKNOWN, Secret

ROOT = Path(__file__).parent.parent
STACKS = sorted(path.name.split(".")[1] for path in ROOT.glob("Pulumi.*.yaml"))
# Types that cannot carry tags (pulumi-alicloud 4.0.0).
UNTAGGED = {
    "SecurityGroupRule",
    "RolePolicyAttachment",
    "RamRoleAttachment",
    "EcsDiskAttachment",
    "EcsAutoSnapshotPolicyAttachment",
    "EipAssociation",
    "Command",
    "EcsInvocation",
    "AlarmContact",
    "AlarmContactGroup",
    "Alarm",
    "EventRule",
    "Execution",
}
_RECORDINGS: dict[tuple[str, bool], Recording] = {}


@pytest.fixture(params=[(stack, preview) for stack in STACKS for preview in (True, False)], ids=str)
def recording(request):
    if request.param not in _RECORDINGS:
        stack, preview = request.param
        _RECORDINGS[request.param] = record_stack(stack, preview=preview).recording
    return _RECORDINGS[request.param]


def of_type(recording, name):
    return [resource for resource in cloud(recording) if resource.type.split(":")[-1] == name]


def cloud(recording):
    return [resource for resource in recording.resources if resource.type.startswith("alicloud:")]


def test_three_environments_are_committed():
    assert {"dev", "staging", "prod"} <= set(STACKS)


def test_every_resource_has_a_component_for_its_parent(recording):
    for resource in cloud(recording):
        assert "openwebui:infra:" in resource.parent, resource.urn


def test_every_resource_that_can_carries_the_tags(recording):
    for resource in cloud(recording):
        if resource.type.split(":")[-1] not in UNTAGGED:
            assert resource.inputs["tags"]["managed-by"] == "pulumi", resource.urn
            assert resource.inputs["tags"]["stack"] == recording.stack


def test_nothing_but_the_acme_challenge_is_open_to_the_world(recording):
    for rule in of_type(recording, "SecurityGroupRule"):
        assert rule.inputs["portRange"] in ("443/443", "80/80")
        if rule.inputs["cidrIp"] == "0.0.0.0/0":
            assert rule.inputs["portRange"] == "80/80"


def test_every_disk_is_encrypted(recording):
    assert all(disk.inputs["encrypted"] is True for disk in of_type(recording, "EcsDisk"))
    assert all(machine.inputs["systemDiskEncrypted"] is True for machine in of_type(recording, "Instance"))


def test_every_secret_is_one(recording):
    for parameter in of_type(recording, "SecretParameter"):
        assert isinstance(parameter.inputs["value"], Secret)
    assert isinstance(recording.outputs["adminPassword"], Secret)


def test_user_data_is_known_at_preview_and_cloud_config(recording):
    (machine,) = of_type(recording, "Instance")
    assert machine.inputs["userData"] is not UNKNOWN
    text = base64.b64decode(machine.inputs["userData"]).decode()
    assert text.startswith("#cloud-config\n")
    assert isinstance(yaml.safe_load(text), dict)
    assert len(text.encode()) < 32 * 1024


def test_what_a_preview_declares_an_update_creates():
    for stack in STACKS:
        names = [
            {resource.urn for resource in record_stack(stack, preview=preview).recording.resources}
            for preview in (True, False)
        ]
        assert names[0] == names[1]


def test_the_zone_is_the_stack_files_and_nothing_else(recording):
    wanted = yaml.safe_load((ROOT / f"Pulumi.{recording.stack}.yaml").read_text())["config"]["open-webui:instance"]
    zones = {r.inputs[key] for r in cloud(recording) for key in ("zoneId", "availabilityZone") if key in r.inputs}
    assert zones == {wanted["zone"]}


def test_the_outputs_are_the_promised_ones(recording):
    promised = {"address", "adminEmail", "adminPassword", "instanceId", "publicIp", "dataDiskId", "release", "logs"}
    assert promised <= recording.outputs.keys()


def test_what_has_no_update_or_a_fixed_name_lets_go_first(recording):
    for name in ("SecretParameter", "Role", "Policy", "Switch", "Instance", "EcsDiskAttachment", "EipAssociation"):
        assert all(r.options.delete_before_replace for r in of_type(recording, name)), name


def test_the_stack_file_of_prod_protects_what_it_must_not_lose():
    prod = record_stack("prod").recording
    assert of_type(prod, "EcsDisk")[0].options.protect
    assert of_type(prod, "Instance")[0].options.protect
    assert not of_type(prod, "Network")


def test_the_declared_config_is_the_settings():
    declared = set(yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"])
    fields = {
        f"open-webui:{field.alias or name}" for name, field in Settings.model_fields.items() if field.description
    } - {"open-webui:alicloud:region"}
    assert declared == fields | {"open-webui:adminPassword"}


def test_no_provider_setting_is_overridden(recording):
    assert not [r for r in recording.resources if r.type.startswith("pulumi:providers:")]


def test_a_recording_holds_no_python_error_text(recording):
    assert not re.search(
        r"Traceback|<pulumi\.Output", json.dumps([r.inputs for r in recording.resources], default=repr)
    )
