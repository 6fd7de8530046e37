"""`ops doctor`: each trouble is found before anything is bought, and the zone is written without touching the rest."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ops import artifacts, doctor_checks, edit_stack_file
from ops.artifacts import Source
from ops.cloud import client
from ops.cloud.client import Answer
from ops.cloud.errors import NotPossibleError
from ops.program import ROOT
from tests.openapi import constants
from tests.openapi.operator import Operator
from tests.openapi.server import Fault


@pytest.fixture(autouse=True)
def _all_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(artifacts, "probe", lambda _: [Source("Ollama", ("https://a.example/x",), (None,))])


def findings(operator: Operator) -> dict[str, dict[str, str]]:
    return {finding["check"]: finding for finding in operator.document("doctor")["findings"]}


def test_a_stack_that_may_be_bought_has_no_problem_and_ends_with_0(operator: Operator):
    result = operator.run("doctor")
    assert result.exit_code == 0
    assert "no problem found, 1 not checked: permissions\n" in result.stdout
    assert "next: pulumi up --stack dev\n" in result.stderr
    assert {name for name, finding in findings(operator).items() if finding["level"] != "ok"} == {"permissions"}


def test_what_cannot_be_tried_is_named_by_what_the_stack_has(operator: Operator):
    found = findings(operator)["permissions"]
    assert found["level"] == "unknown"
    assert "vSwitch, security group, data disk, elastic address, RAM roles" in found["fact"]
    assert "snapshot policy" not in found["fact"]
    operator.write_stack(
        network={"existingVpcId": constants.VPC, "existingVswitchId": "vsw-t4nexample01"},
        dataDisk__snapshots={"hours": [3]},
        alarms={"contacts": ["ops@example.com"]},
        schedule={"stop": "0 20 * * 1-5", "start": "30 7 * * 1-5", "timeZone": "UTC"},
    )
    fact = findings(operator)["permissions"]["fact"]
    assert "dry: security group" in fact
    assert fact.endswith("snapshot policy, CloudMonitor alarms, ROS stack of the night schedule")


def test_what_was_not_checked_is_counted_in_the_last_line(operator: Operator):
    operator.api.faults["DescribeImages"] = [constants.FORBIDDEN]
    operator.region.stock = {}
    last = operator.run("doctor").stdout.splitlines()[-1]
    assert last == "1 problem to mend before pulumi up; 2 not checked: image, permissions"


@pytest.mark.parametrize("amount", ["", "n/a"])
def test_an_amount_that_is_none_is_no_balance(operator: Operator, amount: str):
    operator.region.balance = amount
    assert findings(operator)["balance"]["level"] == "unknown"


@pytest.mark.parametrize(
    ("action", "answer", "check", "said"),
    [
        ("DescribeVSwitches", {"VSwitches": {"VSwitch": [{"ZoneId": "x"}]}}, "purchase", "nothing to try a purchase"),
        ("DescribeSecurityGroups", {"SecurityGroups": {"SecurityGroup": [{}]}}, "purchase", "nothing to try"),
        ("DescribeEipAddresses", {"TotalCount": "many"}, "addresses", "cannot read: ValueError: invalid literal"),
        ("DescribeImages", {"Images": {"Image": 7}}, "image", "cannot read: TypeError"),
    ],
)
def test_an_answer_that_cannot_be_read_is_not_checked_and_ends_nothing(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, action: str, answer: Any, check: str, said: str
):
    monkeypatch.setattr(client.Cloud, "call", answering(client.Cloud.call, action, answer))
    found = findings(operator)
    assert found[check]["level"] == "unknown"
    assert said in found[check]["fact"]
    assert found["downloads"]["level"] == "ok"


def answering(real: Any, action: str, answer: Any) -> Any:
    def call(self: Any, service: str, asked: str, /, **parameters: Any) -> Answer:
        return Answer(answer) if asked == action else real(self, service, asked, **parameters)

    return call


def test_every_finding_that_is_not_well_says_consequence_and_fix(operator: Operator):
    operator.region.stock = {}
    operator.region.images = False
    operator.region.balance = "-3.00"
    operator.region.used_vcpus = 99
    operator.region.addresses = 20
    result = operator.run("doctor")
    assert result.exit_code == 1
    bad = [finding for finding in findings(operator).values() if finding["level"] != "ok"]
    assert {finding["check"] for finding in bad} == {"balance", "quota", "stock", "image", "addresses", "permissions"}
    assert all(finding["consequence"] and finding["fix"] for finding in bad)


@pytest.mark.parametrize(
    ("state", "level"),
    [
        ("WithStock", "ok"),
        ("ClosedWithStock", "warning"),
        ("WithoutStock", "problem"),
        ("ClosedWithoutStock", "problem"),
    ],
)
def test_stock_of_the_stacks_own_zone_decides(operator: Operator, state: str, level: str):
    operator.region.stock = {constants.ZONE: state, constants.OTHER_ZONE: "WithStock"}
    found = findings(operator)["stock"]
    assert found["level"] == level
    assert f"other zones with stock: {constants.OTHER_ZONE}" in found["fact"]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("OperationDenied.NoStock", "no stock"),
        ("QuotaExceed.ElasticQuota", "quota"),
        ("InvalidAccountStatus.NotEnoughBalance", "may not buy"),
        ("Forbidden.RAM", "permission is missing"),
    ],
)
def test_a_dry_purchase_tells_what_the_real_one_would_meet(operator: Operator, code: str, why: str):
    operator.region.dry_runs["RunInstances"] = Fault(403, code, "No.")
    found = findings(operator)["purchase"]
    assert found["level"] == "problem"
    assert code in found["fact"]
    assert why in found["fact"]
    assert all(call["DryRun"] == "true" for call in operator.api.called("RunInstances"))
    assert all(call["DryRun"] == "true" for call in operator.api.called("CreateVpc"))


def test_a_dry_purchase_offers_no_more_than_the_stack_would(operator: Operator):
    operator.write_stack(instance__spot={"maxHourlyPrice": 0.3})
    operator.run("doctor")
    operator.write_stack(instance__spot={})
    operator.run("doctor")
    limited, unlimited = operator.api.called("RunInstances")
    assert (limited["SpotStrategy"], limited["SpotPriceLimit"]) == ("SpotWithPriceLimit", "0.3")
    assert (unlimited["SpotStrategy"], "SpotPriceLimit" in unlimited) == ("SpotAsPriceGo", False)


def test_a_dry_purchase_is_made_where_the_stack_will_be(operator: Operator):
    operator.region.vswitches = (("vsw-t4nother01", "vpc-t4nother01"), ("vsw-t4nown01", constants.VPC))
    operator.write_stack(network={"existingVpcId": constants.VPC, "existingVswitchId": "vsw-t4nown01"})
    operator.run("doctor")
    [tried] = operator.api.called("RunInstances")
    assert (tried["VSwitchId"], tried["SecurityGroupId"]) == ("vsw-t4nown01", "sg-t4nexample01")


def test_a_dry_purchase_finds_its_place_on_any_page_and_prefers_groups_that_no_service_manages(operator: Operator):
    none = tuple((f"vsw-t4n{index:03}", f"vpc-t4n{index:03}") for index in range(60))
    operator.region.vswitches = (*none, ("vsw-t4nlast", "vpc-t4nlast"))
    operator.region.groups = {"vpc-t4n000": (("sg-managed", True),), "vpc-t4nlast": (("sg-own", False),)}
    operator.run("doctor")
    [tried] = operator.api.called("RunInstances")
    assert (tried["VSwitchId"], tried["SecurityGroupId"]) == ("vsw-t4nlast", "sg-own")
    operator.region.groups = {"vpc-t4n000": (("sg-managed", True),)}
    operator.run("doctor")
    assert operator.api.called("RunInstances")[-1]["SecurityGroupId"] == "sg-managed"


def test_a_data_disk_is_asked_for_beside_the_stacks_own_system_disk(operator: Operator):
    assert findings(operator)["data disk"]["level"] == "ok"
    asked = operator.api.called("DescribeAvailableResource")
    assert [call.get("SystemDiskCategory") for call in asked] == [None, None, "cloud_essd"]


def test_a_check_that_is_not_permitted_is_unknown_and_stops_no_other(operator: Operator):
    for action in ("QueryAccountBalance", "DescribeAccountAttributes", "DescribeImages", "DescribeAvailableResource"):
        operator.api.faults[action] = [constants.FORBIDDEN] * 9
    found = findings(operator)
    unknown = [name for name, finding in found.items() if finding["level"] == "unknown"]
    assert unknown == ["balance", "account", "stock", "disks", "image", "permissions"]
    assert all("Forbidden.RAM" in found[name]["fact"] for name in unknown[:-1])
    assert found["addresses"]["level"] == "ok"


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ("QueryAccountBalance", ("Data",)),
        ("DescribeAccountAttributes", ("AccountAttributeItems",)),
        ("DescribeAvailableResource", ("AvailableZones",)),
        ("DescribeImages", ("Images",)),
        ("DescribeVSwitches", ("VSwitches",)),
        ("DescribeSecurityGroups", ("SecurityGroups",)),
        ("DescribeEipAddresses", ("TotalCount",)),
        ("GetCallerIdentity", ("Arn",)),
    ],
)
def test_half_empty_answers_break_nothing(operator: Operator, action: str, path: tuple[str, ...]):
    operator.region.remove[action] = path
    assert len(findings(operator)) > 6


def test_refused_credentials_end_it_at_once(operator: Operator):
    operator.api.faults["GetCallerIdentity"] = [Fault(404, "InvalidAccessKeyId.NotFound", "Not found.")]
    result = operator.run("doctor")
    assert result.exit_code == 1
    assert "InvalidAccessKeyId.NotFound" in result.stderr
    assert [one.action for one in operator.api.received] == ["GetCallerIdentity"]


@pytest.mark.parametrize(
    ("date", "level"),
    [("Thu, 01 Jan 2037 00:00:00 GMT", "problem"), (None, None)],
)
def test_the_clock_is_compared_with_the_services(date: str | None, level: str | None):
    found = list(doctor_checks._clock(Answer({}, date)))
    assert [finding.level for finding in found] == ([level] if level else [])


@pytest.mark.parametrize(
    ("vswitch", "said"),
    [
        ({"VpcId": "vpc-t4nother01"}, "belongs to vpc-t4nother01"),
        ({"ZoneId": constants.OTHER_ZONE}, f"is in {constants.OTHER_ZONE}"),
        ({"AvailableIpAddressCount": 0}, "no free address"),
    ],
)
def test_an_existing_vswitch_must_be_usable(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, vswitch: dict[str, Any], said: str
):
    operator.write_stack(network={"existingVpcId": "vpc-t4nexample01", "existingVswitchId": "vsw-t4nexample01"})
    assert findings(operator)["network"]["level"] == "ok"
    real = type(operator.region).DescribeVSwitches

    def changed(self: Any, given: Any) -> Any:
        body = dict(real(self, given))
        body["VSwitches"] = {"VSwitch": [{**body["VSwitches"]["VSwitch"][0], **vswitch}]}
        return body

    monkeypatch.setattr(type(operator.region), "DescribeVSwitches", changed)
    document = operator.document("doctor")
    assert any(said in finding["fact"] for finding in document["findings"] if finding["level"] == "problem")


def test_downloads_that_do_not_answer_are_a_warning(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    silent = Source("Caddy", ("https://a.example/x", "https://b.example/x"), ("HTTP 404", "HTTP 500"))
    second = Source("Ollama", ("https://a.example/y", "https://b.example/y"), ("HTTP 404", None))
    monkeypatch.setattr(artifacts, "probe", lambda _: [silent, second])
    result = operator.run("doctor")
    assert result.exit_code == 0
    assert "Caddy: no address answers from here" in result.stdout
    assert "answer from here: Ollama" in result.stdout
    assert "Ollama: https://a.example/y does not answer from here (HTTP 404)" in result.stdout


def test_an_authority_that_does_not_answer_has_its_own_fix(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    silent = Source(artifacts.AUTHORITY, ("https://acme.example/directory",), ("connection refused",))
    monkeypatch.setattr(artifacts, "probe", lambda _: [silent])
    found = findings(operator)["certificate"]
    assert found["level"] == "warning"
    assert "mirrors.acmeDirectory" in found["fix"]
    assert "access.tls.mode: internal" in found["fix"]


def test_ctrl_c_does_not_wait_for_addresses_that_do_not_answer():
    """In a process of its own: what is left of threads shows at its end only."""
    program = (
        "import _thread, threading\n"
        "from ops import artifacts\n"
        "def hang(): _thread.interrupt_main(); threading.Event().wait()\n"
        "artifacts._wanted = lambda _: [('Ollama', [('https://a.example', hang)])]\n"
        "artifacts.probe(None)\n"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert "KeyboardInterrupt" in done.stderr


def test_the_zone_with_stock_is_written_and_every_other_character_stays(operator: Operator):
    text = (ROOT / "Pulumi.dev.yaml").read_text()
    file = operator.write_text(text)
    operator.region.stock = {constants.ZONE: "WithoutStock", constants.OTHER_ZONE: "WithStock"}
    result = operator.run("doctor", "--write-zone")
    assert result.exit_code == 0
    assert f"{constants.ZONE} -> {constants.OTHER_ZONE}" in result.stdout
    assert file.read_text() == text.replace(f"zone: {constants.ZONE}", f"zone: {constants.OTHER_ZONE}")


@pytest.mark.parametrize("state", ["WithStock", "ClosedWithStock"])
def test_nothing_is_written_where_no_zone_is_better(operator: Operator, state: str):
    before = operator.write_stack().read_text()
    operator.region.stock = {constants.ZONE: state, constants.OTHER_ZONE: state}
    result = operator.run("doctor", "--write-zone")
    assert result.exit_code == 0
    assert "no zone is better: nothing was written" in result.stdout
    assert operator.document("doctor", "--write-zone")["written"] is False
    assert (operator.root / "Pulumi.dev.yaml").read_text() == before


def test_a_zone_that_sells_out_is_left_for_one_that_has_stock(operator: Operator):
    operator.region.stock = {constants.ZONE: "ClosedWithStock", constants.OTHER_ZONE: "WithStock"}
    document = operator.document("doctor", "--write-zone")
    assert (document["before"], document["zone"], document["written"]) == (constants.ZONE, constants.OTHER_ZONE, True)


def test_no_zone_is_written_where_none_has_stock(operator: Operator):
    operator.region.stock = {constants.ZONE: "WithoutStock"}
    result = operator.run("doctor", "--write-zone", "--json")
    assert result.exit_code == 1
    assert "quote --compare --stack dev" in result.stderr
    assert json.loads(result.stdout)["written"] is False


def test_the_zone_of_a_running_stack_is_not_moved(operator: Operator):
    operator.deploy()
    operator.region.stock = {constants.ZONE: "WithoutStock", constants.OTHER_ZONE: "WithStock"}
    result = operator.run("doctor", "--write-zone")
    assert result.exit_code == 2
    assert "would replace machine and data disk" in result.stderr


def test_the_zone_of_an_existing_vswitch_is_not_moved(operator: Operator):
    operator.write_stack(network={"existingVpcId": "vpc-t4nexample01", "existingVswitchId": "vsw-t4nexample01"})
    operator.region.stock = {constants.OTHER_ZONE: "WithStock"}
    result = operator.run("doctor", "--write-zone")
    assert result.exit_code == 2
    assert "bound to its own zone" in result.stderr


@pytest.mark.parametrize("file", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda file: file.name)
def test_a_value_is_set_in_any_committed_stack_file_and_nothing_else_changes(file: Path):
    text = file.read_text()
    changed = edit_stack_file.set_value(text, ("config", "open-webui:instance", "zone"), "zone-9")
    differing = [
        (one, other) for one, other in zip(text.splitlines(), changed.splitlines(), strict=True) if one != other
    ]
    assert len(differing) == 1
    assert "zone-9" in differing[0][1]


def test_a_value_that_is_not_there_is_refused():
    with pytest.raises(NotPossibleError, match=r"no config\.open-webui:instance\.zone"):
        edit_stack_file.set_value("config:\n  a: b\n", ("config", "open-webui:instance", "zone"), "x")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("config:\n  a: b # kept\n# end\n", "config:\n  a: b # kept\n  m:\n    k: v\n# end\n"),
        ("config:\n  a: b", "config:\n  a: b\n  m:\n    k: v\n"),
        ("config:\n  a: [x,\n    y]\n", "config:\n  a: [x,\n    y]\n  m:\n    k: v\n"),
        ("config:\n  a: |\n    text\n\nother: 1\n", "config:\n  a: |\n    text\n\n  m:\n    k: v\nother: 1\n"),
        ("config:\n  m: {k: old}\n  b: c # kept\n", "config:\n  m:\n    k: v\n  b: c # kept\n"),
        ("config:\n  m:\n    k: old\n    l: 1\n  # c\n  b: d\n", "config:\n  m:\n    k: v\n  # c\n  b: d\n"),
        ("config:\n    a: b # kept\n", "config:\n    a: b # kept\n    m:\n      k: v\n"),
        ("config:\n    m:\n        k: old\n    b: c\n", "config:\n    m:\n      k: v\n    b: c\n"),
        ("config:\n      a: b\n", "config:\n      a: b\n      m:\n        k: v\n"),
        ("config:\n m: {k: old}\n b: c\n", "config:\n m:\n   k: v\n b: c\n"),
    ],
)
def test_a_section_is_set_and_the_comments_around_it_stay(before: str, after: str):
    assert edit_stack_file.set_section(before, "m", {"k": "v"}) == after


@pytest.mark.parametrize("shared", ["config:\n  a: &z {k: old}\n  m: *z\n", "config:\n  m: &z\n    k: old\n  a: *z\n"])
def test_a_section_that_cannot_be_set_without_changing_more_is_refused(shared: str):
    with pytest.raises(NotPossibleError, match=r"at config\.m without changing more(.|\n)*by hand: {m: {k: v}}"):
        edit_stack_file.set_section(shared, "m", {"k": "v"})


@pytest.mark.parametrize(
    ("shared", "path"),
    [("a: &z one\nb: *z\n", ("b",)), ("a: &z {k: one}\nb: *z\n", ("b", "k")), ("a: |\n  one\nb: c\n", ("a",))],
)
def test_a_value_that_cannot_be_set_alone_is_refused(shared: str, path: tuple[str, ...]):
    with pytest.raises(NotPossibleError, match=f"at {'.'.join(path)} without changing more"):
        edit_stack_file.set_value(shared, path, "two")


@pytest.mark.parametrize("family", ["acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda", "our-gpu-image"])
def test_an_image_is_looked_for_where_its_family_belongs(operator: Operator, family: str):
    operator.write_stack(instance__image={"family": family})
    [found] = [one for one in operator.document("doctor")["findings"] if one["check"] == "image"]
    assert found["level"] == "ok", found
