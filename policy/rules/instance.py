"""The instance: metadata, addresses, ways in."""

from collections.abc import Iterator
from typing import Final

from policy.model import Demands, Level, Resource, ResourceRule

INSTANCE: Final = frozenset({"alicloud:ecs/instance:Instance"})


def _metadata(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("httpTokens") != "required":
        yield "its metadata service answers without a token; set httpTokens to required"


def _no_own_address(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("internetMaxBandwidthOut") or instance.inputs.get("allocatePublicIp"):
        yield "has a public address of its own, which keeps the elastic one away; set internetMaxBandwidthOut to 0"


def _in_a_vpc(instance: Resource, _: Demands) -> Iterator[str]:
    if not instance.inputs.get("vswitchId"):
        yield "is in no VPC; give vswitchId"


def _no_login(instance: Resource, _: Demands) -> Iterator[str]:
    for name in ("password", "kmsEncryptedPassword", "keyName"):
        if instance.inputs.get(name):
            yield f"has a login ({name}); a shell is Cloud Assistant's, remove it"


def _protected_twice(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("deletionProtection") is True and not instance.protect:
        yield (
            "only the cloud refuses its deletion, after the rest is gone; set Pulumi's protect too (instance.protect)"
        )


def _keeps_running(instance: Resource, _: Demands) -> Iterator[str]:
    if instance.inputs.get("status") != "Running":
        yield "stays stopped after a failed change of type or image; set status to Running"


RULES: Final = (
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
        types=INSTANCE,
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
