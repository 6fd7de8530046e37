from ipaddress import IPv4Network

from infra.firewall import ANYWHERE, Firewall, FirewallArgs, ingress

OFFICE, HOME = IPv4Network("203.0.113.0/24"), IPv4Network("198.51.100.7/32")


def args(*, acme: bool) -> FirewallArgs:
    return FirewallArgs(
        vpc_id="vpc-1", allowed_networks=(OFFICE, HOME), acme=acme, physical_name="open-webui-dev", tags={"team": "a"}
    )


def test_https_is_open_to_the_allowed_networks_only():
    sources = {source for source, port, _ in ingress((OFFICE, HOME), acme=True).values() if port == 443}
    assert sources == {OFFICE, HOME}


def test_the_world_reaches_port_80_only_where_acme_needs_it():
    assert [(s, p) for s, p, _ in ingress((OFFICE,), acme=True).values() if s == ANYWHERE] == [(ANYWHERE, 80)]
    assert all(source != ANYWHERE for source, _, _ in ingress((OFFICE,), acme=False).values())


def test_one_source_and_port_has_one_name_whatever_else_is_open():
    names: dict[object, set[str]] = {}
    for networks in ((OFFICE,), (ANYWHERE,), (OFFICE, HOME)):
        for acme in (True, False):
            for name, (source, port, _) in ingress(networks, acme=acme).items():
                names.setdefault((source, port), set()).add(name)
    assert all(len(found) == 1 for found in names.values()), names


def test_a_rule_that_once_had_another_name_is_known_by_it(deploy):
    made = deploy(lambda: Firewall("fw", args(acme=True)))
    assert made["fw-acme"].options.aliases == ("fw-http-0-0-0-0-0",)
    assert made["fw-https-203-0-113-0-24"].options.aliases == ()


def test_no_port_but_80_and_443_is_ever_open():
    for acme in (True, False):
        assert {port for _, port, _ in ingress((OFFICE, HOME), acme=acme).values()} == {80, 443}


def test_each_rule_names_its_ports_as_a_range(deploy):
    rules = [
        r for r in deploy(lambda: Firewall("fw", args(acme=True))).values() if r.type.endswith("SecurityGroupRule")
    ]
    assert {rule.inputs["portRange"] for rule in rules} == {"443/443", "80/80"}
    assert all(rule.inputs["nicType"] == "intranet" for rule in rules)
    assert all(rule.inputs["securityGroupId"] == "fw-group-id" for rule in rules)


def test_members_of_the_group_do_not_reach_one_another(deploy):
    assert deploy(lambda: Firewall("fw", args(acme=False)))["fw-group"].inputs["innerAccessPolicy"] == "Drop"
