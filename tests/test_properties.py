"""What holds for every config, not only for the ones somebody thought of."""

import copy
import re
from ipaddress import IPv4Network
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra import stack
from infra.problems import SettingsError
from infra.settings import Settings
from ops.recording import Recording, record
from ops.values import Secret
from tests import strategies
from tests.configs import BASE

QUICK = hypothesis_settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def declared(values: dict[str, Any]) -> Recording:
    try:
        made = Settings.parse("open-webui", "dev", values)
    except SettingsError:
        assume(False)
        raise
    return record(lambda: stack.deploy(made) and None, project="open-webui", stack="dev", config={}, preview=False)


@given(strategies.broken_configs())
@hypothesis_settings(max_examples=250, deadline=None)
def test_a_broken_config_ends_in_a_readable_message(values):
    try:
        Settings.parse("open-webui", "dev", values)
    except SettingsError as error:
        for problem in error.problems:
            assert re.match(r"(open-webui:|alicloud:region)", problem.key)
            assert problem.why
            assert problem.fix
            assert "Traceback" not in str(problem)


@given(strategies.surely_broken_configs())
@hypothesis_settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_config_with_a_value_that_cannot_be_is_always_refused_and_never_crashes(values):
    with pytest.raises(SettingsError) as caught:
        Settings.parse("open-webui", "dev", values)
    str(caught.value).encode()
    for problem in caught.value.problems:
        assert re.match(r"\w[\w-]*:.", problem.key), problem.key
        assert problem.why
        assert problem.fix
        assert not re.search(r"Traceback|Input should|instance of|valid (tuple|dictionary)", str(problem))


@pytest.mark.parametrize("path", sorted(strategies.BROKEN), ids=".".join)
@given(data=st.data())
@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_key_that_is_broken_is_the_one_that_is_named(path, data):
    *parents, last = path
    values = copy.deepcopy(BASE)
    place = values
    for parent in parents:
        place = place.setdefault(parent, {})
    place[last] = data.draw(strategies.BROKEN[path])
    with pytest.raises(SettingsError) as caught:
        Settings.parse("open-webui", "dev", values)
    key = path[0] if ":" in path[0] else f"open-webui:{path[0]}"
    assert any(problem.key.startswith(key) for problem in caught.value.problems), caught.value


@given(strategies.configs())
@QUICK
def test_no_accepted_config_makes_a_resource_that_the_cloud_would_refuse(values):
    for resource in declared(values).resources:
        check = CHECKS.get(resource.type.split(":")[-1])
        if check:
            check(resource.inputs)
        for key, value in (resource.inputs.get("tags") or {}).items():
            assert not re.match(r"(?i)aliyun|acs:", key)
            assert not re.match(r"(?i)aliyun|acs:", value)
            assert len(key) <= 128
            assert len(value) <= 128
        assert len(resource.inputs.get("tags") or {}) <= 20


def _instance(inputs: dict[str, Any]) -> None:
    assert inputs["instanceType"].startswith("ecs.")
    assert not re.match(r"ecs\.[vs]gn", inputs["instanceType"])
    assert 20 <= inputs["systemDiskSize"] <= 2048
    assert re.fullmatch(r"[a-z][a-z0-9-]{1,62}", inputs["hostName"])
    if inputs["instanceChargeType"] == "PrePaid":
        assert inputs["spotStrategy"] == "NoSpot"
        assert inputs["period"] in (*range(1, 10), 12, 24, 36, 48, 60)
    if inputs.get("systemDiskPerformanceLevel"):
        assert inputs["systemDiskCategory"] == "cloud_essd"


def _rule(inputs: dict[str, Any]) -> None:
    assert re.fullmatch(r"(443/443|80/80)", inputs["portRange"])
    IPv4Network(inputs["cidrIp"])
    if inputs["cidrIp"] == "0.0.0.0/0":
        assert inputs["portRange"] == "80/80"


def _vswitch(inputs: dict[str, Any]) -> None:
    assert 16 <= IPv4Network(inputs["cidrBlock"]).prefixlen <= 29


def _address(inputs: dict[str, Any]) -> None:
    assert 1 <= int(inputs["bandwidth"]) <= (200 if inputs["internetChargeType"] == "PayByTraffic" else 500)
    assert inputs["paymentType"] == "PayAsYouGo"


def _disk(inputs: dict[str, Any]) -> None:
    assert inputs["encrypted"] is True
    assert 20 <= inputs["size"] <= 32768


def _parameter(inputs: dict[str, Any]) -> None:
    assert re.fullmatch(r"[A-Za-z0-9/_-]{2,180}", inputs["secretParameterName"])
    assert not re.match(r"(?i)aliyun|acs|alibaba|alicloud|oos", inputs["secretParameterName"])
    assert isinstance(inputs["value"], Secret)


def _snapshots(inputs: dict[str, Any]) -> None:
    assert set(inputs["repeatWeekdays"]) <= set("1234567")
    assert all(0 <= int(hour) <= 23 for hour in inputs["timePoints"])


CHECKS = {
    "Instance": _instance,
    "SecurityGroupRule": _rule,
    "Switch": _vswitch,
    "EipAddress": _address,
    "EcsDisk": _disk,
    "SecretParameter": _parameter,
    "AutoSnapshotPolicy": _snapshots,
}
