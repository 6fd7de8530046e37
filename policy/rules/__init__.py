"""All rules, in the order of the table in docs/policies.md."""

from typing import Final

from policy.model import ResourceRule, StackRule
from policy.rules import charges, disks, firewall, identity, instance, leaves, software, tags

RULES: Final[tuple[ResourceRule | StackRule, ...]] = (
    *firewall.RULES,
    *disks.RULES,
    *instance.RULES,
    *identity.RULES,
    *software.RULES,
    *charges.RULES,
    *tags.RULES,
    *leaves.RULES,
)
