from dataclasses import replace

import pytest

from infra.sections import Weekday
from infra.storage import SnapshotSchedule, Storage, StorageArgs

ARGS = StorageArgs(
    zone_id="ap-southeast-1c",
    category="cloud_essd",
    performance_level=None,
    size_gib=200,
    kms_key_id=None,
    snapshot_id=None,
    protect=False,
    snapshots=None,
    physical_name="open-webui-dev",
    tags={"team": "a"},
)
SCHEDULE = SnapshotSchedule(hours=(15, 3), days=(Weekday.THU, Weekday.MON), keep_days=30)


def test_the_disk_is_encrypted_outlives_the_instance_and_grows_online(deploy):
    disk = deploy(lambda: Storage("data", ARGS))["data-disk"].inputs
    assert disk["encrypted"] is True
    assert disk["deleteWithInstance"] is False
    assert disk["type"] == "online"
    assert "instanceId" not in disk  # that would make it a subscribed disk


@pytest.mark.parametrize("protect", [True, False])
def test_it_is_protected_as_the_config_says(deploy, protect):
    made = deploy(lambda: Storage("data", replace(ARGS, protect=protect)))
    assert made["data-disk"].options.protect is protect


def test_it_can_be_born_of_a_snapshot_and_sealed_with_a_key(deploy):
    disk = deploy(lambda: Storage("data", replace(ARGS, snapshot_id="s-1", kms_key_id="key-1")))["data-disk"].inputs
    assert (disk["snapshotId"], disk["kmsKeyId"]) == ("s-1", "key-1")


def test_without_a_schedule_there_is_no_policy(deploy):
    assert set(deploy(lambda: Storage("data", ARGS))) == {"data", "data-disk"}


def test_a_schedule_is_told_as_the_cloud_counts(deploy):
    made = deploy(lambda: Storage("data", replace(ARGS, snapshots=SCHEDULE)))
    policy = made["data-snapshots"].inputs
    assert policy["repeatWeekdays"] == ["1", "4"]
    assert policy["timePoints"] == ["15", "3"] or policy["timePoints"] == ["3", "15"]
    assert policy["retentionDays"] == 30
    assert made["data-snapshots-of-disk"].inputs == {
        "autoSnapshotPolicyId": "data-snapshots-id",
        "diskId": "data-disk-id",
    }
