"""The region's rules and the machine's start command, as text; that they do what they say is `tests/machine`."""

from itertools import chain, pairwise
from pathlib import Path

import pytest

from sandbox import disks
from sandbox.hardware import HardwareError, IngressRule, MachineSpec
from sandbox.lifecycle import refuse_other_parts
from sandbox.machine import nspawn_command
from sandbox.network import SLOTS, Ranges, rules, validate_ingress
from sandbox.state import Address, Machine, RegionRecord, Release, Sources, Store, write

INSTANCE = "i-t4n00000000000000001"


def machine(*ingress: IngressRule, outbound: bool = True) -> Machine:
    spec = MachineSpec(
        instance_id=INSTANCE,
        hostname="box",
        region_id="ap-southeast-1",
        zone_id="ap-southeast-1c",
        instance_type="ecs.c7.large",
        image_id="m-1",
        private_ip="10.20.1.10",
        user_data=b"",
    )
    return Machine.of(spec).model_copy(update={"ingress": ingress, "outbound": outbound})


def chain_of(ruleset: str, name: str) -> list[str]:
    """The lines of one chain, its hook aside."""
    lines = [line.strip() for line in ruleset.splitlines()]
    start = lines.index(f"chain {name} {{")
    return lines[start + 2 : lines.index("}", start)]


def test_no_two_sandboxes_share_an_address_or_a_link() -> None:
    slots = [Ranges(index) for index in range(SLOTS)]
    taken = [*chain.from_iterable([*slot.elastic, slot.peer, slot.uplink, slot.link] for slot in slots)]
    assert len(taken) == len(set(taken))
    assert all(not one.elastic_network.overlaps(two.elastic_network) for one, two in pairwise(slots))


def test_nothing_gets_in_unless_a_rule_says_so() -> None:
    assert chain_of(rules([machine()], []), "security_group") == [
        "ct state established,related accept",
        'oifname "ecs*" drop',
    ]


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        (
            IngressRule(protocol="tcp", ports=(443, 443), cidr="198.51.100.0/24"),
            'oifname "ecs*" ip daddr 10.20.1.10 ip saddr 198.51.100.0/24 tcp dport 443-443 accept',
        ),
        (
            IngressRule(protocol="udp", ports=(1000, 2000), cidr="0.0.0.0/0"),
            'oifname "ecs*" ip daddr 10.20.1.10 udp dport 1000-2000 accept',
        ),
        (
            IngressRule(protocol="icmp", ports=(-1, -1), cidr="0.0.0.0/0"),
            'oifname "ecs*" ip daddr 10.20.1.10 ip protocol icmp accept',
        ),
        (
            IngressRule(protocol="all", ports=(-1, -1), cidr="10.20.0.0/16"),
            'oifname "ecs*" ip daddr 10.20.1.10 ip saddr 10.20.0.0/16 accept',
        ),
    ],
)
def test_a_rule_lets_in_its_protocol_ports_and_source_only(rule: IngressRule, line: str) -> None:
    assert line in chain_of(rules([machine(rule)], []), "security_group")


def test_an_elastic_ip_leads_to_its_instance_and_not_to_one_that_is_gone() -> None:
    addresses = [
        Address(address="203.0.113.1", instance_id=INSTANCE),
        Address(address="203.0.113.2", instance_id="i-x"),
    ]
    translated = chain_of(rules([machine()], addresses), "prerouting")
    assert translated == ["ip daddr 203.0.113.1 dnat to 10.20.1.10"]


def test_a_machine_without_outbound_keeps_metadata_and_names() -> None:
    assert chain_of(rules([machine()], []), "input") == []
    assert chain_of(rules([machine(outbound=False)], []), "input") == ["ip saddr 10.20.1.10 ip daddr 100.100.0.10 drop"]


@pytest.mark.parametrize(
    "rule",
    [
        IngressRule(protocol="tcp", ports=(443, 80), cidr="0.0.0.0/0"),
        IngressRule(protocol="tcp", ports=(0, 80), cidr="0.0.0.0/0"),
        IngressRule(protocol="tcp", ports=(443, 443), cidr="198.51.100.1/24"),
        IngressRule(protocol="tcp", ports=(443, 443), cidr="everywhere"),
        IngressRule(protocol="gre", ports=(-1, -1), cidr="0.0.0.0/0"),
    ],
)
def test_a_rule_that_nobody_could_enforce_is_refused_by_name(rule: IngressRule) -> None:
    with pytest.raises(HardwareError, match="security group rule"):
        validate_ingress([rule])


def record(directory: Path) -> RegionRecord:
    release = Release(path=directory, version="1")
    sources = Sources(
        root=directory,
        apt_archives=directory,
        ollama=release,
        caddy=release,
        registry_storage=directory,
        registry=directory,
        pebble=directory,
    )
    return RegionRecord(name="dev", index=0, sources=sources)


def test_a_sandbox_made_of_other_parts_is_refused_with_what_differs_and_what_to_do(tmp_path: Path) -> None:
    store, region = Store(tmp_path), record(tmp_path)
    refuse_other_parts(store, region)  # a new one
    write(store.region, region)
    refuse_other_parts(store, region)
    newer = region.sources.model_copy(update={"ollama": Release(path=tmp_path, version="2"), "pebble": tmp_path / "p"})
    with pytest.raises(HardwareError, match=r"\(ollama, pebble\).*ops sandbox down --name dev"):
        refuse_other_parts(store, region.model_copy(update={"sources": newer}))


def test_a_machine_gets_one_capability_more_than_a_container_and_every_attached_disk(tmp_path: Path) -> None:
    region = record(tmp_path)
    command = nspawn_command(Store(tmp_path), region, machine(), [Path("/dev/loop3")])
    assert command[:2] == ["nsenter", f"--net=/run/netns/owsb-dev-{INSTANCE}"]
    # With all capabilities, a machine can set the clock of the host.
    assert [word for word in command if "capability" in word] == ["--capability=CAP_NET_ADMIN"]
    assert "--bind=/dev/loop3" in command


def test_a_disk_s_serial_is_its_id_without_the_prefix() -> None:
    assert disks.serial("d-t4n1234567890abcdefgh") == "t4n1234567890abcdefg"


def test_a_snapshot_does_not_fit_a_smaller_disk_and_holes_stay_holes(tmp_path: Path) -> None:
    first, second = tmp_path / "first.img", tmp_path / "second.img"
    disks.create(first, 2, None)
    with first.open("r+b") as file:
        file.write(b"content")
    disks.create(second, 3, first)
    with second.open("rb") as file:
        assert file.read(7) == b"content"
    assert (second.stat().st_size, second.stat().st_blocks * 512 < 1 << 20) == (3 << 30, True)
    with pytest.raises(HardwareError, match="smaller than its snapshot"):
        disks.create(tmp_path / "third.img", 1, first)
