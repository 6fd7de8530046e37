import json
from dataclasses import replace

import pulumi_alicloud as alicloud
import pytest

from infra import stack
from infra.alarms import Alarms, AlarmsArgs, ReadinessReports, contact_name
from infra.settings import Settings
from ops.values import UNKNOWN
from tests import configs

ARGS = AlarmsArgs(
    contacts=("ops@example.com", "night@example.com"),
    instance_id="i-1",
    allocation_id="eip-1",
    gpu=True,
    stops_on_schedule=False,
    readiness=None,
    physical_name="open-webui-prod",
)
# name -> namespace, metric, operator, threshold, periods in a row, level
ON_THE_MACHINE = {
    "cpu": ("acs_ecs_dashboard", "CPUUtilization", ">=", "90", 3, "Warn"),
    "memory": ("acs_ecs_dashboard", "memory_usedutilization", ">=", "90", 3, "Warn"),
    "disk": ("acs_ecs_dashboard", "diskusage_utilization", ">=", "85", 1, "Critical"),
}
ON_THE_GPU = {
    "gpu-memory": ("acs_ecs_dashboard", "instance_gpu_memory_usedutilization", ">=", "97", 3, "Warn"),
    "gpu-temperature": ("acs_ecs_dashboard", "instance_gpu_gpu_temperature", ">=", "85", 2, "Critical"),
}
ON_THE_ADDRESS = {"traffic": ("acs_vpc_eip", "net_out.rate_percentage", ">=", "90", 3, "Warn")}
BY_THE_BOX = "acs_customMetric_1234567890123456"
ON_THE_SERVICE = {
    "service": (BY_THE_BOX, "open_webui_ready", "<", "0.5", 2, "Critical"),
    "certificate": (BY_THE_BOX, "open_webui_certificate", "<", "0.5", 15, "Critical"),
}


def declare(args=ARGS, *, reports=False):
    """A program with the alarms, and with a service that reports where wanted."""

    def program():
        readiness = (
            ReadinessReports(account_id="1234567890123456", since=alicloud.vpc.Network("box"), certificate=True)
            if reports
            else None
        )
        Alarms("alarms", replace(args, readiness=readiness))

    return program


def rules(made):
    return {name.removeprefix("alarms-"): one for name, one in made.items() if one.type == "alicloud:cms/alarm:Alarm"}


def told(rule):
    """A rule as the tables above write it."""
    inputs = rule.inputs
    (level,) = [key for key in inputs if key.startswith("escalations")]
    escalation = inputs[level]
    assert escalation["statistics"] == "Average"
    return (
        inputs["project"],
        inputs["metric"],
        escalation["comparisonOperator"],
        escalation["threshold"],
        escalation["times"],
        level.removeprefix("escalations"),
    )


@pytest.mark.parametrize("preview", [True, False])
def test_each_rule_has_its_metric_threshold_and_escalation(deploy, preview):
    made = rules(deploy(declare(reports=True), preview=preview))
    wanted = {**ON_THE_MACHINE, **ON_THE_GPU, **ON_THE_ADDRESS, **ON_THE_SERVICE}
    assert {name: told(rule) for name, rule in made.items()} == wanted


@pytest.mark.parametrize("preview", [True, False])
def test_each_rule_is_about_this_instance_or_its_address(deploy, preview):
    for name, rule in rules(deploy(declare(reports=True), preview=preview)).items():
        resources = json.loads(rule.inputs["metricDimensions"])
        if name in ON_THE_ADDRESS:
            assert resources == [{"instanceId": "eip-1"}]
        elif name in ON_THE_SERVICE:
            assert resources == [{"groupId": "0", "dimension": "instanceId=i-1"}]
        else:
            assert resources == [{"instanceId": "i-1"}]


def test_each_rule_tells_the_contact_group_and_uses_nothing_deprecated(deploy):
    for rule in rules(deploy(declare(reports=True))).values():
        assert rule.inputs["contactGroups"] == ["open-webui-prod"]
        assert not {"dimensions", "startTime", "endTime"} & rule.inputs.keys()


def test_rules_of_two_stacks_can_be_told_apart(deploy):
    assert {rule.inputs["name"] for rule in rules(deploy(declare())).values()} == {
        f"open-webui-prod-{name}" for name in (*ON_THE_MACHINE, *ON_THE_GPU, *ON_THE_ADDRESS)
    }


def test_a_machine_without_a_gpu_has_no_gpu_rules(deploy):
    assert rules(deploy(declare(replace(ARGS, gpu=False)))).keys() == {*ON_THE_MACHINE, *ON_THE_ADDRESS}


def test_the_rules_about_the_service_wait_for_the_first_report(deploy):
    made = rules(deploy(declare(reports=True)))
    waiting = {name for name, rule in made.items() if any(urn.endswith("::box") for urn in rule.options.depends_on)}
    assert waiting == ON_THE_SERVICE.keys()


def test_a_failing_machine_is_told_by_the_clouds_own_events(deploy):
    pattern = deploy(declare())["alarms-failure"].inputs["eventPattern"]
    assert pattern["product"] == "ecs"
    assert pattern["sqlFilter"] == "i-1"
    assert "Instance:SystemFailure.Reboot:Executing" in pattern["nameLists"]
    assert "Instance:PreemptibleInstanceInterruption" in pattern["nameLists"]
    assert not {"Instance:StateChange"} & set(pattern["nameLists"])


def test_a_stopped_machine_is_told_unless_it_stops_every_night(deploy):
    stopped = deploy(declare())["alarms-stopped"].inputs["eventPattern"]
    assert stopped["nameLists"] == ["Instance:StateChange"]
    assert stopped["sqlFilter"] == "i-1 and Stopped"
    assert "alarms-stopped" not in deploy(declare(replace(ARGS, stops_on_schedule=True)))


def test_events_tell_the_same_group_and_let_go_of_their_names(deploy):
    made = deploy(declare())
    for name in ("alarms-failure", "alarms-stopped"):
        assert made[name].inputs["contactParameters"] == [
            {"contactParametersId": "1", "contactGroupName": "open-webui-prod", "level": "4"}
        ]
        assert made[name].inputs["ruleName"] == f"open-webui-prod-{name.removeprefix('alarms-')}"
        assert made[name].options.delete_before_replace


def test_every_address_is_a_contact_of_the_group(deploy):
    made = deploy(declare())
    contacts = {one.inputs["channelsMail"]: one for name, one in made.items() if name.startswith("alarms-contact-")}
    assert contacts.keys() == set(ARGS.contacts)
    names = [contacts[address].inputs["alarmContactName"] for address in ARGS.contacts]
    assert made["alarms-contacts"].inputs["contacts"] == names


def test_an_address_not_yet_confirmed_is_not_mailed_again_at_each_refresh(deploy):
    made = deploy(declare())
    contacts = [one for name, one in made.items() if name.startswith("alarms-contact-")]
    assert all(contact.options.ignore_changes == ("channelsMail",) for contact in contacts)


def test_another_address_or_stack_is_another_contact_within_the_clouds_limit():
    long = "s" * 40
    names = {contact_name(stack, to) for stack in (long, f"{long[:-1]}t", "dev") for to in ("a@b.c", "b@b.c")}
    assert len(names) == 6
    assert max(map(len, names)) == 40


def test_a_preview_declares_what_an_update_creates(deploy):
    def program():
        machine = alicloud.vpc.Network("machine")  # any resource whose id only an update knows
        Alarms("alarms", replace(ARGS, instance_id=machine.id, allocation_id=machine.id))

    made, updated = deploy(program, preview=True), deploy(program)
    assert made.keys() == updated.keys()
    assert made["alarms-disk"].inputs["metricDimensions"] is UNKNOWN
    assert json.loads(updated["alarms-disk"].inputs["metricDimensions"]) == [{"instanceId": "machine-id"}]


def a_stack(**config):
    return Settings.parse("open-webui", "prod", configs.config(**config))


def test_a_stack_with_contacts_has_alarms_about_its_own_parts(deploy):
    made = deploy(lambda: stack.deploy(a_stack(alarms={"contacts": ["ops@example.com"]})))
    rules_made = rules(made)
    assert rules_made.keys() == {*ON_THE_MACHINE, *ON_THE_GPU, *ON_THE_ADDRESS, *ON_THE_SERVICE}
    assert json.loads(rules_made["disk"].inputs["metricDimensions"]) == [{"instanceId": "box-instance-id"}]
    assert json.loads(rules_made["traffic"].inputs["metricDimensions"]) == [{"instanceId": "public-address-id"}]
    assert any(urn.endswith("::release-gate-run") for urn in rules_made["service"].options.depends_on)
    assert "cms:PutCustomMetric" in made["identity-policy"].inputs["policyDocument"]


def test_a_box_with_its_own_authority_has_no_alarm_about_another_ones_certificate(deploy):
    access = {"allowedNetworks": ["203.0.113.0/24"], "tls": {"mode": "internal"}}
    own = a_stack(access=access, alarms={"contacts": ["ops@example.com"]})
    assert "alarms-certificate" not in deploy(lambda: stack.deploy(own))


def test_a_stack_without_contacts_has_none_and_its_box_may_report_nothing(deploy):
    made = deploy(lambda: stack.deploy(a_stack()))
    assert not [one for one in made.values() if one.type.startswith("alicloud:cms/")]
    assert "cms:" not in made["identity-policy"].inputs["policyDocument"]


def test_a_stack_that_stops_at_night_has_its_timers_and_no_alarm_about_the_stop(deploy):
    schedule = {"stop": "0 20 * * 1-5", "start": "30 7 * * 1-5", "timeZone": "Asia/Shanghai"}
    wanted = a_stack(schedule=schedule, alarms={"contacts": ["ops@example.com"]})
    made = deploy(lambda: stack.deploy(wanted))
    assert "box-instance-id" in made["schedule-timers"].inputs["templateBody"]
    assert "alarms-stopped" not in made


def test_people_are_told_that_each_address_must_be_confirmed():
    assert any("opened" in line for line in a_stack(alarms={"contacts": ["ops@example.com"]}).warnings())
    assert not any("alarms" in line for line in a_stack().warnings())
