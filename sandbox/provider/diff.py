"""Which properties of a resource differ from the state, as the real provider would say."""

from collections.abc import Collection, Mapping

from infra.effects import Effect, effect
from sandbox.provider import identity, monitoring, network, operations, storage
from sandbox.provider.values import Props, known, same_json, same_set

_SETS = {
    network.INSTANCE: {"securityGroups", "secondaryPrivateIps"},
    storage.SNAPSHOT_POLICY: {"repeatWeekdays", "timePoints", "targetCopyRegions"},
    monitoring.CONTACT_GROUP: {"contacts"},
}
_JSON = {
    identity.ROLE: {"assumeRolePolicyDocument", "document"},
    identity.POLICY: {"policyDocument", "document"},
    monitoring.ALARM: {"metricDimensions"},
    operations.ROS_STACK: {"templateBody", "stackPolicyBody"},
}
# facts/provider.md section 2: differences that the provider suppresses
_PREPAID_ONLY = {"renewalStatus", "period", "periodUnit", "includeDataDisks", "forceDelete", "autoRenewPeriod"}
_POSTPAID_ONLY = {"deletionProtection", "spotStrategy", "spotPriceLimit", "autoReleaseTime"}


def changed(
    token: str, state: Props, old_inputs: Props, new_inputs: Props, ignored: Collection[str] = ()
) -> frozenset[str]:
    """Name the properties that differ: of the new inputs against the state, and those no longer given."""
    differ = {name for name, value in new_inputs.items() if not _same(token, name, state.get(name), value)}
    dropped = {
        name for name in old_inputs if name not in new_inputs and state.get(name) not in (None, "", [], {}, False)
    }
    return frozenset(
        name
        for name in differ | dropped
        if name not in ignored and not name.startswith("__") and not _suppressed(token, name, new_inputs)
    )


def replacing(token: str, names: Collection[str]) -> frozenset[str]:
    """Those of the changed properties for which the resource is made anew."""
    return frozenset(name for name in names if effect(token, name) is Effect.REPLACE)


def _same(token: str, name: str, old: object, new: object) -> bool:
    if not known(new):
        return False
    if name in _SETS.get(token, ()):
        return same_set(old, new)
    if name in _JSON.get(token, ()):
        return same_json(old, new)
    # An input that is not there and the empty value are the same to Terraform.
    return old == new or (old in _EMPTY and new in _EMPTY)


_EMPTY: tuple[object, ...] = (None, "", [], {}, False, 0)


def _suppressed(token: str, name: str, inputs: Mapping[str, object]) -> bool:
    if token == network.INSTANCE:
        prepaid = inputs.get("instanceChargeType") == "PrePaid"
        if name == "autoRenewPeriod" and inputs.get("renewalStatus") != "AutoRenewal":
            return True
        if name == "systemDiskPerformanceLevel":
            return inputs.get("systemDiskCategory") != "cloud_essd"
        return name in (_POSTPAID_ONLY if prepaid else _PREPAID_ONLY)
    if token == storage.DISK and name == "performanceLevel":
        return inputs.get("category") != "cloud_essd"
    return False
