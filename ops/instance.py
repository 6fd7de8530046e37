"""What a stack has in the cloud, found by the tags that the program puts on everything: no state, no Pulumi CLI."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from infra.settings import Settings
from ops import terminal
from ops.cloud.client import Cloud, dig, needed
from ops.cloud.errors import NotPossibleError, OpsError

IDENTITY = ("project", "stack", "managed-by")


def tags(settings: Settings) -> list[dict[str, str]]:
    """The tags that tell this stack's resources from all others, as the API's filters want them."""
    return [{"Key": key, "Value": settings.all_tags[key]} for key in IDENTITY]


@dataclass(frozen=True)
class Instance:
    """An ECS instance, from DescribeInstances."""

    facts: Mapping[str, Any]

    @property
    def id(self) -> str:
        """i-…; raises CloudError where the answer lacks it."""
        return needed("ecs:DescribeInstances", self.facts, "InstanceId")

    @property
    def status(self) -> str:
        """Pending, Starting, Running, Stopping or Stopped."""
        return str(self.facts.get("Status", "unknown"))

    @property
    def stopped_mode(self) -> str | None:
        """StopCharging or KeepCharging of a stopped instance, Not-applicable of a subscription's; else None."""
        return dig(self.facts, "StoppedMode") if self.status == "Stopped" else None

    @property
    def public_ip(self) -> str | None:
        """The elastic address."""
        return dig(self.facts, "EipAddress", "IpAddress") or None

    @property
    def locks(self) -> list[str]:
        """Why the cloud keeps the instance from running: financial, security, Recycling, …"""
        return [str(lock.get("LockReason")) for lock in dig(self.facts, "OperationLocks", "LockReason", default=[])]


def find(cloud: Cloud, settings: Settings) -> Instance | None:
    """The stack's instance; None before `pulumi up`. Raises OpsError where two carry the stack's tags."""
    found = list(
        cloud.pages("ecs", "DescribeInstances", ("Instances", "Instance"), RegionId=settings.region, Tag=tags(settings))
    )
    if len(found) > 1:
        ids = ", ".join(str(facts.get("InstanceId")) for facts in found)
        raise OpsError(f"several instances carry this stack's tags: {ids}\n    fix: delete or retag the odd ones")
    return Instance(found[0]) if found else None


def required(cloud: Cloud, settings: Settings) -> Instance:
    """The stack's instance. Raises NotPossibleError where there is none."""
    with terminal.doing("looking for the instance"):
        found = find(cloud, settings)
    if found is None:
        raise NotPossibleError(
            f"stack {settings.stack!r} has no instance in {settings.region}\n"
            f"    fix: pulumi up --stack {settings.stack}, or another --stack"
        )
    return found


def address(settings: Settings, instance: Instance) -> str | None:
    """Where people open the service; None while the instance has no elastic address."""
    host = settings.access.tls.domain or instance.public_ip
    return f"https://{host}" if host else None
