"""The instance: metadata, addresses, ways in."""

from collections.abc import Iterator
from typing import Final

from policy.model import UNKNOWN, Demands, Level, Resource, ResourceRule

INSTANCE: Final = frozenset({"alicloud:ecs/instance:Instance"})
# What makes machines of values that lie elsewhere, or has no key for half of what is demanded here.
OTHER_MAKERS: Final = frozenset(
    {
        "alicloud:ecs/autoProvisioningGroup:AutoProvisioningGroup",
        "alicloud:ecs/ecsInstanceSet:EcsInstanceSet",
        "alicloud:ecs/ecsLaunchTemplate:EcsLaunchTemplate",
        "alicloud:ecs/launchTemplate:LaunchTemplate",
        "alicloud:ess/scalingConfiguration:ScalingConfiguration",
        "alicloud:ess/scalingGroup:ScalingGroup",
    }
)
TEMPLATE: Final = ("launchTemplateId", "launchTemplateName", "launchTemplateVersion")
KEY_PAIRS: Final = frozenset(
    {
        "alicloud:ecs/ecsKeyPairAttachment:EcsKeyPairAttachment",
        "alicloud:ecs/keyPairAttachment:KeyPairAttachment",
    }
)


def _in_the_open(resource: Resource, _: Demands) -> Iterator[str]:
    if resource.type in OTHER_MAKERS:
        yield f"is a {resource.type.rsplit(':', 1)[-1]}, whose machines these rules do not see; declare an ecs.Instance"
    for key in TEMPLATE:
        if resource.type in INSTANCE and resource.inputs.get(key):
            yield f"takes values out of a launch template ({key}) that these rules do not see; give them here"


def _metadata(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("httpTokens") not in ("required", UNKNOWN):
        yield "has a metadata service that answers without a token; set httpTokens to required"


def _no_own_address(instance: Resource, _: Demands) -> Iterator[str]:
    given = (instance.inputs.get(key) for key in ("internetMaxBandwidthOut", "allocatePublicIp"))
    if any(value and value != UNKNOWN for value in given):
        yield "has a public address of its own, which keeps the elastic one away; set internetMaxBandwidthOut to 0"


def _in_a_vpc(instance: Resource, _: Demands) -> Iterator[str]:
    if not instance.inputs.get("vswitchId"):
        yield "is in no VPC; give vswitchId"


def _no_login(resource: Resource, _: Demands) -> Iterator[str]:
    if resource.type in KEY_PAIRS:
        yield "gives machines a key pair; a shell is Cloud Assistant's, remove it"
    for name in ("password", "kmsEncryptedPassword", "keyName", "passwordInherit"):
        value = resource.inputs.get(name)
        if value and not (name == "passwordInherit" and value == UNKNOWN):  # the others are logins, whatever they hold
            yield f"has a login ({name}); a shell is Cloud Assistant's, remove it"


def _protected_twice(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("deletionProtection") is True and not instance.protect:
        yield "is kept by the cloud alone, which refuses once the rest is gone; set Pulumi's protect (instance.protect)"


def _keeps_running(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("status") not in ("Running", UNKNOWN):
        yield "stays stopped after a failed change of type or image; set status to Running"


RULES: Final = (
    ResourceRule(
        id="machine-in-the-open",
        level=Level.MANDATORY,
        title="A machine is declared as an instance, with all its values",
        why="What comes out of a template, an instance set or a scaling group passes by every other rule here.",
        covers=("CKV_ALI_32", "KICS 1455cb21"),
        beyond="all of a template's values; the scanners look for its disks' encryption",
        types=INSTANCE | OTHER_MAKERS,
        check=_in_the_open,
    ),
    ResourceRule(
        id="metadata-needs-token",
        level=Level.MANDATORY,
        title="The metadata service answers only with a session token",
        why="It hands out the role's credentials; without a token one forged request from the server is enough.",
        beyond="no list has it",
        types=INSTANCE,
        check=_metadata,
    ),
    ResourceRule(
        id="no-address-of-its-own",
        level=Level.MANDATORY,
        title="The instance has no public address beside the elastic one",
        why="Its own would change with the instance, bill twice, and make the association fail.",
        beyond="no list has it",
        types=INSTANCE,
        check=_no_own_address,
    ),
    ResourceRule(
        id="instance-in-vpc",
        level=Level.MANDATORY,
        title="The instance is in a VPC",
        why="The classic network has no private ranges and no security group rules of this kind.",
        covers=("Prowler ecs_instance_no_legacy_network", "CIS 3.1"),
        types=INSTANCE,
        check=_in_a_vpc,
    ),
    ResourceRule(
        id="no-login",
        level=Level.MANDATORY,
        title="The instance has neither a password nor a key pair",
        why="A login that nobody needs is one that nobody rotates; passwords would stand in the state.",
        beyond="no list has it",
        types=INSTANCE | KEY_PAIRS,
        check=_no_login,
    ),
    ResourceRule(
        id="protected-twice",
        level=Level.MANDATORY,
        title="Deletion protection comes with Pulumi's protect",
        why="Else a destroy takes firewall, disk and address away before the cloud refuses: down, and still billed.",
        beyond="no list has it",
        types=INSTANCE,
        check=_protected_twice,
    ),
    ResourceRule(
        id="instance-kept-running",
        level=Level.ADVISORY,
        title="The instance's state is declared",
        why="A change that fails half-way leaves it stopped, and the next `up` sees no difference.",
        beyond="no list has it",
        types=INSTANCE,
        check=_keeps_running,
    ),
)
