"""The network of one sandbox: a namespace of its own that holds the VPC, the services and all rules.

    host ── uplink (198.51.100.4k/30) ── region namespace ── veth ecs… ── machine's namespace (eth0)
      route to the elastic IPs            NAT 1:1, security groups       the private address only

There is no bridge: with br_netfilter loaded (Docker does), NAT on a bridge is not what it is on a router.

Nothing is forwarded to the real internet, and nothing on the host is changed but one link and its routes, so
taking the namespaces away takes everything away. 203.0.113.0/24 and 198.51.100.0/24 are documentation ranges
(RFC 5737): no host of anybody's is there.
"""

import ctypes
import fcntl
import ipaddress
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sandbox.command import run, succeeds
from sandbox.hardware import HardwareError, IngressRule
from sandbox.state import Address, Machine, Store

FRONT = "100.100.0.10"  # every internet name that a box may ask for leads here
METADATA = "100.100.100.200"  # Alibaba Cloud's own
RESOLVER = "100.100.2.136"  # Alibaba Cloud's own
SLOTS = 16  # sandboxes side by side
CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True)
class Ranges:
    """The addresses of the sandbox in slot `index`; `peer` is the host, as machines see it."""

    index: int

    @property
    def link(self) -> str:
        return f"owsb{self.index}"

    @property
    def peer(self) -> str:
        return f"198.51.100.{4 * self.index + 1}"

    @property
    def uplink(self) -> str:
        return f"198.51.100.{4 * self.index + 2}"

    @property
    def elastic_network(self) -> ipaddress.IPv4Network:
        """The range of the elastic IPs."""
        return ipaddress.IPv4Network(f"203.0.113.{16 * self.index}/28")

    @property
    def elastic(self) -> tuple[str, ...]:
        """The elastic IPs of this sandbox."""
        return tuple(str(address) for address in self.elastic_network.hosts())


def region_namespace(name: str) -> str:
    """The named network namespace of sandbox `name`."""
    return f"owsb-{name}"


def machine_namespace(name: str, instance_id: str) -> str:
    """The named network namespace of one machine."""
    return f"owsb-{name}-{instance_id}"


def namespace_path(namespace: str) -> Path:
    """The file that stands for a named namespace."""
    return Path("/run/netns") / namespace


def namespaces(name: str) -> list[str]:
    """The namespaces of sandbox `name` that exist: its own, and its machines'."""
    prefix = f"{region_namespace(name)}-i-"
    return [
        path.name
        for path in sorted(namespace_path("").glob("owsb-*"))
        if path.name == region_namespace(name) or path.name.startswith(prefix)
    ]


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """The calling thread is in `namespace` meanwhile: sockets made there stay there."""
    with Path("/proc/thread-self/ns/net").open() as home, namespace_path(namespace).open() as there:
        _setns(there.fileno())
        try:
            yield
        finally:
            _setns(home.fileno())


def _setns(descriptor: int) -> None:
    if _libc.setns(descriptor, CLONE_NEWNET) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"setns: {os.strerror(code)}")


def claim_slot(name: str) -> int:
    """Create the uplink of sandbox `name` in the first free slot, counted from one that its name decides.

    Creating a link is atomic, so two sandboxes that start at once cannot get the same slot.
    """
    first = sha256(name.encode()).digest()[0] % SLOTS
    for index in ((first + n) % SLOTS for n in range(SLOTS)):
        link = Ranges(index).link
        if succeeds("ip", "link", "add", link, "type", "veth", "peer", "name", f"{link}r"):
            run("ip", "link", "set", link, "alias", _alias(name))
            return index
    raise HardwareError(f"no free slot: {SLOTS} sandboxes run on this host; take one down")


def slot_of(name: str) -> int | None:
    """The slot whose uplink is there for sandbox `name`."""
    for index in range(SLOTS):
        alias = Path(f"/sys/class/net/{Ranges(index).link}/ifalias")
        if alias.exists() and alias.read_text().strip() == _alias(name):
            return index
    return None


def create_region(name: str, index: int) -> None:
    """The region's namespace, its addresses and the host's side of the uplink."""
    ranges, namespace = Ranges(index), region_namespace(name)
    if succeeds("ip", "netns", "pids", namespace):
        return
    if not succeeds("ip", "link", "show", ranges.link):  # the host was restarted
        run("ip", "link", "add", ranges.link, "type", "veth", "peer", "name", f"{ranges.link}r")
        run("ip", "link", "set", ranges.link, "alias", _alias(name))
    run("ip", "netns", "add", namespace)
    run("ip", "link", "set", f"{ranges.link}r", "netns", namespace, "name", "up0")
    run("ip", "address", "add", f"{ranges.peer}/30", "dev", ranges.link)
    run("ip", "link", "set", ranges.link, "up")
    run("ip", "route", "add", str(ranges.elastic_network), "via", ranges.uplink, "dev", ranges.link)
    batch = [
        "link set lo up",
        *(f"address add {address}/32 dev lo" for address in (FRONT, METADATA, RESOLVER)),
        f"address add {ranges.uplink}/30 dev up0",
        "link set up0 up",
        f"route add default via {ranges.peer}",
        # An elastic IP that leads nowhere swallows packets. What the region itself starts (ACME's validation)
        # comes from an address that is no customer's.
        "link add eip0 arp off type veth peer name eip1",
        "link set eip0 up",
        "link set eip1 up",
        f"route add {ranges.elastic_network} dev eip0 src {FRONT}",
    ]
    run("ip", "-netns", namespace, "-batch", "-", stdin="\n".join(batch) + "\n")
    run("ip", "netns", "exec", namespace, "sysctl", "-qw", "net.ipv4.ip_forward=1")


def plug_in(name: str, machine: Machine) -> None:
    """The machine's namespace with eth0 on the region's bridge. Its address outlives reboots."""
    namespace, region, port = machine_namespace(name, machine.instance_id), region_namespace(name), _port(machine)
    if namespace_path(namespace).exists():
        return
    subnet = ipaddress.ip_interface(f"{machine.private_ip}/24").network
    gateway = subnet.broadcast_address - 2  # as in a vSwitch
    run("ip", "netns", "add", namespace)
    run("ip", "-netns", region, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    wiring = [
        f"link set {port} up",
        f"address add {gateway}/32 dev {port}",
        f"route add {machine.private_ip}/32 dev {port} src {FRONT}",
    ]
    run("ip", "-netns", region, "-batch", "-", stdin="\n".join(wiring) + "\n")
    # The neighbours of the vSwitch are behind the region, which answers for them.
    run("ip", "netns", "exec", region, "sysctl", "-qw", f"net.ipv4.conf.{port}.proxy_arp=1")
    inner = [
        "link set lo up",
        f"link set eth0 address {machine.mac}",
        "link set eth0 up",
        f"address add {machine.private_ip}/24 dev eth0",
        f"route add default via {gateway}",
    ]
    run("ip", "-netns", namespace, "-batch", "-", stdin="\n".join(inner) + "\n")


def unplug(name: str, instance_id: str) -> None:
    """Take the machine's namespace away, and with it both ends of its cable."""
    if namespace_path(machine_namespace(name, instance_id)).exists():
        run("ip", "netns", "del", machine_namespace(name, instance_id))


def shape(name: str, machine: Machine) -> None:
    """Limit what the machine can download, as `machine.download_mbps` says."""
    qdisc = ("tc", "-netns", region_namespace(name), "qdisc")
    if machine.download_mbps is None:
        if "tbf" in run(*qdisc, "show", "dev", _port(machine)):
            run(*qdisc, "del", "dev", _port(machine), "root")
        return
    rate = f"{machine.download_mbps:g}mbit"
    run(*qdisc, "replace", "dev", _port(machine), "root", "tbf", "rate", rate, "burst", "128kb", "latency", "100ms")


def apply_rules(name: str, store: Store) -> None:
    """Bring the rules in force in line with the records."""
    with store.directory.joinpath("network.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ruleset = rules(store.all_machines(), store.all_addresses())
        run("ip", "netns", "exec", region_namespace(name), "nft", "-f", "-", stdin=ruleset)


def rules(machines: Sequence[Machine], addresses: Sequence[Address]) -> str:
    """The whole ruleset of the region, for `nft -f`. A security group drops, as the cloud does, it does not refuse."""
    private = {machine.instance_id: machine.private_ip for machine in machines}
    pairs = [(a.address, private[a.instance_id]) for a in addresses if a.instance_id in private]
    translate = [f"    ip daddr {public} dnat to {inner}" for public, inner in pairs]
    hairpin = [f"    ip saddr {inner} ip daddr {inner} snat to {public}" for public, inner in pairs]
    ingress = [line for machine in machines for line in _ingress(machine)]
    cut_off = [
        f"    ip saddr {machine.private_ip} ip daddr {FRONT} drop" for machine in machines if not machine.outbound
    ]
    return "\n".join(
        [
            "table ip sandbox",
            "delete table ip sandbox",
            "table ip sandbox {",
            "  chain prerouting {",
            "    type nat hook prerouting priority dstnat",
            *translate,
            "  }",
            "  chain output {",
            "    type nat hook output priority -100",
            *translate,
            "  }",
            "  chain postrouting {",
            "    type nat hook postrouting priority srcnat",
            *hairpin,
            "  }",
            "  chain input {",
            "    type filter hook input priority filter",
            *cut_off,
            "  }",
            "  chain forward {",
            "    type filter hook forward priority filter",
            '    iifname "ecs*" oifname "up0" ct state new reject with icmp net-unreachable',
            "  }",
            "  chain security_group {",
            "    type filter hook postrouting priority filter",
            "    ct state established,related accept",
            *ingress,
            '    oifname "ecs*" drop',
            "  }",
            "}",
            "",
        ]
    )


def _ingress(machine: Machine) -> Iterator[str]:
    target = f'    oifname "ecs*" ip daddr {machine.private_ip}'
    for rule in machine.ingress:
        source = "" if rule.cidr == "0.0.0.0/0" else f" ip saddr {rule.cidr}"
        first, last = rule.ports
        match rule.protocol:
            case "tcp" | "udp":
                yield f"{target}{source} {rule.protocol} dport {first}-{last} accept"
            case "icmp":
                yield f"{target}{source} ip protocol icmp accept"
            case _:
                yield f"{target}{source} accept"


def validate_ingress(rules_: Sequence[IngressRule]) -> None:
    """Refuse rules that `nft` would refuse, with words that name the rule."""
    for rule in rules_:
        try:
            ipaddress.IPv4Network(rule.cidr)
        except ValueError as error:
            raise HardwareError(f"security group rule {rule}: cidr: {error}") from error
        if rule.protocol not in {"tcp", "udp", "icmp", "all"}:
            raise HardwareError(f"security group rule {rule}: protocol must be tcp, udp, icmp or all")
        first, last = rule.ports
        if rule.protocol in {"tcp", "udp"} and not 1 <= first <= last <= 65535:
            raise HardwareError(f"security group rule {rule}: ports must be 1..65535, first not above last")


def remove_region(name: str) -> None:
    """Take away the namespaces, and the uplink with its routes."""
    index = slot_of(name)
    if index is not None:
        run("ip", "link", "del", Ranges(index).link)
    for namespace in namespaces(name):
        run("ip", "netns", "del", namespace)


def _alias(name: str) -> str:
    return f"open-webui-sandbox:{name}"


def _port(machine: Machine) -> str:
    return "ecs" + sha256(machine.instance_id.encode()).hexdigest()[:12]


def listen(namespace: str | None, address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    """A bound (and for streams listening) socket in `namespace`; None: where the caller is."""
    if namespace is not None:
        with inside(namespace):
            return listen(None, address, port, kind)
    listener = socket.socket(socket.AF_INET, kind)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    if kind == socket.SOCK_STREAM:
        listener.listen(512)
    listener.setblocking(False)
    return listener
