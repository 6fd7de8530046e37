import base64
from dataclasses import replace

import pytest

from infra.gpu_instance import GpuInstance, GpuInstanceArgs, ImageFamily, ImageId, SystemDiskArgs
from infra.sections import Billing

SUBSCRIPTION = Billing.model_validate({"mode": "subscription", "months": 12, "autoRenew": True})
ARGS = GpuInstanceArgs(
    instance_type="ecs.gn7i-c8g1.2xlarge",
    zone_id="ap-southeast-1c",
    image=ImageFamily(name="acs:ubuntu"),
    system_disk=SystemDiskArgs(category="cloud_essd", performance_level=None, size_gib=100),
    vswitch_id="vsw-1",
    vswitch_is_own=True,
    security_group_id="sg-1",
    data_disk_id="d-1",
    role_name="open-webui-dev",
    user_data="#cloud-config\n# 你好\n",
    billing=Billing(),
    spot=False,
    spot_price=None,
    protect=False,
    physical_name="open-webui-dev",
    tags={"team": "a"},
)


def instance(deploy, **changes):
    return deploy(lambda: GpuInstance("box", replace(ARGS, **changes)))["box-instance"]


def test_user_data_is_our_own_base64_and_known_at_preview(deploy):
    made = deploy(lambda: GpuInstance("box", ARGS), preview=True)["box-instance"]
    assert base64.b64decode(made.inputs["userData"]).decode() == ARGS.user_data


def test_a_change_of_user_data_never_restarts_it(deploy):
    assert "userData" in instance(deploy).options.ignore_changes


def test_an_image_looked_up_once_is_kept_and_a_fixed_one_followed(deploy):
    assert "imageId" in instance(deploy).options.ignore_changes
    fixed = instance(deploy, image=ImageId(id="m-1"))
    assert fixed.inputs["imageId"] == "m-1"
    assert "imageId" not in fixed.options.ignore_changes


def test_a_family_without_images_is_said_and_left_to_the_provider_to_refuse(deploy):
    made = deploy(
        lambda: GpuInstance("box", ARGS), answers={"alicloud:ecs/getImages:getImages": lambda _: {"images": []}}
    )
    assert made["box-instance"].inputs.get("imageId") is None


@pytest.mark.parametrize(("family", "owner"), [("acs:ubuntu_24_04_x64", "system"), ("our-ubuntu", "self")])
def test_a_family_of_the_accounts_own_is_looked_up_there(deploy, family, owner):
    def answer(asked):
        assert asked["owners"] == owner
        return {"images": [{"id": "m-own"}]}

    made = deploy(
        lambda: GpuInstance("box", replace(ARGS, image=ImageFamily(name=family))),
        answers={"alicloud:ecs/getImages:getImages": answer},
    )
    assert made["box-instance"].inputs["imageId"] == "m-own"


@pytest.mark.parametrize("own", [True, False])
def test_it_is_made_anew_with_a_vswitch_that_the_program_replaces_and_moved_to_one_that_it_does_not(deploy, own):
    options = instance(deploy, vswitch_is_own=own).options
    assert ("vswitchId" in options.replace_on_changes) is own


def test_there_is_no_way_in_but_the_address_and_cloud_assistant(deploy):
    inputs = instance(deploy).inputs
    assert inputs["internetMaxBandwidthOut"] == 0
    assert not {"password", "keyName", "allocatePublicIp", "roleName"} & inputs.keys()


def test_metadata_wants_tokens_and_the_system_disk_is_encrypted(deploy):
    inputs = instance(deploy).inputs
    assert (inputs["httpTokens"], inputs["httpEndpoint"]) == ("required", "enabled")
    assert inputs["systemDiskEncrypted"] is True


def test_a_stopped_machine_is_started_by_the_next_up(deploy):
    assert instance(deploy).inputs["status"] == "Running"


def test_disks_are_attached_not_inlined(deploy):
    made = deploy(lambda: GpuInstance("box", ARGS))
    assert "dataDisks" not in made["box-instance"].inputs
    assert made["box-data-disk"].inputs == {"diskId": "d-1", "instanceId": "box-instance-id"}
    assert made["box-role"].inputs == {"instanceId": "box-instance-id", "ramRoleName": "open-webui-dev"}


def test_it_goes_before_its_successor_comes_since_both_want_the_disk(deploy):
    made = deploy(lambda: GpuInstance("box", ARGS))
    assert all(made[name].options.delete_before_replace for name in ("box-instance", "box-data-disk", "box-role"))


@pytest.mark.parametrize("protect", [True, False])
def test_the_clouds_protection_goes_with_pulumis(deploy, protect):
    made = instance(deploy, protect=protect)
    assert made.inputs["deletionProtection"] is protect
    assert made.options.protect is protect


def test_a_subscription_can_be_destroyed(deploy):
    inputs = instance(deploy, billing=SUBSCRIPTION, protect=True).inputs
    assert inputs["instanceChargeType"] == "PrePaid"
    assert (inputs["period"], inputs["periodUnit"]) == (12, "Month")
    assert inputs["forceDelete"] is True
    assert inputs["includeDataDisks"] is False
    assert (inputs["renewalStatus"], inputs["autoRenewPeriod"]) == ("AutoRenewal", 1)
    assert "deletionProtection" not in inputs  # the cloud has none for a subscription


def test_a_subscription_without_renewal_says_what_the_cloud_then_answers(deploy):
    billing = Billing.model_validate({"mode": "subscription", "months": 1})
    assert instance(deploy, billing=billing).inputs["renewalStatus"] == "Normal"


def test_spot_has_pulumis_protection_only(deploy):
    made = instance(deploy, spot=True, protect=True)
    assert "deletionProtection" not in made.inputs
    assert made.options.protect


@pytest.mark.parametrize(
    ("spot", "price", "expected"),
    [
        (False, None, {"spotStrategy": "NoSpot"}),
        (True, None, {"spotStrategy": "SpotAsPriceGo"}),
        (True, 5.5, {"spotStrategy": "SpotWithPriceLimit", "spotPriceLimit": 5.5}),
    ],
)
def test_spot_is_asked_for_as_configured(deploy, spot, price, expected):
    inputs = instance(deploy, spot=spot, spot_price=price).inputs
    assert {key: inputs[key] for key in inputs if key.startswith("spot")} == expected
    assert inputs["instanceChargeType"] == "PostPaid"
