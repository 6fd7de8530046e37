"""`ops doctor`: each trouble is found before anything is bought, and the zone is written without touching the rest."""

from pathlib import Path
from typing import Any

import pytest

from ops import artifacts, doctor_checks, edit_stack_file
from ops.artifacts import Source
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
    assert "nothing stands in the way" in result.stdout
    assert {finding["level"] for finding in findings(operator).values()} == {"ok"}


def test_every_finding_that_is_not_well_says_consequence_and_fix(operator: Operator):
    operator.region.stock = {}
    operator.region.images = False
    operator.region.balance = "-3.00"
    operator.region.used_vcpus = 99
    operator.region.addresses = 20
    result = operator.run("doctor")
    assert result.exit_code == 1
    bad = [finding for finding in findings(operator).values() if finding["level"] != "ok"]
    assert {finding["check"] for finding in bad} == {"balance", "quota", "stock", "image", "addresses"}
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


def test_a_check_that_is_not_permitted_is_unknown_and_stops_no_other(operator: Operator):
    for action in ("QueryAccountBalance", "DescribeAccountAttributes", "DescribeImages", "DescribeAvailableResource"):
        operator.api.faults[action] = [constants.FORBIDDEN] * 9
    found = findings(operator)
    unknown = [name for name, finding in found.items() if finding["level"] == "unknown"]
    assert unknown == ["balance", "account", "stock", "disks", "image"]
    assert all("Forbidden.RAM" in found[name]["fact"] for name in unknown)
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


def test_the_zone_with_stock_is_written_and_every_other_character_stays(operator: Operator):
    text = (ROOT / "Pulumi.dev.yaml").read_text()
    file = operator.write_text(text)
    operator.region.stock = {constants.ZONE: "WithoutStock", constants.OTHER_ZONE: "WithStock"}
    result = operator.run("doctor", "--write-zone")
    assert result.exit_code == 0
    assert f"{constants.ZONE} -> {constants.OTHER_ZONE}" in result.stdout
    assert file.read_text() == text.replace(f"zone: {constants.ZONE}", f"zone: {constants.OTHER_ZONE}")


def test_nothing_is_written_where_the_zone_has_stock(operator: Operator):
    before = operator.write_stack().read_text()
    assert "nothing to write" in operator.run("doctor", "--write-zone").stdout
    assert (operator.root / "Pulumi.dev.yaml").read_text() == before


def test_no_zone_is_written_where_none_has_stock(operator: Operator):
    operator.region.stock = {constants.ZONE: "WithoutStock"}
    result = operator.run("doctor", "--write-zone")
    assert result.exit_code == 1
    assert "quote --compare" in result.stdout


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
    ],
)
def test_a_section_is_set_and_the_comments_around_it_stay(before: str, after: str):
    assert edit_stack_file.set_section(before, "m", "    k: v\n") == after
