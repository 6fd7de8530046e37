"""What holds for every config, not only for the ones somebody thought of."""

import copy
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra import effects, stack
from infra.problems import SettingsError
from infra.settings import Settings
from ops.recording import Recording, record
from tests import provider_limits, strategies
from tests.configs import BASE

QUICK = hypothesis_settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much]
)


def declared(values: dict[str, Any], stack_name: str) -> Recording:
    try:
        made = Settings.parse("open-webui", stack_name, values)
    except SettingsError:
        assume(False)
        raise
    return record(lambda: stack.deploy(made) and None, project="open-webui", stack=stack_name, config={}, preview=False)


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


@given(strategies.configs(), strategies.stack_names)
@QUICK
def test_no_accepted_config_makes_a_resource_that_the_cloud_would_refuse(values, stack_name):
    for resource in declared(values, stack_name).resources:
        if resource.custom:
            provider_limits.within_limits(resource)


def test_every_type_that_the_program_may_declare_has_a_check():
    assert {token.split(":")[-1] for token in effects.known_types()} == provider_limits.CHECKS.keys()
