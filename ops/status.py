"""`ops status`: what runs, whether it is ready, and how far it is from what the stack file says."""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.box import box_spec
from infra.settings import Settings
from ops import assistant, bills, box_report, instance, stack_settings, status_view, terminal
from ops.cloud.client import Cloud, dig
from ops.cloud.errors import OpsError
from ops.instance import Instance
from provisioning import bundle
from provisioning.spec import BoxSpec

REPORT_TIMEOUT_S = 120
CERTIFICATE_WARNING_DAYS = 2  # short-lived certificates are renewed at half of their six days
DISK_WARNING = 0.9


def run(stack: str, *, as_json: bool) -> int:
    """Print the state of a stack; return 0 if the service is ready, 1 if anything needs attention."""

    def command() -> int:
        settings = stack_settings.load(stack)
        with terminal.doing("looking"):
            document = status(settings, Cloud(settings.region, stack=settings.stack), now())
        terminal.emit(document, status_view.status, as_json=as_json)
        return terminal.FINDINGS if document["attention"] else terminal.OK

    return terminal.guarded(command)


def now() -> datetime:
    """The time that certificates and bills are seen from."""
    return datetime.now(UTC)


def status(settings: Settings, cloud: Cloud, at: datetime) -> dict[str, Any]:
    """The document of ops/schemas/status.json. Raises CloudError where even the instance cannot be asked for."""
    found = instance.find(cloud, settings)
    spec = box_spec(settings)
    report, error = _report(cloud, found)
    disk = _data_disk(cloud, settings)
    document: dict[str, Any] = {
        "stack": settings.stack,
        "region": settings.region,
        "address": instance.address(settings, found) if found else None,
        "instance": _instance(found) if found else None,
        "box": _box(report, at) if report else None,
        "boxError": error,
        "versions": versions(spec, report),
        "release": {"running": dig(report, "release"), "wanted": bundle.build(spec).digest},
        "dataDisk": disk,
        **bills.this_month(cloud, _ids(found, disk), at),
    }
    return {**document, "attention": attention(document)}


def _instance(found: Instance) -> dict[str, Any]:
    facts = found.facts
    return {
        "id": found.id,
        "status": found.status,
        "type": facts.get("InstanceType"),
        "zone": facts.get("ZoneId"),
        "billing": facts.get("InstanceChargeType"),
        "spot": facts.get("SpotStrategy") not in (None, "NoSpot"),
        "expires": facts.get("ExpiredTime") or None,
        "started": facts.get("StartTime") or None,
        "stoppedMode": facts.get("StoppedMode") if found.status == "Stopped" else None,
        "locks": found.locks,
    }


def _report(cloud: Cloud, found: Instance | None) -> tuple[dict[str, Any] | None, str | None]:
    if found is None or found.status != "Running":
        return None, None
    content = Path(box_report.__file__).read_text(encoding="utf-8")
    script = f"exec python3 - <<'END-OF-REPORT'\n{content}\nEND-OF-REPORT\n"
    try:
        assistant.require_agent(cloud, found.id)
        result = assistant.run(cloud, found.id, script, what="asking the box", timeout_s=REPORT_TIMEOUT_S)
    except OpsError as error:
        return None, str(error)
    lines = result.output.strip().splitlines()
    try:
        report = json.loads(lines[-1]) if lines else None
    except ValueError:
        report = None
    if not isinstance(report, dict):
        return None, f"the box's report cannot be read (exit {result.exit_code}): {' '.join(lines[-3:])[:300]}"
    return report, None


def _box(report: Mapping[str, Any], at: datetime) -> dict[str, Any]:
    ready = dig(report, "status", "ready", default={})
    units = dig(report, "status", "units", default={})
    return {
        "ready": ready.get("ok"),
        "since": ready.get("at"),
        "reason": ready.get("reason"),
        "failedUnit": ready.get("unit"),
        "steps": [
            {
                "name": name,
                "state": str(unit.get("ActiveState", "unknown")),
                "seconds": dig(ready, "steps", name, "seconds"),
            }
            for name, unit in units.items()
        ],
        "certificate": certificate(ready.get("certificate"), at),
        "tokensPerSecond": ready.get("tokensPerSecond"),
        "disks": report.get("disks") or [],
        "gpus": report.get("gpus") or [],
        "models": report.get("models"),
    }


def certificate(found: Mapping[str, Any] | None, at: datetime) -> dict[str, Any] | None:
    """Issuer, end and whole days left; the end as the box read it from the certificate, in ssl's notation."""
    if not found or not found.get("notAfter"):
        return None
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    return {
        "issuer": found.get("issuer"),
        "notAfter": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "daysLeft": (end - at).days,
        "public": bool(found.get("public")),
        "warning": found.get("warning"),
    }


def versions(spec: BoxSpec, report: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What runs beside what the stack file says; `running` is None where the box does not tell."""
    wanted = {
        "Open WebUI": spec.open_webui.image.tag,
        "Ollama": spec.ollama.archive.version,
        "Caddy": spec.caddy.version,
        "models": ", ".join(model.name for model in spec.ollama.models),
    }
    return [{"name": name, "running": dig(report, "versions", name), "wanted": value} for name, value in wanted.items()]


def _data_disk(cloud: Cloud, settings: Settings) -> dict[str, Any] | None:
    tags = instance.tags(settings)
    disks = list(
        cloud.pages("ecs", "DescribeDisks", ("Disks", "Disk"), RegionId=settings.region, DiskType="data", Tag=tags)
    )
    if not disks:
        return None
    disk = disks[0]
    snapshots = list(
        cloud.pages(
            "ecs", "DescribeSnapshots", ("Snapshots", "Snapshot"), RegionId=settings.region, DiskId=disk["DiskId"]
        )
    )
    last = max(snapshots, key=lambda entry: str(entry.get("CreationTime", "")), default=None)
    return {
        "id": disk["DiskId"],
        "sizeGib": disk.get("Size"),
        "category": disk.get("Category"),
        "status": disk.get("Status"),
        "snapshots": len(snapshots),
        "lastSnapshot": last
        and {"id": last.get("SnapshotId"), "at": last.get("CreationTime"), "status": last.get("Status")},
    }


def _ids(found: Instance | None, disk: Mapping[str, Any] | None) -> dict[str, str]:
    ids = {"instance": found.id if found else None, "data disk": dig(disk, "id")}
    ids["address"] = dig(found.facts, "EipAddress", "AllocationId") if found else None
    return {what: value for what, value in ids.items() if value}


def attention(document: Mapping[str, Any]) -> list[str]:
    """What somebody should do something about, one line each."""
    machine, box = document["instance"], document["box"]
    stack = document["stack"]
    if machine is None:
        return [f"there is no instance: pulumi up --stack {stack}"]
    found: list[str] = [f"the cloud has locked the instance: {lock}" for lock in machine["locks"]]
    if machine["status"] != "Running":
        found.append(f"the instance is {machine['status']}: python -m ops start --stack {stack}")
    if document["boxError"]:
        found.append(f"the box does not report: {document['boxError'].splitlines()[0]}")
    if box:
        if not box["ready"]:
            why = box["reason"] or "its steps have not all ended"
            found.append(f"the service is not ready: {why}: python -m ops logs --stack {stack}")
        cert = box["certificate"]
        if cert and cert["daysLeft"] < CERTIFICATE_WARNING_DAYS:
            found.append(f"the certificate ends in {cert['daysLeft']} days: python -m ops logs --unit caddy")
        if cert and cert["warning"]:
            found.append(f"certificate: {cert['warning']}")
        found += [
            f"{disk['mount']} is {1 - disk['freeBytes'] / disk['bytes']:.0%} full: raise the disk's sizeGib"
            for disk in box["disks"]
            if disk["freeBytes"] < (1 - DISK_WARNING) * disk["bytes"]
        ]
        if document["release"]["running"] != document["release"]["wanted"]:
            found.append(f"the box runs another release than the stack file says: pulumi up --stack {stack}")
    return found
