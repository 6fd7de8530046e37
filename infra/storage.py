"""The data disk: users, chats, uploads, models and certificates; it outlives the instance."""

from dataclasses import dataclass

import pulumi
import pulumi_alicloud as alicloud

from infra.sections import Weekday

WEEKDAY_NUMBER = {day: str(number) for number, day in enumerate(Weekday, start=1)}  # the cloud's Monday is 1


@dataclass(frozen=True, kw_only=True)
class SnapshotSchedule:
    """Full hours of the day in the region's time zone, weekdays, and days that a snapshot is kept."""

    hours: tuple[int, ...]
    days: tuple[Weekday, ...]
    keep_days: int


@dataclass(frozen=True, kw_only=True)
class StorageArgs:
    """`size_gib` may grow online, never shrink. `snapshot_id` and `kms_key_id` are fixed at birth."""

    zone_id: str
    category: str
    performance_level: str | None
    size_gib: int
    kms_key_id: str | None
    snapshot_id: str | None
    protect: bool
    snapshots: SnapshotSchedule | None
    physical_name: str
    tags: dict[str, str]


class Storage(pulumi.ComponentResource):
    """One encrypted disk with its snapshot policy; output `disk_id`. Attaching it is the instance's matter."""

    disk_id: pulumi.Output[str]

    def __init__(self, name: str, args: StorageArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("openwebui:infra:Storage", name, {}, opts)
        disk = alicloud.ecs.EcsDisk(
            f"{name}-disk",
            disk_name=f"{args.physical_name}-data",
            description="Open WebUI: users, chats, uploads, models",
            zone_id=args.zone_id,
            category=args.category,
            performance_level=args.performance_level,
            size=args.size_gib,
            type="online",  # a resize without a restart
            encrypted=True,
            kms_key_id=args.kms_key_id,
            snapshot_id=args.snapshot_id,
            payment_type="PayAsYouGo",
            delete_with_instance=False,
            delete_auto_snapshot=False,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self, protect=args.protect),
        )
        if args.snapshots is not None:
            self._schedule(name, args, args.snapshots, disk)
        self.disk_id = disk.id
        self.register_outputs({"diskId": self.disk_id})

    def _schedule(self, name: str, args: StorageArgs, snapshots: SnapshotSchedule, disk: alicloud.ecs.EcsDisk) -> None:
        policy = alicloud.ecs.AutoSnapshotPolicy(
            f"{name}-snapshots",
            auto_snapshot_policy_name=args.physical_name,
            repeat_weekdays=sorted(WEEKDAY_NUMBER[day] for day in snapshots.days),
            time_points=[str(hour) for hour in sorted(snapshots.hours)],
            retention_days=snapshots.keep_days,
            tags=args.tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        alicloud.ecs.EcsAutoSnapshotPolicyAttachment(
            f"{name}-snapshots-of-disk",
            auto_snapshot_policy_id=policy.id,
            disk_id=disk.id,
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
