import pulumi_alicloud as alicloud
import pytest
from pulumi._types import input_type_py_to_pulumi_names

from infra import provider_config


def test_the_keys_are_the_providers():
    named = set(input_type_py_to_pulumi_names(alicloud.ProviderArgs).values())
    assert named | {"version", "pluginDownloadURL"} == provider_config.KEYS


def test_no_region_stands_twice():
    assert len(set(provider_config.REGIONS)) == len(provider_config.REGIONS)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("alicloud:regoin", "did you mean 'region'?"),
        ("alicloud:zzz", "its keys are those"),
        ("openwebui:tags", "did you mean 'open-webui:tags'?"),
        ("open_webui:tags", "did you mean 'open-webui:tags'?"),
        ("open-webUI:tags", "did you mean 'open-webui:tags'?"),
        ("alicoud:region", "did you mean 'alicloud:region'?"),
    ],
)
def test_a_key_that_nobody_reads_is_named(key, said):
    (problem,) = provider_config.problems({key: "x"}, "open-webui")
    assert problem.key == key
    assert said in problem.fix
    assert problem.value == "x"


@pytest.mark.parametrize("key", ["alicloud:accesKey", "open_webui:adminPassword"])
def test_what_may_be_a_secret_is_not_shown(key):
    (problem,) = provider_config.problems({key: "hunter2"}, "open-webui")
    assert "hunter2" not in str(problem)
    (problem,) = provider_config.problems({"openwebui:tags": "hunter2"}, "open-webui", {"openwebui:tags"})
    assert "hunter2" not in str(problem)


@pytest.mark.parametrize("key", ["alicloud:profile", "aws:region", "open-webui-policy:limit", "tags"])
def test_what_somebody_else_reads_is_left_alone(key):
    assert not list(provider_config.problems({key: "x"}, "open-webui"))
