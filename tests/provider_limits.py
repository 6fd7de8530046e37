"""What the provider and the cloud take, resource type by resource type, for values that were recorded.

The provider's own Check is the sandbox's (sandbox/provider/checks.py); here is what only `up` would find. Limits
without another source: the arguments' descriptions in pulumi-alicloud 4.0.0, and the API's help pages that these name.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network
from typing import Any

from infra import cron
from ops.recording import Resource
from ops.values import Secret
from sandbox.provider.checks import check

Inputs = Mapping[str, Any]


def within_limits(resource: Resource) -> None:
    """Assert what holds for every type, and what holds for this one. A type without a check is an error."""
    assert not check(resource.type, {name: _plain(value) for name, value in resource.inputs.items()})
    _tags(resource.inputs.get("tags") or {})
    CHECKS[resource.type.split(":")[-1]](resource.inputs)


def _plain(value: object) -> object:
    return value.value if isinstance(value, Secret) else value


def _tags(tags: Mapping[str, str]) -> None:
    assert len(tags) <= 20
    for text in (*tags.keys(), *tags.values()):
        assert not re.match(r"(?i)aliyun|acs:", text)
        assert len(text) <= 128


def _text(text: str, low: int, high: int) -> None:
    assert low <= len(text) <= high
    assert not re.match(r"https?://", text)


def _ids(*names: str) -> Callable[[Inputs], None]:
    """Attachments: what they join has to be there."""

    def given(inputs: Inputs) -> None:
        for name in names:
            assert isinstance(inputs[name], str)
            assert inputs[name]

    return given


def _instance(inputs: Inputs) -> None:
    assert inputs["instanceType"].startswith("ecs.")
    assert not re.match(r"ecs\.[vs]gn", inputs["instanceType"])
    assert 20 <= inputs["systemDiskSize"] <= 2048
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,62}[a-z0-9]", inputs["hostName"])
    assert len(base64.b64decode(inputs["userData"], validate=True)) <= 32 * 1024
    if inputs["instanceChargeType"] == "PrePaid":
        assert inputs["spotStrategy"] == "NoSpot"
        assert inputs["period"] in (*range(1, 10), 12, 24, 36, 48, 60)
    if inputs.get("systemDiskPerformanceLevel"):
        assert inputs["systemDiskCategory"] == "cloud_essd"
    if "spotPriceLimit" in inputs:
        assert round(inputs["spotPriceLimit"], 3) == inputs["spotPriceLimit"] > 0


def _network(inputs: Inputs) -> None:
    assert 8 <= IPv4Network(inputs["cidrBlock"]).prefixlen <= 28
    _text(inputs["vpcName"], 1, 128)


def _vswitch(inputs: Inputs) -> None:
    assert 16 <= IPv4Network(inputs["cidrBlock"]).prefixlen <= 29
    _text(inputs["vswitchName"], 1, 128)


def _group(inputs: Inputs) -> None:
    _text(inputs["securityGroupName"], 2, 128)
    assert inputs["innerAccessPolicy"] == "Drop"


def _rule(inputs: Inputs) -> None:
    assert re.fullmatch(r"(443/443|80/80)", inputs["portRange"])
    IPv4Network(inputs["cidrIp"])
    if inputs["cidrIp"] == "0.0.0.0/0":
        assert inputs["portRange"] == "80/80"
    _text(inputs["description"], 1, 512)


def _role(inputs: Inputs) -> None:
    assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}", inputs["roleName"])
    assert len(inputs["description"]) <= 1024
    (statement,) = json.loads(inputs["assumeRolePolicyDocument"])["Statement"]
    assert statement["Action"] == "sts:AssumeRole"


def _policy(inputs: Inputs) -> None:
    assert re.fullmatch(r"[A-Za-z0-9-]{1,128}", inputs["policyName"])
    assert len(inputs["description"]) <= 1024
    # Characters of a custom policy (help page "Limitations" of RAM, 2025-12).
    assert len(inputs["policyDocument"]) <= 6144
    assert all(statement["Resource"] for statement in json.loads(inputs["policyDocument"])["Statement"])


def _address(inputs: Inputs) -> None:
    assert 1 <= int(inputs["bandwidth"]) <= (200 if inputs["internetChargeType"] == "PayByTraffic" else 500)
    assert inputs["paymentType"] == "PayAsYouGo"


def _disk(inputs: Inputs) -> None:
    assert inputs["encrypted"] is True
    assert 20 <= inputs["size"] <= (65536 if inputs["category"] in ("cloud_essd", "cloud_auto") else 32768)
    _text(inputs["diskName"], 2, 128)


def _parameter(inputs: Inputs) -> None:
    assert re.fullmatch(r"[A-Za-z0-9/_-]{2,180}", inputs["secretParameterName"])
    assert not re.match(r"(?i)aliyun|acs|alibaba|alicloud|oos", inputs["secretParameterName"])
    assert isinstance(inputs["value"], Secret)
    assert 1 <= len(inputs["value"].value) <= 4096


def _snapshots(inputs: Inputs) -> None:
    assert set(inputs["repeatWeekdays"]) <= set("1234567")
    assert all(0 <= int(hour) <= 23 for hour in inputs["timePoints"])
    assert len({*inputs["timePoints"]}) == len(inputs["timePoints"]) <= 24
    assert inputs["retentionDays"] == -1 or 1 <= inputs["retentionDays"] <= 65535
    _text(inputs["autoSnapshotPolicyName"], 2, 128)


def _command(inputs: Inputs) -> None:
    assert len(inputs["name"]) <= 128
    assert len(inputs["description"]) <= 512
    assert 10 <= inputs["timeout"] <= 86400
    # 24 KiB in Base64 (facts/alibaba-cloud.md section 8).
    assert len(inputs["commandContent"]) <= 24 * 1024
    assert base64.b64decode(inputs["commandContent"], validate=True).startswith(b"#!/bin/sh\n")


def _invocation(inputs: Inputs) -> None:
    assert inputs["commandId"]
    assert len(inputs["instanceIds"]) == 1
    assert "timed" not in inputs  # a timed run is no gate: it is over before it began


def _contact(inputs: Inputs) -> None:
    _text(inputs["alarmContactName"], 2, 40)
    assert inputs["alarmContactName"][0].isalpha()
    assert re.fullmatch(r"[^@\s]+@[^@\s]+", inputs["channelsMail"])


def _contact_group(inputs: Inputs) -> None:
    _text(inputs["alarmContactGroupName"], 2, 128)
    assert len({*inputs["contacts"]}) == len(inputs["contacts"]) > 0


def _alarm(inputs: Inputs) -> None:
    _text(inputs["name"], 2, 128)
    assert inputs["period"] % 60 == 0
    # Without one the API refuses the rule.
    (level,) = (inputs[name] for name in ("escalationsCritical", "escalationsWarn") if name in inputs)
    float(level["threshold"])
    assert level["times"] >= 1
    assert all(json.loads(inputs["metricDimensions"]))
    assert inputs["contactGroups"]


def _event_rule(inputs: Inputs) -> None:
    _text(inputs["ruleName"], 2, 128)
    assert all(inputs["eventPattern"][name] for name in ("nameLists", "eventTypeLists", "levelLists", "sqlFilter"))
    assert inputs["contactParameters"]


def _timers(inputs: Inputs) -> None:
    assert re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]{0,254}", inputs["stackName"])
    assert len(inputs["templateBody"].encode()) <= 524_288
    assert 10 <= inputs["timeoutInMinutes"] <= 1440
    for timer in json.loads(inputs["templateBody"])["Resources"].values():
        content = json.loads(timer["Properties"]["TemplateContent"])
        expression = content["Tasks"][0]["Properties"]["Expression"].split()
        assert len(expression) == 6
        assert expression.count("?") == 1  # of day and weekday, exactly one
        assert set(expression[5].split(",")) <= {*cron.WEEKDAYS, "*", "?"}


CHECKS: dict[str, Callable[[Inputs], None]] = {
    "Network": _network,
    "Switch": _vswitch,
    "SecurityGroup": _group,
    "SecurityGroupRule": _rule,
    "Role": _role,
    "Policy": _policy,
    "RolePolicyAttachment": _ids("policyName", "roleName"),
    "RamRoleAttachment": _ids("instanceId", "ramRoleName"),
    "SecretParameter": _parameter,
    "Instance": _instance,
    "EcsDisk": _disk,
    "EcsDiskAttachment": _ids("diskId", "instanceId"),
    "AutoSnapshotPolicy": _snapshots,
    "EcsAutoSnapshotPolicyAttachment": _ids("autoSnapshotPolicyId", "diskId"),
    "EipAddress": _address,
    "EipAssociation": _ids("allocationId", "instanceId"),
    "Command": _command,
    "EcsInvocation": _invocation,
    "AlarmContact": _contact,
    "AlarmContactGroup": _contact_group,
    "Alarm": _alarm,
    "EventRule": _event_rule,
    "Stack": _timers,
}
