"""Tags: what a resource belongs to."""

from collections.abc import Iterator
from typing import Final

from policy.model import UNKNOWN, Demands, Level, Resource, ResourceRule

ALWAYS: Final = ("project", "stack", "managed-by")
# The types of this program that take tags, but for alarms, which cost nothing and are found by their contact group.
TAGGED: Final = frozenset(
    {
        "alicloud:ecs/autoSnapshotPolicy:AutoSnapshotPolicy",
        "alicloud:ecs/ecsDisk:EcsDisk",
        "alicloud:ecs/eipAddress:EipAddress",
        "alicloud:ecs/instance:Instance",
        "alicloud:ecs/securityGroup:SecurityGroup",
        "alicloud:oos/secretParameter:SecretParameter",
        "alicloud:ram/policy:Policy",
        "alicloud:ram/role:Role",
        "alicloud:ros/stack:Stack",
        "alicloud:vpc/network:Network",
        "alicloud:vpc/switch:Switch",
    }
)


def _tagged(resource: Resource, demands: Demands) -> Iterator[str]:
    given = resource.inputs.get("tags") or {}
    missing = [key for key in (*ALWAYS, *demands.required_tags) if given != UNKNOWN and not given.get(key)]
    if missing:
        own = [key for key in missing if key not in ALWAYS]
        fix = f"; set {', '.join(f'tags.{key}' for key in own)} in the stack file" if own else ""
        yield f"lacks the tag{'s' * (len(missing) > 1)} {', '.join(missing)}{fix}"


RULES: Final = (
    ResourceRule(
        id="tagged",
        level=Level.MANDATORY,
        title="Every resource that takes tags has the program's, and those that policy/stacks.yaml requires",
        why="Bills, the deployer's permissions and the clean-up of leftovers go by them.",
        beyond="no list has it",
        types=TAGGED,
        check=_tagged,
    ),
)
