"""Security groups: who may reach the instance, and on which ports."""

import re
from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from policy.model import UNKNOWN, Demands, Level, Resource, ResourceRule

GROUP: Final = frozenset({"alicloud:ecs/securityGroup:SecurityGroup"})
GROUP_RULE: Final = frozenset({"alicloud:ecs/securityGroupRule:SecurityGroupRule"})
ALL: Final = range(1, 65536)
WIDEST: Final = 100  # ports of one rule; beyond that it is a wall with a hole, not a door
ADMIN: Final = {22: "SSH", 3389: "RDP"}
INNER: Final = {11434: "Ollama, which has no authentication", 8080: "Open WebUI without TLS"}
WEB: Final = (80, 443)
PORTS: Final = re.compile(r"(\d+)(?:/(\d+))?")
# 0.0.0.0/1 and 128.0.0.0/1 are the internet in two halves; no owner of addresses has a range this wide.
PUBLIC_PREFIX: Final = {4: 8, 6: 16}


def opened(rule: Resource) -> range | None:
    """The ports that an accepting ingress rule opens; None for any other rule, and for what is not known yet.

    What names no ports (-1/-1, or words) counts as all of them.
    """
    inputs = rule.inputs
    if inputs.get("type") != "ingress" or inputs.get("policy", "accept") != "accept":
        return None
    protocol, text = inputs.get("ipProtocol"), inputs.get("portRange", "-1/-1")
    if protocol in ("icmp", "icmpv6", "gre") or UNKNOWN in (protocol, text):
        return None
    if protocol == "all" or (found := PORTS.fullmatch(str(text))) is None:
        return ALL
    return range(int(found[1]), int(found[2] or found[1]) + 1)


def public(rule: Resource) -> bool:
    """Whether the source is the internet: IPv4, IPv6, or no source at all."""
    inputs = rule.inputs
    sources = [inputs.get(key) for key in ("cidrIp", "ipv6CidrIp") if inputs.get(key)]
    if not sources:
        return not any(inputs.get(key) for key in ("sourceSecurityGroupId", "prefixListId"))
    return any(_wide(str(source)) for source in sources if source != UNKNOWN)


def _wide(source: str) -> bool:
    try:
        network = ip_network(source, strict=False)
    except ValueError:  # the provider refuses it; until then it names nobody
        return True
    return network.prefixlen < PUBLIC_PREFIX[network.version]


def _names_its_ports(rule: Resource, _: Demands) -> Iterator[str]:
    ports = opened(rule)
    if ports is not None and len(ports) > WIDEST:
        named = f"{rule.inputs.get('ipProtocol')}, portRange {rule.inputs.get('portRange', '-1/-1')}"
        yield f"opens {len(ports)} ports ({named}); give ipProtocol tcp and one port, as in 443/443"


def _admin_closed(rule: Resource, _: Demands) -> Iterator[str]:
    ports = opened(rule)
    for port, name in ADMIN.items():
        if ports is not None and port in ports and public(rule):
            yield f"opens port {port} ({name}) to the internet; a shell is Cloud Assistant's, remove the rule"


def _inner_closed(rule: Resource, _: Demands) -> Iterator[str]:
    ports = opened(rule)
    for port, name in INNER.items():
        if ports is not None and port in ports:
            yield f"opens port {port} ({name}); people come in through 443, remove the rule"


def _web_only(rule: Resource, _: Demands) -> Iterator[str]:
    ports = opened(rule)
    if ports is not None and public(rule) and not set(ports) <= set(WEB):
        yield f"opens portRange {rule.inputs.get('portRange')} to the internet; only 80 and 443 may be public"


def _page_not_for_everyone(rule: Resource, _: Demands) -> Iterator[str]:
    ports = opened(rule)
    if ports is not None and 443 in ports and public(rule):
        yield "opens the page to the whole internet; name your networks in access.allowedNetworks"


def _members_apart(group: Resource, _: Demands) -> Iterator[str]:
    if group.inputs.get("innerAccessPolicy", group.inputs.get("innerAccess")) not in ("Drop", False, UNKNOWN):
        yield "lets its members reach one another on every port; set innerAccessPolicy to Drop"


RULES: Final = (
    ResourceRule(
        id="group-names-its-ports",
        level=Level.MANDATORY,
        title="A security group rule names its ports",
        why="A rule for all ports also opens what is installed next year.",
        covers=("KICS 60587dbd", "CIS 3.5"),
        beyond="any source, not only the internet; ranges of more than 100 ports; Checkov's port checks pass `-1/-1`",
        types=GROUP_RULE,
        check=_names_its_ports,
    ),
    ResourceRule(
        id="no-public-shell",
        level=Level.MANDATORY,
        title="SSH and RDP are closed to the internet",
        why="They are tried all day by everybody; Cloud Assistant gives a shell without an open port.",
        covers=(
            "CKV_ALI_2",
            "CKV_ALI_3",
            "KICS 2ae9d554",
            "Prowler ecs_securitygroup_restrict_ssh_internet",
            "Prowler ecs_securitygroup_restrict_rdp_internet",
            "CIS 3.2",
            "CIS 4.3",
            "CIS 4.4",
        ),
        beyond="wide port ranges, all ports, IPv6, the internet in two halves",
        types=GROUP_RULE,
        check=_admin_closed,
    ),
    ResourceRule(
        id="no-open-model-server",
        level=Level.MANDATORY,
        title="Neither Ollama's port nor the plain HTTP port is open to anyone",
        why="Ollama has no authentication: whoever reaches 11434 uses the GPU and deletes models (CNVD-2025-04094).",
        beyond="no list has it",
        types=GROUP_RULE,
        check=_inner_closed,
    ),
    ResourceRule(
        id="only-web-is-public",
        level=Level.MANDATORY,
        title="Only ports 80 and 443 are open to the internet",
        why="Port 80 answers ACME challenges and redirects; nothing else has business with strangers.",
        covers=("KICS dd706080", "KICS 2ae9d554", "CIS 3.5"),
        beyond="IPv6; KICS also refuses a public 80, which ACME needs",
        types=GROUP_RULE,
        check=_web_only,
    ),
    ResourceRule(
        id="page-not-for-everyone",
        level=Level.ADVISORY,
        title="HTTPS is open to named networks only",
        why="With 0.0.0.0/0 only a password stands between the internet and the chats.",
        covers=("KICS 2ae9d554",),
        beyond="IPv6",
        types=GROUP_RULE,
        check=_page_not_for_everyone,
    ),
    ResourceRule(
        id="group-members-apart",
        level=Level.ADVISORY,
        title="Members of a security group cannot reach one another",
        why="The default lets a second machine in the group reach every port of the first.",
        beyond="no list has it",
        types=GROUP,
        check=_members_apart,
    ),
)
