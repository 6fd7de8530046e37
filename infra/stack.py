"""The wiring: one stack's settings become its resources. Nothing else happens here."""

from collections.abc import Mapping

import pulumi

from infra import box, catalog, limits
from infra.alarms import Alarms, AlarmsArgs, ReadinessReports
from infra.firewall import Firewall, FirewallArgs
from infra.gpu_instance import GpuInstance, GpuInstanceArgs, ImageFamily, ImageId, SystemDiskArgs
from infra.identity import Identity, IdentityArgs, Parameter
from infra.network import ExistingNetwork, Network, NetworkArgs, NewNetwork
from infra.public_address import PublicAddress, PublicAddressArgs
from infra.release import Release, ReleaseArgs
from infra.schedule import Schedule, ScheduleArgs
from infra.sections import Network as NetworkSection
from infra.settings import ADMIN_PASSWORD, Settings
from infra.sizing import image_family
from infra.storage import SnapshotSchedule, Storage, StorageArgs
from provisioning import bundle

Outputs = Mapping[str, pulumi.Input[object]]


def deploy(settings: Settings) -> Outputs:
    """Declare every resource of the stack and return its outputs. The same settings declare the same resources."""
    spec = box.box_spec(settings)
    first_boot = limits.first_boot(settings, spec)  # refuses what is too large before anything is declared
    tags, name = settings.all_tags, settings.name
    network = Network(
        "network",
        NetworkArgs(choice=_network(settings.network), zone_id=settings.instance.zone, physical_name=name, tags=tags),
    )
    firewall = Firewall(
        "firewall",
        FirewallArgs(
            vpc_id=network.vpc_id,
            allowed_networks=settings.access.allowed_networks,
            acme=settings.access.tls.by_authority,
            physical_name=name,
            tags=tags,
        ),
    )
    storage = _storage(settings)
    identity = Identity(
        "identity",
        IdentityArgs(
            region=settings.region,
            parameters=_parameters(settings, storage.disk_id),
            reports_readiness=settings.alarms is not None,
            physical_name=name,
            tags=tags,
        ),
    )
    address = PublicAddress(
        "public",
        PublicAddressArgs(
            bandwidth_mbps=settings.public_address.bandwidth_mbps,
            charge=settings.public_address.charge,
            physical_name=name,
            tags=tags,
        ),
    )
    machine = _machine(settings, first_boot, network, firewall, storage, identity)
    association = address.associate("public", machine.instance_id)
    release = Release(
        "release",
        ReleaseArgs(
            stack=settings.stack,
            physical_name=name,
            instance_id=machine.instance_id,
            revision=(
                machine.image_id,
                settings.instance.type,
                storage.disk_id,
                f"{settings.data_disk.size_gib} GiB",  # the box grows its file system when the gate runs
                address.ip_address,
            ),
            spec=spec,
            tags=tags,
        ),
        pulumi.ResourceOptions(depends_on=[*machine.attachments, association, identity]),
    )
    _watch(settings, machine, address, identity, release)
    host = settings.access.tls.domain or address.ip_address
    return {
        "address": pulumi.Output.concat("https://", host),
        "adminEmail": settings.admin.email,
        "adminPassword": identity.values["admin-password"],
        "instanceId": machine.instance_id,
        "publicIp": address.ip_address,
        "dataDiskId": storage.disk_id,
        "release": bundle.build(spec).digest,
        "releaseInvocation": release.invocation_id,
        "logs": f"python -m ops logs --stack {settings.stack}",
    }


def _network(section: NetworkSection) -> NewNetwork | ExistingNetwork:
    if section.existing_vpc_id and section.existing_vswitch_id:
        return ExistingNetwork(vpc_id=section.existing_vpc_id, vswitch_id=section.existing_vswitch_id)
    if section.vpc_cidr and section.vswitch_cidr:
        return NewNetwork(vpc_cidr=section.vpc_cidr, vswitch_cidr=section.vswitch_cidr)
    raise AssertionError(section)  # the section's own rule refuses half a pair


def _storage(settings: Settings) -> Storage:
    disk = settings.data_disk
    return Storage(
        "data",
        StorageArgs(
            zone_id=settings.instance.zone,
            category=disk.category,
            performance_level=disk.performance_level,
            size_gib=disk.size_gib,
            kms_key_id=disk.kms_key_id,
            snapshot_id=disk.snapshot_id,
            protect=disk.protect,
            snapshots=None
            if disk.snapshots is None
            else SnapshotSchedule(
                hours=disk.snapshots.hours, days=disk.snapshots.days, keep_days=disk.snapshots.keep_days
            ),
            physical_name=settings.name,
            tags=settings.all_tags,
        ),
    )


def _parameters(settings: Settings, disk_id: pulumi.Output[str]) -> dict[str, Parameter]:
    """Logical name -> parameter: the admin's password, the keys the stack file refers to, and the disk's id."""
    given = {
        "admin-password" if key == ADMIN_PASSWORD else f"config-{key}": Parameter(
            name=box.secret_parameter(settings, key),
            value=value.get_secret_value(),
            keep_first=key == ADMIN_PASSWORD and settings.password_is_generated,
        )
        for key, value in settings.secrets.items()
    }
    return {**given, "data-disk": Parameter(name=box.data_disk_parameter(settings), value=disk_id)}


def _machine(
    settings: Settings, first_boot: str, network: Network, firewall: Firewall, storage: Storage, identity: Identity
) -> GpuInstance:
    chosen, disk, spot = settings.instance.image, settings.instance.system_disk, settings.instance.spot
    return GpuInstance(
        "box",
        GpuInstanceArgs(
            instance_type=settings.instance.type,
            zone_id=settings.instance.zone,
            image=ImageId(id=chosen.id) if chosen and chosen.id else ImageFamily(name=image_family(settings.instance)),
            system_disk=SystemDiskArgs(
                category=disk.category, performance_level=disk.performance_level, size_gib=disk.size_gib
            ),
            vswitch_id=network.vswitch_id,
            vswitch_is_own=settings.network.existing_vswitch_id is None,
            security_group_id=firewall.security_group_id,
            data_disk_id=storage.disk_id,
            role_name=identity.role_name,
            user_data=first_boot,
            billing=settings.billing,
            spot=spot is not None,
            spot_price=spot.max_hourly_price if spot else None,
            protect=settings.instance.protect,
            physical_name=settings.name,
            tags=settings.all_tags,
        ),
    )


def _watch(
    settings: Settings, machine: GpuInstance, address: PublicAddress, identity: Identity, release: Release
) -> None:
    if settings.alarms is not None:
        Alarms(
            "alarms",
            AlarmsArgs(
                contacts=settings.alarms.contacts,
                instance_id=machine.instance_id,
                allocation_id=address.allocation_id,
                gpu=catalog.has_gpu(settings.instance.type),
                stops_on_schedule=settings.schedule is not None,
                readiness=ReadinessReports(
                    account_id=identity.account_id,
                    since=release,
                    certificate=settings.access.tls.by_authority,
                ),
                physical_name=settings.name,
            ),
        )
    if settings.schedule is not None:
        Schedule(
            "schedule",
            ScheduleArgs(
                region=settings.region,
                instance_id=machine.instance_id,
                stop=settings.schedule.stop,
                start=settings.schedule.start,
                time_zone=settings.schedule.time_zone,
                physical_name=settings.name,
                tags=settings.all_tags,
            ),
        )
