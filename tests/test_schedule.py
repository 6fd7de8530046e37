import json
from dataclasses import replace

import pulumi_alicloud as alicloud
import pytest

from infra.schedule import Schedule, ScheduleArgs, role_policy
from ops.values import UNKNOWN

ARGS = ScheduleArgs(
    region="ap-southeast-1",
    instance_id="i-1",
    stop="0 20 * * 1-5",
    start="30 7 * * 1-5",
    time_zone="Asia/Shanghai",
    physical_name="open-webui-dev",
    tags={"team": "a"},
)


def timers(deploy, **changes):
    """What each of the two executions is told: its properties, and the OOS template in them."""
    made = deploy(lambda: Schedule("night", replace(ARGS, **changes)))["night-timers"].inputs
    resources = json.loads(made["templateBody"])["Resources"]
    assert {one["Type"] for one in resources.values()} == {"ALIYUN::OOS::Execution"}
    properties = {name: one["Properties"] for name, one in resources.items()}
    return properties, {name: json.loads(one["TemplateContent"]) for name, one in properties.items()}


def test_it_stops_at_night_and_starts_in_the_morning_where_people_live(deploy):
    _, templates = timers(deploy)
    times = {name: template["Tasks"][0]["Properties"] for name, template in templates.items()}
    assert times["Stop"]["Expression"] == "0 0 20 ? * MON,TUE,WED,THU,FRI"
    assert times["Start"]["Expression"] == "0 30 7 ? * MON,TUE,WED,THU,FRI"
    assert {time["TimeZone"] for time in times.values()} == {"Asia/Shanghai"}
    assert {time["Type"] for time in times.values()} == {"cron"}


def test_the_timer_is_the_first_task_as_oos_wants_it_and_has_an_end(deploy):
    for template in timers(deploy)[1].values():
        assert template["Tasks"][0]["Action"] == "ACS::TimerTrigger"
        assert template["Tasks"][0]["Properties"]["EndDate"] > "2090"


def test_a_stopped_machine_is_not_paid_for(deploy):
    _, templates = timers(deploy)
    target = {"regionId": "ap-southeast-1", "instanceId": "i-1"}
    stop, start = templates["Stop"]["Tasks"][1], templates["Start"]["Tasks"][1]
    assert (stop["Action"], stop["Properties"]) == (
        "ACS::ECS::StopInstance",
        {**target, "stoppedMode": "StopCharging"},
    )
    assert (start["Action"], start["Properties"]) == ("ACS::ECS::StartInstance", target)


def test_nobody_is_asked_and_a_waiting_timer_is_a_good_one(deploy):
    for properties in timers(deploy)[0].values():
        assert properties["SafetyCheck"] == "Skip"
        assert properties["ResourceOptions"]["SuccessStatuses"] == ["Waiting"]


def test_destroy_cancels_the_timers(deploy):
    assert all(one["ResourceOptions"]["CancelOnDelete"] is True for one in timers(deploy)[0].values())


def test_a_changed_time_makes_new_timers_in_place_of_the_old_ones(deploy):
    options = deploy(lambda: Schedule("night", ARGS))["night-timers"].options
    assert options.replace_on_changes == ("templateBody",)
    assert options.delete_before_replace


def test_the_timers_act_in_a_role_of_their_own_that_only_oos_may_take(deploy):
    made = deploy(lambda: Schedule("night", ARGS))
    assert {template["RamRole"] for template in timers(deploy)[1].values()} == {"open-webui-dev-schedule"}
    trust = json.loads(made["night-role"].inputs["assumeRolePolicyDocument"])
    assert trust["Statement"] == [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": ["oos.aliyuncs.com"]}}
    ]


def test_the_role_reaches_this_one_instance(deploy):
    policy = json.loads(deploy(lambda: Schedule("night", ARGS))["night-policy"].inputs["policyDocument"])
    assert policy == role_policy("ap-southeast-1", "i-1")
    (statement,) = policy["Statement"]
    assert statement["Action"] == ["ecs:DescribeInstances", "ecs:StartInstance", "ecs:StopInstance"]
    assert statement["Resource"] == ["acs:ecs:ap-southeast-1:*:instance/i-1"]


def test_the_timers_wait_for_their_permission(deploy):
    depends = deploy(lambda: Schedule("night", ARGS))["night-timers"].options.depends_on
    assert any(urn.endswith("::night-role-policy") for urn in depends)


def test_fixed_names_are_let_go_before_they_are_used_again(deploy):
    made = deploy(lambda: Schedule("night", ARGS))
    assert all(made[name].options.delete_before_replace for name in made if name != "night")


@pytest.mark.parametrize("preview", [True, False])
def test_what_can_be_tagged_is_tagged(deploy, preview):
    made = deploy(lambda: Schedule("night", ARGS), preview=preview)
    assert all(made[f"night-{part}"].inputs["tags"] == {"team": "a"} for part in ("role", "policy", "timers"))


def test_a_preview_declares_the_same_before_the_instance_is_known(deploy):
    def program():
        other = alicloud.vpc.Network("other")  # any resource whose id only an update knows
        Schedule("night", replace(ARGS, instance_id=other.id))

    made, updated = deploy(program, preview=True), deploy(program)
    assert set(made) == set(updated)
    assert made["night-timers"].inputs["templateBody"] is UNKNOWN
    assert '\\"instanceId\\": \\"other-id\\"' in updated["night-timers"].inputs["templateBody"]


def test_the_oldest_version_of_the_policy_makes_room_for_the_sixth(deploy):
    made = deploy(lambda: Schedule("night", ARGS))["night-policy"]
    assert made.inputs["rotateStrategy"] == "DeleteOldestNonDefaultVersionWhenLimitExceeded"
