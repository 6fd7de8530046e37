"""What messages print and what they do not: CI posts them into pull requests."""

import copy
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from infra import settings
from infra.problems import Problem, SettingsError
from infra.settings import Settings
from tests import strategies
from tests.configs import BASE, config

SECRET = "sk-live-4f1c0ffee"


def refused(values: dict[str, Any]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        Settings.parse("open-webui", "dev", values)
    return caught.value


def said_of(values: dict[str, Any]) -> str:
    """The message about a config; empty where it is accepted."""
    try:
        Settings.parse("open-webui", "dev", values)
    except SettingsError as error:
        return str(error)
    return ""


BACKEND = {"url": "https://a.example/v1"}
# Where a person puts a secret in clear by mistake, and the key that the message must name.
PLACES: dict[str, tuple[dict[str, Any], str]] = {
    "key with a full stop": ({"admin.password": SECRET}, "open-webui:admin.password"),
    "backend's key": ({"openWebui__openaiBackends": [{**BACKEND, "apiKey": SECRET}]}, "openaiBackends[0].apiKey"),
    "instead of the key's name": ({"openWebui__openaiBackends": [{**BACKEND, "keyConfig": SECRET}]}, "[0].keyConfig"),
    "that could be a name": (
        {"openWebui__openaiBackends": [{**BACKEND, "keyConfig": SECRET.replace("-", "")}]},
        "[0].keyConfig",
    ),
    "variable that is the program's": (
        {"openWebui__environment": {"OPENAI_API_KEY": SECRET}},
        "open-webui:openWebui.environment.OPENAI_API_KEY",
    ),
    "neighbour of one": ({"openWebui__environment": {"WEBUI_URL": "a", "OTHER": SECRET}}, "environment.WEBUI_URL"),
    "secret variable": ({"openWebui__secretEnvironment": {"A": SECRET}}, "secretEnvironment.A"),
    "Ollama's variable": ({"ollama__environment": {"OLLAMA_HOST": SECRET}}, "ollama.environment.OLLAMA_HOST"),
    "variable with a NUL": ({"openWebui__environment": {"A": f"{SECRET}\0"}}, "environment.A"),
    "variable in both": (
        {"openWebui": {"environment": {"A": SECRET}, "secretEnvironment": {"A": "aKey"}}, "aKey": "v"},
        "open-webui:openWebui",
    ),
    "variables as a list": ({"openWebui__environment": [f"A={SECRET}"]}, "openWebui.environment"),
    "variables as names": ({"openWebui__environment": {f"A={SECRET}": None}}, "openWebui.environment.A=…"),
    "section as a text": ({"openWebui": f"environment: {SECRET}"}, "open-webui:openWebui"),
    "unknown section": ({"openWebUI": {"openaiBackends": [{"apiKey": SECRET}]}}, "open-webui:openWebUI"),
    "unknown section as JSON": ({"openWebUI": json.dumps({"environment": {"A": SECRET}})}, "open-webui:openWebUI"),
    "other namespace": ({"open-webUI:openWebui": f'{{"a": {{"api_key": "{SECRET}"}}}}'}, "open-webUI:openWebui"),
    "JSON cut short": ({"openWebUI": f'{{"api_key": "{SECRET}'}, "open-webui:openWebUI"),
    "address": ({"openWebui__openaiBackends": [{"url": f"https://me:{SECRET}@a.example"}]}, "[0].url"),
    "query": ({"openWebui__openaiBackends": [{"url": f"https://a.example/v1?api={SECRET}"}]}, "[0].url"),
}


@pytest.mark.parametrize(("changes", "key"), PLACES.values(), ids=PLACES.keys())
def test_what_may_be_a_secret_is_named_with_why_and_fix_and_never_printed(changes, key):
    values = config(**{name: value for name, value in changes.items() if "." not in name})
    error = refused({**values, **{name: value for name, value in changes.items() if "." in name}})
    for text in (str(error), repr(error), repr(error.problems)):
        assert SECRET not in text
        assert SECRET.replace("-", "") not in text
    assert any(key in str(problem).splitlines()[0] for problem in error.problems)
    assert all(problem.why and problem.fix for problem in error.problems)


def test_the_text_of_a_section_that_is_no_json_is_not_printed():
    texts = {"alicloud:region": "ap-southeast-1", "open-webui:openWebui": f"environment: {{A: {SECRET}}}"}
    with pytest.raises(SettingsError, match="open-webui:openWebui\n") as caught:
        settings.from_config("open-webui", "dev", texts, ())
    assert SECRET not in str(caught.value)


def test_of_a_mapping_the_harmless_entries_are_printed():
    value = {"url": "https://a.example", "apiKey": SECRET, "more": [{"password": SECRET, "port": 1}]}
    shown = str(Problem(key="open-webui:a", value=value, why="w", fix="f")).splitlines()[0]
    assert shown == (
        'open-webui:a = {"url": "https://a.example", "apiKey": "[not shown]", '
        '"more": [{"password": "[not shown]", "port": 1}]}'
    )


def test_a_value_nested_too_deeply_to_print_is_cut():
    value: Any = SECRET
    for _ in range(5000):
        value = [value]
    assert SECRET not in str(Problem(key="open-webui:a", value=value, why="w", fix="f"))


_names = st.sampled_from(
    ["apiKey", "admin_password", "PASS", "clientSecret", "hf_token", "environment", "secretEnvironment", "env", "Auth"]
)
_around = st.recursive(
    st.just(SECRET),
    lambda inner: (
        st.lists(inner | strategies.junk, min_size=1, max_size=2).filter(lambda found: SECRET in str(found))
        | st.dictionaries(st.sampled_from(["A", "WEBUI_URL", "DATABASE_URL", "a b"]), inner, min_size=1, max_size=2)
    ),
    max_leaves=3,
)
_sections = st.sampled_from(
    [(), ("openWebui",), ("ollama",), ("openWebui", "environment"), ("admin",), ("access", "tls"), ("mirrors",), ("x",)]
)


@given(path=_sections, name=_names, value=_around, as_json=st.booleans(), spoilt=st.booleans())
@hypothesis_settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_value_below_a_name_of_secrets_or_variables_is_ever_in_a_message(path, name, value, as_json, spoilt):
    values = copy.deepcopy(BASE)
    place = values
    for part in path:
        place = place.setdefault(part, {})
    place[name] = json.dumps(value) if as_json else value
    if spoilt:
        values["dataDisk"] = {"sizeGib": 1}
    assert SECRET not in said_of(values)
