"""The recording monitor itself, with small programs of its own."""

import asyncio
import gc

import pulumi
import pulumi_alicloud as alicloud
import pytest

from ops.recording import LogEntry, Recording, RecordingError, record
from ops.values import UNKNOWN, Secret


class Pair(pulumi.ComponentResource):
    """A VPC and a vSwitch in it."""

    def __init__(self, name, opts=None):
        super().__init__("openwebui:test:Pair", name, {}, opts)
        child = pulumi.ResourceOptions(parent=self)
        self.vpc = alicloud.vpc.Network(f"{name}-vpc", cidr_block="10.0.0.0/8", opts=child)
        self.switch = alicloud.vpc.Switch(
            f"{name}-vswitch", vpc_id=self.vpc.id, zone_id="z", cidr_block="10.0.0.0/24", opts=child
        )
        self.register_outputs({"vpcId": self.vpc.id})


def recorded(program, **arguments) -> Recording:
    return record(program, **{"project": "project", "stack": "test", "config": {}, **arguments})


def by_name(recording):
    return {resource.name: resource for resource in recording.resources}


@pytest.mark.parametrize("preview", [True, False])
def test_everything_that_is_declared_is_there_in_order(preview):
    made = recorded(lambda: Pair("net"), preview=preview)
    assert [resource.name for resource in made.resources] == ["net", "net-vpc", "net-vswitch"]


def test_ids_are_unknown_in_a_preview_and_known_in_an_update():
    preview = by_name(recorded(lambda: Pair("net"), preview=True))
    update = by_name(recorded(lambda: Pair("net"), preview=False))
    assert preview["net-vswitch"].inputs["vpcId"] is UNKNOWN
    assert preview["net"].outputs == {"vpcId": UNKNOWN}
    assert update["net-vswitch"].inputs["vpcId"] == "net-vpc-id"
    assert update["net"].outputs == {"vpcId": "net-vpc-id"}


def test_urns_hold_the_whole_chain_of_parents_as_the_engines_do():
    def program():
        outer = Pair("outer")
        Pair("inner", pulumi.ResourceOptions(parent=outer))

    made = by_name(recorded(program))
    pair = "openwebui:test:Pair"
    assert made["outer"].urn == f"urn:pulumi:test::project::{pair}::outer"
    assert made["outer"].parent == "urn:pulumi:test::project::pulumi:pulumi:Stack::project-test"
    vpc = f"urn:pulumi:test::project::{pair}${pair}$alicloud:vpc/network:Network::inner-vpc"
    assert made["inner-vpc"].urn == vpc
    assert made["inner-vpc"].parent == made["inner"].urn


def test_every_option_of_a_registration_is_kept():
    def program():
        first = alicloud.vpc.Network("first", cidr_block="10.0.0.0/8")
        alicloud.ecs.SecurityGroup(
            "group",
            vpc_id=first.id,
            opts=pulumi.ResourceOptions(
                protect=True,
                retain_on_delete=True,
                delete_before_replace=True,
                ignore_changes=["vpcId", "tags"],
                replace_on_changes=["description"],
                additional_secret_outputs=["description"],
                custom_timeouts=pulumi.CustomTimeouts(create="45m"),
            ),
        )
        alicloud.vpc.Network("last", cidr_block="10.0.0.0/8", opts=pulumi.ResourceOptions(depends_on=[first]))

    made = by_name(recorded(program))
    options = made["group"].options
    assert (options.protect, options.retain_on_delete, options.delete_before_replace) == (True, True, True)
    assert options.ignore_changes == ("vpcId", "tags")
    assert options.replace_on_changes == ("description",)
    assert options.additional_secret_outputs == ("description",)
    assert options.custom_timeouts == {"create": "45m"}
    assert made["group"].property_dependencies["vpcId"] == (made["first"].urn,)
    assert made["last"].options.depends_on == (made["first"].urn,)
    assert made["first"].options.delete_before_replace is None


def test_secrets_stay_marked_and_out_of_every_text():
    def program():
        password = pulumi.Config().require_secret("password")
        alicloud.oos.SecretParameter("parameter", secret_parameter_name="n", value=password)
        pulumi.export("password", password)
        pulumi.export("nested", {"inner": [password]})

    made = recorded(program, config={"project:password": "geheim"}, secret_keys=["project:password"])
    value = made.resources[0].inputs["value"]
    assert isinstance(value, Secret)
    assert value.value == "geheim"
    assert isinstance(made.outputs["password"], Secret)
    assert "geheim" not in repr(made)


def test_the_log_of_the_program_is_kept_letter_by_letter():
    def program():
        pulumi.log.warn("100 %s of it")
        pulumi.log.info("not kept")

    assert recorded(program).log == (LogEntry("warning", "100 %s of it"),)


def test_a_data_source_without_an_answer_is_refused():
    with pytest.raises(RecordingError, match=r"getZones.*does not answer"):
        recorded(alicloud.get_zones)


def test_a_data_source_answers_as_the_test_says():
    def program():
        images = alicloud.ecs.get_images(owners="system").images
        pulumi.export("images", [image.id for image in images])

    answers = {"alicloud:ecs/getImages:getImages": lambda asked: {"images": [{"id": f"of-{asked['owners']}"}]}}
    assert recorded(program, answers=answers).outputs == {"images": ["of-system"]}
    assert recorded(program).outputs != {"images": []}


def test_a_resource_type_that_the_table_of_effects_does_not_know_is_refused():
    with pytest.raises(RecordingError, match=r"'key' is of the type alicloud:kms/key:Key"):
        recorded(lambda: alicloud.kms.Key("key"))


def test_two_resources_of_one_type_and_name_are_refused():
    def program():
        for _ in range(2):
            alicloud.vpc.Network("twin", cidr_block="10.0.0.0/8")

    with pytest.raises(RecordingError, match=r"two resources of type .* are called 'twin'"):
        recorded(program)


def test_what_the_program_raises_comes_out_even_from_an_apply(caplog):
    def program():
        alicloud.vpc.Network("vpc", cidr_block="10.0.0.0/8").cidr_block.apply(lambda _: 1 // 0)

    with pytest.raises(ZeroDivisionError):
        recorded(program)
    gc.collect()
    assert not caplog.records


def test_a_recording_leaves_nothing_behind_for_the_next_one():
    def program():
        Pair("net")
        pulumi.export("seen", pulumi.Config().get("key"))

    first = recorded(program, config={"project:key": "value"})
    second = recorded(program)
    assert first.outputs == {"seen": "value"}
    assert second.outputs == {}
    assert first.resources == second.resources
    assert pulumi.runtime.get_root_resource() is None
    assert pulumi.get_stack() != "test"
    assert pulumi.Config("project").get("key") is None
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_an_asynchronous_program_is_recorded_to_its_end():
    async def main():
        pair = Pair("late")
        return {"vpc": pair.vpc.id}

    made = recorded(lambda: pulumi.run(main), preview=False)
    assert "late-vswitch" in by_name(made)
    assert made.outputs == {"vpc": "late-vpc-id"}
