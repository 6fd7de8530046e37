"""Stop at night, start in the morning: two OOS timers, and the only role that they may use.

`alicloud.oos.Execution` cannot carry them: it waits for an end that a timer reaches with its last day, wants to replace
the execution at every `up`, and cannot delete one that waits (terraform-provider-alicloud pull request 10496, open in
2026-09). The same executions as resources of a ROS stack are done once they wait, and are cancelled with the stack
(help page "ALIYUN::OOS::Execution": ResourceOptions).
"""

import json
from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from infra.cron import oos_expression

TRUST = {
    "Version": "1",
    "Statement": [
        {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": ["oos.aliyuncs.com"]}},
    ],
}
FOREVER = "2099-12-31T23:59:59Z"  # a timer must have an end
# Actions of aliyun/oos-templates, CloudProductActions/ECS; both do nothing where the state is reached already.
STOP, START = "ACS::ECS::StopInstance", "ACS::ECS::StartInstance"
ECONOMICAL = "StopCharging"  # the GPU goes back to the pool and costs nothing; disks and address stay, and cost


@dataclass(frozen=True, kw_only=True)
class ScheduleArgs:
    """`stop` and `start` are cron's five fields in the IANA zone `time_zone`, checked by `infra.rules`."""

    region: str
    instance_id: pulumi.Input[str]
    stop: str
    start: str
    time_zone: str
    physical_name: str
    tags: dict[str, str]


def role_policy(region: str, instance_id: str) -> dict[str, object]:
    """What the timers may do: look at, stop and start this one instance."""
    return {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["ecs:DescribeInstances", "ecs:StartInstance", "ecs:StopInstance"],
                "Resource": [f"acs:ecs:{region}:*:instance/{instance_id}"],
            },
        ],
    }


def timers(args: ScheduleArgs, instance_id: str, role_name: str) -> dict[str, object]:
    """The ROS template with both timers."""
    target = {"regionId": args.region, "instanceId": instance_id}
    return {
        "ROSTemplateFormatVersion": "2015-09-01",
        "Description": "Stops and starts the Open WebUI instance on schedule",
        "Resources": {
            "Stop": _timer(args, args.stop, STOP, {**target, "stoppedMode": ECONOMICAL}, role_name),
            "Start": _timer(args, args.start, START, target, role_name),
        },
    }


def _timer(args: ScheduleArgs, when: str, action: str, properties: dict[str, str], role_name: str) -> dict[str, object]:
    content = {
        "FormatVersion": "OOS-2019-06-01",
        "RamRole": role_name,
        "Tasks": [
            {
                "Name": "timer",
                "Action": "ACS::TimerTrigger",
                "Properties": {
                    "Type": "cron",
                    "Expression": oos_expression(when),
                    "TimeZone": args.time_zone,
                    "EndDate": FOREVER,
                },
            },
            {"Name": "act", "Action": action, "Properties": properties},
        ],
    }
    return {
        "Type": "ALIYUN::OOS::Execution",
        "Properties": {
            "TemplateContent": json.dumps(content),
            "SafetyCheck": "Skip",  # nobody is there at night to confirm the stop
            "ResourceOptions": {
                "SuccessStatuses": ["Waiting"],
                "FailureStatuses": ["Failed", "Cancelled"],
                "CancelOnDelete": True,
            },
        },
    }


class Schedule(pulumi.ComponentResource):
    """Output `timers_id`: the ROS stack that holds the timers."""

    timers_id: pulumi.Output[str]

    def __init__(self, name: str, args: ScheduleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:Schedule", name, {}, opts)
        instance_id = pulumi.Output.from_input(args.instance_id)
        physical_name = f"{args.physical_name}-schedule"
        # All names here are fixed and taken until the old one is gone.
        fixed = pulumi.ResourceOptions(parent=self, delete_before_replace=True)
        role = alicloud.ram.Role(
            f"{name}-role",
            role_name=physical_name,
            description="Used by OOS to stop and start one Open WebUI instance",
            assume_role_policy_document=json.dumps(TRUST, sort_keys=True),
            tags=args.tags,
            opts=fixed,
        )
        policy = alicloud.ram.Policy(
            f"{name}-policy",
            policy_name=physical_name,
            description="Stop and start one Open WebUI instance",
            policy_document=instance_id.apply(lambda id_: json.dumps(role_policy(args.region, id_), sort_keys=True)),
            rotate_strategy="DeleteOldestNonDefaultVersionWhenLimitExceeded",  # a policy has five versions at most
            tags=args.tags,
            opts=fixed,
        )
        allowed = alicloud.ram.RolePolicyAttachment(
            f"{name}-role-policy",
            role_name=role.role_name,
            policy_name=policy.policy_name,
            policy_type="Custom",
            opts=fixed,
        )
        both = pulumi.Output.all(instance_id, role.role_name)
        self.timers_id = alicloud.ros.Stack(
            f"{name}-timers",
            stack_name=physical_name,
            template_body=both.apply(lambda pair: json.dumps(timers(args, *pair), sort_keys=True)),
            timeout_in_minutes=10,
            tags=args.tags,
            opts=pulumi.ResourceOptions(
                parent=self,
                depends_on=[allowed],
                delete_before_replace=True,
                # The provider sends no update when only the template changed (resource_alicloud_ros_stack.go).
                replace_on_changes=["templateBody"],
            ),
        ).id
        self.register_outputs({"timersId": self.timers_id})
