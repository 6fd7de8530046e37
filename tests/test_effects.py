"""The table of change effects against the SDK that the program uses, and against what the facts say."""

import importlib
import inspect

import pytest
from pulumi._types import input_type_py_to_pulumi_names

from infra.effects import Effect, UnknownPropertyError, effect, inputs, known_types, remark

INSTANCE = "alicloud:ecs/instance:Instance"
DISK = "alicloud:ecs/ecsDisk:EcsDisk"


@pytest.mark.parametrize("token", sorted(known_types()))
def test_the_table_has_exactly_the_inputs_that_the_sdk_has(token: str) -> None:
    module, name = token.split(":")[1].split("/", maxsplit=1)[0], token.split(":")[2]
    args = getattr(importlib.import_module(f"pulumi_alicloud.{module}"), f"{name}Args")
    assert inspect.isclass(args)
    assert inputs(token) == set(input_type_py_to_pulumi_names(args).values())


@pytest.mark.parametrize(
    ("token", "property_", "expected"),
    [
        (INSTANCE, "tags", Effect.UPDATE),
        (INSTANCE, "userData", Effect.RESTART),
        (INSTANCE, "instanceType", Effect.RESTART),
        (INSTANCE, "imageId", Effect.RESTART),
        (INSTANCE, "systemDiskSize", Effect.UPDATE),
        (INSTANCE, "systemDiskEncrypted", Effect.REPLACE),
        (INSTANCE, "spotStrategy", Effect.REPLACE),
        (DISK, "size", Effect.UPDATE),
        (DISK, "zoneId", Effect.REPLACE),
        ("alicloud:vpc/switch:Switch", "zoneId", Effect.REPLACE),
        ("alicloud:ecs/securityGroupRule:SecurityGroupRule", "portRange", Effect.REPLACE),
        ("alicloud:ecs/securityGroupRule:SecurityGroupRule", "description", Effect.UPDATE),
        ("alicloud:oos/secretParameter:SecretParameter", "value", Effect.UPDATE),
        ("alicloud:ecs/eipAddress:EipAddress", "bandwidth", Effect.UPDATE),
        ("alicloud:ecs/command:Command", "commandContent", Effect.REPLACE),
    ],
)
def test_a_change_has_the_effect_that_the_facts_record(token: str, property_: str, expected: Effect) -> None:
    assert effect(token, property_) is expected


def test_instance_has_the_22_force_new_fields_and_inline_disks() -> None:
    assert sum(effect(INSTANCE, name) is Effect.REPLACE for name in inputs(INSTANCE)) == 22 + 1


def test_a_path_counts_as_its_first_name() -> None:
    assert effect(INSTANCE, "tags.team") is Effect.UPDATE
    assert effect("alicloud:cms/alarm:Alarm", "escalationsCritical[0].threshold") is Effect.UPDATE
    assert effect(INSTANCE, "dataDisks[0].size") is Effect.REPLACE


def test_an_unknown_property_is_an_error_that_names_type_and_property() -> None:
    with pytest.raises(UnknownPropertyError, match="Instance: no input property 'imagId'"):
        effect(INSTANCE, "imagId")


def test_an_unknown_type_is_an_error_that_names_it() -> None:
    with pytest.raises(UnknownPropertyError, match="alicloud:ecs/keyPair:KeyPair"):
        effect("alicloud:ecs/keyPair:KeyPair", "keyName")


def test_a_change_that_destroys_data_under_a_mild_word_has_a_remark() -> None:
    assert "destroyed" in (remark(INSTANCE, "imageId") or "")
    assert remark(INSTANCE, "tags") is None


@pytest.mark.parametrize("property_", ["zoneId", "snapshotId", "kmsKeyId"])
def test_a_change_that_loses_the_data_says_so(property_: str) -> None:
    assert "the data is lost, unless" in (remark(DISK, property_) or "")


def test_a_smaller_type_under_a_subscription_is_told_of() -> None:
    assert "a subscription takes no smaller type" in (remark(INSTANCE, "instanceType") or "")


def test_a_strategy_for_policy_versions_is_an_update() -> None:
    assert effect("alicloud:ram/policy:Policy", "rotateStrategy") is Effect.UPDATE
