"""`ops quote` against the stand-in of the cloud."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ops import price
from ops.cloud.client import PACKAGES, Cloud
from policy.model import Demands, Money
from scripts.docs import ram
from tests.openapi import constants
from tests.openapi.operator import Operator
from tests.openapi.server import Fault


def lines(document):
    return {line["what"]: line for line in document["lines"]}


def test_pay_as_you_go_is_shown_per_hour_and_per_730_hours(operator: Operator):
    document = operator.document("quote")
    instance = lines(document)["instance"]
    assert instance == {
        "what": "instance",
        "unit": "hour",
        "original": 1.34,
        "discount": 0.134,
        "price": 1.206,
        "perMonth": 880.38,
    }
    assert document["currency"] == "USD"
    assert document["totals"]["perHour"] == pytest.approx(1.206 + 0.01836 + 0.036738)
    assert document["totals"]["perMonth"] == pytest.approx(730 * document["totals"]["perHour"], abs=1e-4)
    assert document["totals"]["inAdvance"] is None


def test_traffic_is_a_price_per_gb_and_in_no_sum(operator: Operator):
    traffic = lines(operator.document("quote"))["traffic to the internet"]
    assert (traffic["unit"], traffic["price"], traffic["perMonth"]) == ("GB", 0.117, None)


def test_discounts_are_the_clouds_own_words(operator: Operator):
    assert operator.document("quote")["discounts"] == ["Contract_10 percent off ECS"]


def test_what_is_in_no_sum_is_named_and_not_guessed(operator: Operator):
    operator.write_stack(dataDisk__snapshots={"hours": [3]})
    unpriced = {entry["what"]: entry["why"] for entry in operator.document("quote")["unpriced"]}
    assert unpriced == {
        "elastic address, its own fee": (
            'not charged while it is bound to an instance (help page "EIP billing FAQ"); otherwise 0.0045 USD per hour'
        ),
        "snapshots, per GiB and month": "no documented action prices them; they grow with what changes",
    }


def test_fixed_bandwidth_is_priced_by_the_day_as_billing_tells(operator: Operator):
    operator.write_stack(publicAddress__charge="byBandwidth", publicAddress__bandwidthMbps=20)
    document = operator.document("quote")
    line = lines(document)["bandwidth of 20 Mbit/s"]
    assert (line["unit"], line["original"], line["price"]) == ("day", 7.0, 6.3)
    assert line["perMonth"] == pytest.approx(6.3 * 730 / 24, abs=1e-4)
    assert "traffic to the internet" not in lines(document)
    assert document["totals"]["perMonth"] == pytest.approx(sum(one["perMonth"] for one in document["lines"]), abs=1e-3)
    assert [entry["what"] for entry in document["unpriced"]] == ["elastic address, its own fee"]
    assert document["totals"]["missing"] == []


@pytest.mark.parametrize(
    ("charge", "what"), [("byTraffic", "elastic address, its own fee"), ("byBandwidth", "bandwidth of 100 Mbit/s")]
)
def test_an_address_that_billing_does_not_price_is_named_with_its_words(operator: Operator, charge: str, what: str):
    operator.write_stack(publicAddress__charge=charge)
    operator.api.faults["GetPayAsYouGoPrice"] = [constants.FORBIDDEN]
    unpriced = {entry["what"]: entry["why"] for entry in operator.document("quote")["unpriced"]}
    assert "bss:GetPayAsYouGoPrice: Forbidden.RAM" in unpriced[what]
    operator.region.remove["GetPayAsYouGoPrice"] = ("Data", "ModuleDetails")
    unpriced = {entry["what"]: entry["why"] for entry in operator.document("quote")["unpriced"]}
    assert "GetPayAsYouGoPrice gave no price of" in unpriced[what]


def test_a_price_in_another_currency_is_not_added(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    operator.write_stack(publicAddress__charge="byBandwidth")
    real: Any = type(operator.region).GetPayAsYouGoPrice

    def in_yuan(self: Any, given: Any) -> Any:
        body = real(self, given)
        return {**body, "Data": {**body["Data"], "Currency": "CNY"}}

    monkeypatch.setattr(type(operator.region), "GetPayAsYouGoPrice", in_yuan)
    document = operator.document("quote")
    assert document["unpriced"][1]["why"] == "bss:GetPayAsYouGoPrice answers in CNY"
    assert document["totals"]["missing"] == [document["unpriced"][1]]
    assert document["currency"] == "USD"


@pytest.mark.parametrize(("months", "unit", "period"), [(6, "Month", "6"), (12, "Year", "1"), (36, "Year", "3")])
def test_a_subscription_is_priced_for_its_period(operator: Operator, months: int, unit: str, period: str):
    operator.write_stack(billing__mode="subscription", billing__months=months)
    document = operator.document("quote")
    asked = operator.api.called("DescribePrice")[0]
    assert (asked["PriceUnit"], asked["Period"]) == (unit, period)
    instance = lines(document)["instance"]
    assert instance["unit"] == f"{months} months"
    assert instance["perMonth"] == pytest.approx(instance["price"] / months, abs=1e-4)
    assert lines(document)["data disk"]["unit"] == "hour"  # it stays pay-as-you-go
    assert document["totals"]["inAdvance"] == pytest.approx(instance["price"] + lines(document)["system disk"]["price"])


def test_spot_shows_the_price_now_and_its_history_over_all_pages(operator: Operator):
    operator.write_stack(instance__spot={"maxHourlyPrice": 0.3})
    spot = operator.document("quote")["spot"]
    assert spot["now"] == pytest.approx(1.34 * 0.3 * 0.9)
    assert spot["wouldStart"] is False
    assert spot["history"] == {"days": 29, "samples": 3, "lowest": 0.38, "median": 0.41, "highest": 0.52}
    assert spot["historyError"] is None
    assert len(operator.api.called("DescribeSpotPriceHistory")) == 2
    assert operator.api.called("DescribePrice")[0]["ZoneId"] == constants.ZONE


def test_a_history_that_may_not_be_read_is_said_and_the_prices_are_shown(operator: Operator):
    operator.write_stack(instance__spot={"maxHourlyPrice": 0.3})
    operator.api.faults["DescribeSpotPriceHistory"] = [constants.FORBIDDEN] * 2
    spot = operator.document("quote")["spot"]
    assert (spot["history"], spot["historyError"]) == (None, "ecs:DescribeSpotPriceHistory: Forbidden.RAM")
    assert spot["now"] == pytest.approx(1.34 * 0.3 * 0.9)
    shown = operator.run("quote")
    assert shown.exit_code == 0
    assert "history" in shown.stdout


def test_parts_that_do_not_add_up_give_way_to_the_total():
    part = {"Resource": "instanceType", "OriginalPrice": 1, "TradePrice": 1}
    body = {
        "PriceInfo": {
            "Price": {
                "Currency": "USD",
                "OriginalPrice": 3,
                "TradePrice": 2,
                "DetailInfos": {"DetailInfo": [part]},
            }
        }
    }
    (line,) = price.read(body, "all of it", months=None).lines
    assert (line.what, line.price, line.discount) == ("all of it", Decimal(2), Decimal(1))


def test_an_answer_without_a_price_is_said_and_not_taken_for_nothing(operator: Operator):
    operator.region.remove["DescribePrice"] = ("PriceInfo", "Price", "TradePrice")
    result = operator.run("quote")
    assert result.exit_code == 1
    assert "no price of: instance" in result.stderr
    assert not result.stdout


def test_discounts_and_details_may_be_missing(operator: Operator):
    operator.region.remove["DescribePrice"] = ("PriceInfo", "Rules")
    assert operator.document("quote")["discounts"] == ["Contract_10 percent off ECS"]  # of the details
    operator.region.remove["DescribePrice"] = ("PriceInfo", "Price", "DetailInfos")
    assert "instance ecs.gn7i-c8g1.2xlarge with system disk" in lines(operator.document("quote"))


def test_types_are_compared_by_price_with_their_stock(operator: Operator):
    document = operator.document("quote", "--compare")
    assert [row["type"] for row in document["types"]] == [
        "ecs.gn7i-c8g1.2xlarge",
        "ecs.gn7i-c16g1.4xlarge",
        "ecs.gn6i-c4g1.xlarge",
        "ecs.gn8is.2xlarge",
    ]
    first = document["types"][0]
    assert first["zones"] == [
        {"zone": constants.ZONE, "stock": "WithStock"},
        {"zone": constants.OTHER_ZONE, "stock": "ClosedWithStock"},
    ]
    assert first["perMonthAndGpuGib"] == pytest.approx(first["perMonth"] / 24, abs=1e-4)
    left_out = {entry["type"]: entry["why"] for entry in document["leftOut"]}
    assert left_out["ecs.gn8v.4xlarge"] == "not sold in ap-southeast-1 with this billing"


def test_types_too_small_for_a_model_are_left_out_with_the_reason(operator: Operator):
    operator.write_stack(models=["llama3.3:70b"], instance__type="ecs.gn7e-c16g1.8xlarge")
    left_out = {entry["type"]: entry["why"] for entry in operator.document("quote", "--compare")["leftOut"]}
    assert left_out["ecs.gn7i-c8g1.2xlarge"] == "too little GPU memory for llama3.3:70b"


def test_a_modelfiles_own_context_is_what_has_to_fit(operator: Operator):
    long = {"name": "long:1", "modelfile": "FROM qwen3:8b\nPARAMETER num_ctx 131072"}
    operator.write_stack(models=[long], instance__type="ecs.gn7e-c16g1.8xlarge", ollama={"contextLength": 4096})
    left_out = {entry["type"]: entry["why"] for entry in operator.document("quote", "--compare")["leftOut"]}
    assert left_out["ecs.gn6i-c4g1.xlarge"] == "too little GPU memory for long:1"


def test_a_type_without_a_price_does_not_end_the_comparison(operator: Operator):
    operator.api.faults["DescribePrice"] = [
        Fault(400, "InvalidSystemDiskCategory.ValueNotSupported", "The disk category is not supported.")
    ]
    document = operator.document("quote", "--compare")
    assert len(document["types"]) == 3
    assert any("InvalidSystemDiskCategory" in entry["why"] for entry in document["leftOut"])


def test_the_preview_gets_the_quotes_lines_where_credentials_exist(operator: Operator, monkeypatch: pytest.MonkeyPatch):
    from ops import quote, show, stack_settings  # noqa: PLC0415 - after the fixture has set the stage

    settings = stack_settings.load("dev")
    monkeypatch.setattr(quote, "credentials_likely", lambda: False)
    assert quote.for_preview(settings) is None
    monkeypatch.setattr(quote, "credentials_likely", lambda: True)
    assert "traffic to the internet" in show.plain(quote.for_preview(settings) or "")
    operator.api.faults["DescribePrice"] = [constants.THROTTLED]  # a preview does not wait for a second attempt
    assert "no price: ecs:DescribePrice: Throttling.User" in show.plain(quote.for_preview(settings) or "")


def test_the_preview_ends_with_the_price(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    from ops import preview, quote  # noqa: PLC0415 - pulumi's provider takes a second

    assert operator.api.received == []
    monkeypatch.setattr(quote, "credentials_likely", lambda: True)
    assert preview.run("dev", None, as_json=False) == 0
    shown = capsys.readouterr().out
    assert shown.index("Outputs") < shown.index("Price ──") < shown.index("traffic to the internet")


@pytest.mark.parametrize("refused", ["DescribePrice", "GetPayAsYouGoPrice"])
def test_a_refused_price_breaks_the_monthly_limit_and_is_said(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, refused: str
):
    from ops import policies, program, stack_settings  # noqa: PLC0415 - pulumi's provider takes a second
    from policy import demands  # noqa: PLC0415 - as it is

    operator.write_stack(publicAddress__charge="byBandwidth")
    limit = Demands(monthly_limit=Money(amount=5000, currency="USD"))
    monkeypatch.setattr(demands, "load", lambda _: limit)
    monkeypatch.setattr(policies, "credentials_likely", lambda: True)
    stack = replace(program.record_stack("dev"), settings=stack_settings.load("dev"))

    def found() -> list[str]:
        return [one.message for one in policies.findings(stack) if one.rule == "within-monthly-limit"]

    assert found() == []
    operator.api.faults[refused] = [constants.FORBIDDEN]
    [message] = found()
    assert re.search(f"not known: .*{refused}: Forbidden.RAM", message)
    monkeypatch.setattr(policies, "without_sdks", lambda: True)
    assert "requirements-ops.txt" in found()[0]


def test_the_previewer_may_call_what_a_quote_calls(operator: Operator):
    operator.write_stack(instance__spot={})
    operator.run("quote")
    operator.write_stack(publicAddress__charge="byBandwidth")
    operator.run("quote")
    services = {re.sub(r"\D", "", package)[-8:]: service for service, package in PACKAGES.items()}
    called = {f"{services[one.version.replace('-', '')]}:{one.action}" for one in operator.api.received}
    assert len(called) == 3
    granted = {action for one in json.loads(ram.documents()["previewer.json"])["Statement"] for action in one["Action"]}
    assert called <= granted


def test_two_currencies_are_never_summed():
    one, other = (price.Priced(currency=name, lines=(), rules=()) for name in ("CNY", "USD"))
    with pytest.raises(Exception, match="several currencies: CNY, USD"):
        price.common_currency([one, other])


def test_a_client_is_made_once_per_service():
    cloud = Cloud("ap-southeast-1")
    assert cloud == Cloud("ap-southeast-1")
