"""What the real provider's Check refuses at preview, before any call (facts/engine.md, "What preview refuses").

Everything else that is wrong comes back from the API at `up`, and is refused by the handlers. Rules from
facts/provider.md section 2 and the ValidateFuncs in terraform-provider-alicloud's `resource_alicloud_*.go`.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator

from infra.effects import inputs
from sandbox.provider import address, identity, monitoring, network, operations, storage
from sandbox.provider.errors import Refusal
from sandbox.provider.values import Props, names, settled

Rule = Callable[[object], str | None]

_ESSD_LEVELS = ("PL0", "PL1", "PL2", "PL3")
_DISK_CATEGORIES = ("cloud", "cloud_efficiency", "cloud_essd", "cloud_ssd", "cloud_auto", "cloud_essd_entry")
_SYSTEM_DISKS = (*_DISK_CATEGORIES, "all", "ephemeral_ssd", "local_disk")
_OPERATORS = (">", ">=", "<", "<=", "!=", "==", "GreaterThanYesterday", "LessThanYesterday")
_OPERATORS_PAST = ("GreaterThanLastWeek", "LessThanLastWeek", "GreaterThanLastPeriod", "LessThanLastPeriod")


def _one_of(*allowed: object) -> Rule:
    return lambda value: None if value in allowed else f"expected one of {list(allowed)}, got {value!r}"


def _within(allowed: Collection[int]) -> Rule:
    def check(value: object) -> str | None:
        # Numbers arrive as text where the program wrote them so; the bridge reads them.
        number = int(value) if isinstance(value, str) and value.lstrip("-").isdigit() else value
        return None if number in allowed else f"expected a number out of {allowed}, got {value!r}"

    return check


def _length(low: int, high: int) -> Rule:
    def check(value: object) -> str | None:
        if low <= len(str(value)) <= high:
            return None
        return f"expected length to be in the range ({low} - {high}), got {value!r}"

    return check


def _json(value: object) -> str | None:
    try:
        json.loads(str(value))
    except ValueError as error:
        return f"contains an invalid JSON: {error}"
    return None


def _tags(value: object) -> str | None:
    assert isinstance(value, dict)  # noqa: S101 - the SDK sends nothing else
    bad = [text for text in value.values() if re.match(r"^(aliyun|acs:)", str(text))]
    return f"tag values may not begin with aliyun or acs: {bad}" if bad else None


def _data_disks(value: object) -> str | None:
    assert isinstance(value, list)  # noqa: S101 - the SDK sends nothing else
    for disk in value:
        if "size" not in disk:
            return "size is required"
        for name, rule in (("category", _one_of(*_SYSTEM_DISKS)), ("name", _length(2, 128))):
            if name in disk and (why := rule(disk[name])):
                return f"{name}: {why}"
    return None


def _escalation(value: object) -> str | None:
    operator = value.get("comparisonOperator", ">=") if isinstance(value, dict) else ">="
    return _one_of(*_OPERATORS, *_OPERATORS_PAST)(operator)


_RULES: dict[str, dict[str, Rule]] = {
    network.VPC: {"description": _length(1, 256), "vpcName": _length(1, 128)},
    network.VSWITCH: {"description": _length(1, 256), "vswitchName": _length(1, 128)},
    network.GROUP: {
        "description": _length(2, 256),
        "securityGroupName": _length(2, 128),
        "securityGroupType": _one_of("normal", "enterprise"),
        "innerAccessPolicy": _one_of("Accept", "Drop"),
    },
    network.RULE: {
        "type": _one_of("ingress", "egress"),
        "ipProtocol": _one_of("tcp", "udp", "icmp", "gre", "all"),
        "nicType": _one_of("internet", "intranet"),
        "policy": _one_of("accept", "drop"),
        "priority": _within(range(1, 101)),
    },
    identity.ROLE: {"assumeRolePolicyDocument": _json, "document": _json},
    identity.POLICY: {
        "policyDocument": _json,
        "document": _json,
        "rotateStrategy": _one_of("DeleteOldestNonDefaultVersionWhenLimitExceeded", "None"),
    },
    operations.SECRET: {"type": _one_of("Secret")},
    network.INSTANCE: {
        "autoRenewPeriod": _within((1, 2, 3, 6, 12)),
        "creditSpecification": _one_of("Standard", "Unlimited"),
        "dataDisks": _data_disks,
        "description": _length(2, 256),
        "httpEndpoint": _one_of("enabled", "disabled"),
        "httpTokens": _one_of("optional", "required"),
        "instanceChargeType": _one_of("PrePaid", "PostPaid"),
        "instanceName": _length(2, 128),
        "instanceType": lambda value: (
            None if str(value).startswith("ecs.") else f"prefix must be 'ecs.', got {value!r}"
        ),
        "internetChargeType": _one_of("PayByBandwidth", "PayByTraffic"),
        "period": _within((*range(1, 10), 12, 24, 36, 48, 60)),
        "periodUnit": _one_of("Week", "Month"),
        "renewalStatus": _one_of("AutoRenewal", "Normal", "NotRenewal"),
        "securityEnhancementStrategy": _one_of("Active", "Deactive"),
        "spotDuration": _within(range(7)),
        "spotInterruptionBehavior": _one_of("Terminate", "Stop"),
        "spotStrategy": _one_of("NoSpot", "SpotAsPriceGo", "SpotWithPriceLimit"),
        "status": _one_of("Running", "Stopped"),
        "stoppedMode": _one_of("StopCharging", "KeepCharging", "Not-applicable"),
        "systemDiskCategory": _one_of(*_SYSTEM_DISKS),
        "systemDiskDescription": _length(2, 256),
        "systemDiskName": _length(2, 128),
        "systemDiskPerformanceLevel": _one_of(*_ESSD_LEVELS),
    },
    storage.DISK: {
        "category": _one_of(*_DISK_CATEGORIES, "elastic_ephemeral_disk_standard", "elastic_ephemeral_disk_premium"),
        "paymentType": _one_of("PayAsYouGo", "Subscription"),
        "performanceLevel": _one_of(*_ESSD_LEVELS),
        "type": _one_of("offline", "online"),
    },
    address.EIP: {
        "addressName": _length(1, 128),
        "description": _length(2, 256),
        "internetChargeType": _one_of("PayByBandwidth", "PayByTraffic", "PayByDominantTraffic"),
        "isp": _one_of(
            "BGP",
            "BGP_PRO",
            "ChinaTelecom",
            "ChinaUnicom",
            "ChinaMobile",
            "ChinaTelecom_L2",
            "ChinaUnicom_L2",
            "ChinaMobile_L2",
            "BGP_FinanceCloud",
            "BGP_International",
        ),
        "netmode": _one_of("public"),
        "paymentType": _one_of("Subscription", "PayAsYouGo"),
        "period": _within((*range(1, 10), 12, 24, 36)),
        "pricingCycle": _one_of("Month", "Year"),
    },
    operations.COMMAND: {"type": _one_of("RunBatScript", "RunPowerShellScript", "RunShellScript")},
    operations.INVOCATION: {
        "repeatMode": _one_of("Once", "Period", "NextRebootOnly", "EveryReboot", "DryRun"),
    },
    monitoring.ALARM: {
        "silenceTime": _within(range(300, 86401)),
        "escalationsCritical": _escalation,
        "escalationsWarn": _escalation,
        "escalationsInfo": _escalation,
    },
    monitoring.CONTACT: {"lang": _one_of("en", "zh-cn")},
    monitoring.EVENT_RULE: {"status": _one_of("DISABLED", "ENABLED")},
    operations.ROS_STACK: {
        "deletionProtection": _one_of("Disabled", "Enabled"),
        "stackPolicyBody": _json,
        "templateBody": _json,
    },
}

# Groups of which at least one must be there, and groups of which at most one may be.
_AT_LEAST_ONE: dict[str, tuple[tuple[str, ...], ...]] = {
    network.VSWITCH: (("zoneId", "availabilityZone"),),
    network.RULE: (("cidrIp", "ipv6CidrIp", "sourceSecurityGroupId", "prefixListId"),),
    network.INSTANCE: (
        ("imageId", "launchTemplateId", "launchTemplateName"),
        ("instanceType", "launchTemplateId", "launchTemplateName"),
    ),
}
_AT_MOST_ONE: dict[str, tuple[tuple[str, ...], ...]] = {
    network.VSWITCH: (("zoneId", "availabilityZone"), ("vswitchName", "name")),
    network.RULE: (("cidrIp", "ipv6CidrIp", "sourceSecurityGroupId"),),
    identity.ROLE: (("assumeRolePolicyDocument", "document"), ("roleName", "name")),
    identity.POLICY: (("policyDocument", "document"), ("policyName", "name")),
    network.INSTANCE: (
        ("secondaryPrivateIps", "secondaryPrivateIpAddressCount"),
        ("ipv6Addresses", "ipv6AddressCount"),
        ("launchTemplateId", "launchTemplateName"),
    ),
    storage.DISK: (("zoneId", "availabilityZone"), ("diskName", "name")),
    address.EIP: (("addressName", "name"), ("paymentType", "instanceChargeType")),
    monitoring.ALARM: (("metricDimensions", "dimensions"),),
}


def check(token: str, props: Props) -> list[Refusal]:
    """Find what Check refuses in the inputs of one resource; unknown values pass."""
    return [*_unexpected(token, props), *_against_rules(token, settled(props)), *_combinations(token, props)]


def _unexpected(token: str, props: Props) -> Iterator[Refusal]:
    for name in sorted(set(props) - inputs(token)):
        yield Refusal(property=name, reason=f"{name!r} is not an input of {token}")


def _against_rules(token: str, props: Props) -> Iterator[Refusal]:
    rules = {"tags": _tags, **_RULES.get(token, {})}
    for name, rule in rules.items():
        if props.get(name) is not None and (why := rule(props[name])) is not None:
            yield Refusal(property=name, reason=why)


def _combinations(token: str, props: Props) -> Iterable[Refusal]:
    for group in _AT_LEAST_ONE.get(token, ()):
        if not names(props, group):
            yield Refusal(property=group[0], reason=f"one of {', '.join(group)} must be specified")
    for group in _AT_MOST_ONE.get(token, ()):
        if len(given := names(props, group)) > 1:
            yield Refusal(property=given[1], reason=f"conflicts with {given[0]}")
