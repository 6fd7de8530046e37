"""What may reach the instance: HTTPS from the allowed networks, and port 80 as the certificate needs it."""

from dataclasses import dataclass
from ipaddress import IPv4Network

import pulumi
import pulumi_alicloud as alicloud

ANYWHERE = IPv4Network("0.0.0.0/0")
ACME = "acme"


@dataclass(frozen=True, kw_only=True)
class FirewallArgs:
    """`acme` opens port 80 to the world: the ACME server answers its challenge from addresses it does not name."""

    vpc_id: pulumi.Input[str]
    allowed_networks: tuple[IPv4Network, ...]
    acme: bool
    physical_name: str
    tags: dict[str, str]


def ingress(allowed_networks: tuple[IPv4Network, ...], *, acme: bool) -> dict[str, tuple[IPv4Network, int, str]]:
    """Rule name -> (source, TCP port, why). No shell: that is Cloud Assistant's. Neither 8080 nor 11434, ever.

    A source and a port always have the same name: of two equal rules the cloud makes one, and the end of either
    would be the end of both (help page "AuthorizeSecurityGroup", 2024-11).
    """
    rules = {f"https-{_slug(source)}": (source, 443, "HTTPS") for source in allowed_networks}
    if acme:
        return {**rules, ACME: (ANYWHERE, 80, "ACME http-01 challenge and redirect to HTTPS")}
    return {**rules, **{_on_port_80(source): (source, 80, "redirect to HTTPS") for source in allowed_networks}}


def _on_port_80(source: IPv4Network) -> str:
    return ACME if source == ANYWHERE else f"http-{_slug(source)}"


def _slug(source: IPv4Network) -> str:
    return str(source).replace(".", "-").replace("/", "-")


class Firewall(pulumi.ComponentResource):
    """One security group with its rules; output `security_group_id`."""

    security_group_id: pulumi.Output[str]

    def __init__(self, name: str, args: FirewallArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:Firewall", name, {}, opts)
        group = alicloud.ecs.SecurityGroup(
            f"{name}-group",
            security_group_name=args.physical_name,
            description="Open WebUI: HTTPS from the allowed networks",
            vpc_id=args.vpc_id,
            inner_access_policy="Drop",  # members of the group have no business with one another
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        for rule, (source, port, why) in ingress(args.allowed_networks, acme=args.acme).items():
            alicloud.ecs.SecurityGroupRule(
                f"{name}-{rule}",
                security_group_id=group.id,
                type="ingress",
                ip_protocol="tcp",
                port_range=f"{port}/{port}",  # the provider's default and a bare "443" fail only at `up`
                cidr_ip=str(source),
                nic_type="intranet",
                policy="accept",
                priority=1,
                description=why,
                opts=pulumi.ResourceOptions(
                    parent=self,
                    # Every property but the description replaces a rule, and its id is made of them.
                    delete_before_replace=True,
                    # What it was called in stacks of before, where the world came in without ACME.
                    aliases=[pulumi.Alias(name=f"{name}-http-0-0-0-0-0")] if rule == ACME else None,
                ),
            )
        self.security_group_id = group.id
        self.register_outputs({"securityGroupId": self.security_group_id})
