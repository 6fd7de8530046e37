"""`ops status`: what runs, whether it is ready, and how far it is from what the stack file says."""

import json
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra import model_names
from infra.box import box_spec
from infra.settings import Settings
from ops import assistant, bills, box_report, instance, stack_settings, status_attention, status_view, terminal
from ops.cloud.client import Cloud, dig, needed
from ops.cloud.errors import CloudError, OpsError
from ops.instance import Instance
from provisioning import bundle
from provisioning.spec import BoxSpec

REPORT_TIMEOUT_S = 120


def run(stack: str, *, as_json: bool) -> int:
    """Print the state of a stack; return 0 if the service is ready, 1 if anything needs attention."""

    def command() -> int:
        settings = stack_settings.load(stack)
        with terminal.doing("looking"):
            document = status(settings, Cloud(settings.region, stack=settings.stack), now())
        following = None if document["attention"] else f"python -m ops open --stack {stack}"
        terminal.emit(document, status_view.status, as_json=as_json, following=following)
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
    kept = _data_disk(cloud, settings)
    document: dict[str, Any] = {
        "stack": settings.stack,
        "region": settings.region,
        "address": instance.address(settings, found) if found else None,
        "instance": _instance(found) if found else None,
        "box": _box(report, spec, at) if report else None,
        "boxError": error,
        "versions": versions(spec, report),
        "release": {"running": dig(report, "release"), "wanted": bundle.build(spec).digest},
        **kept,
        **bills.this_month(cloud, _ids(found, kept["dataDisk"]), at),
    }
    return {**document, "attention": status_attention.attention(document)}


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
        "stoppedMode": found.stopped_mode,
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


def _box(report: Mapping[str, Any], spec: BoxSpec, at: datetime) -> dict[str, Any]:
    ready = dig(report, "status", "ready", default={})
    units = dig(report, "status", "units", default={})
    served = report.get("certificate")
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
        "certificate": certificate(served or ready.get("certificate"), at, served=served is not None),
        "tokensPerSecond": ready.get("tokensPerSecond"),
        "disks": report.get("disks"),
        "gpusWanted": spec.gpu.count if spec.gpu else 0,
        "gpus": report.get("gpus"),
        "models": report.get("models"),
    }


def certificate(found: Mapping[str, Any] | None, at: datetime, *, served: bool) -> dict[str, Any] | None:
    """Issuer, end and whole days left; the end as the box read it from the certificate, in ssl's notation.

    `served` is False for what the gate saw at the last release or boot, where port 443 does not answer now.
    """
    if not found or not found.get("notAfter"):
        return None
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(found["notAfter"])), UTC)
    return {
        "issuer": found.get("issuer"),
        "notAfter": end.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "daysLeft": (end - at).days,
        "public": bool(found.get("public")),
        "warning": found.get("warning"),
        "served": served,
    }


def versions(spec: BoxSpec, report: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What runs, asked of what runs, beside what the stack file says; `running` is None where nothing answers."""
    rows = {
        "Open WebUI": (_image(spec, dig(report, "image")), spec.open_webui.image.tag),
        "Ollama": (dig(report, "ollamaVersion"), spec.ollama.archive.version),
        "Caddy": (dig(report, "caddyVersion"), spec.caddy.version),
        "models": (_models(spec, dig(report, "models")), ", ".join(model.name for model in spec.ollama.models)),
    }
    return [{"name": name, "running": running, "wanted": wanted} for name, (running, wanted) in rows.items()]


def _image(spec: BoxSpec, running: Mapping[str, Any] | None) -> str | None:
    """The tag where it is the stack file's image or the release's, with the digest where two tags may be alike."""
    digest = dig(running, "digest")
    if not digest or digest == spec.open_webui.image.digest:
        return spec.open_webui.image.tag if digest else None
    short = digest[:19]
    tag = dig(running, "tag")
    return f"{tag} ({short})" if tag == spec.open_webui.image.tag else tag or short


def _models(spec: BoxSpec, found: list[Mapping[str, Any]] | None) -> str | None:
    """The stack file's models where all are there, whatever people have added; else those that are."""
    if found is None:
        return None
    wanted = [model.name for model in spec.ollama.models]
    there = [str(entry["name"]) for entry in found]
    if set(map(model_names.plain, wanted)) <= set(map(model_names.plain, there)):
        return ", ".join(wanted)
    embeds = model_names.plain(spec.ollama.embedding_model.name)
    return ", ".join(name for name in there if model_names.plain(name) != embeds)


def _data_disk(cloud: Cloud, settings: Settings) -> dict[str, Any]:
    """`dataDisk`, and `dataDiskError` where disks cannot be read."""
    tags = instance.tags(settings)
    try:
        disks = list(
            cloud.pages("ecs", "DescribeDisks", ("Disks", "Disk"), RegionId=settings.region, DiskType="data", Tag=tags)
        )
        disk = disks[0] if disks else None
        identifier = needed("ecs:DescribeDisks", disk, "DiskId") if disk else None
    except CloudError as error:
        return {"dataDisk": None, "dataDiskError": error.short}
    if disk is None or identifier is None:
        return {"dataDisk": None, "dataDiskError": None}
    return {
        "dataDisk": {
            "id": identifier,
            "sizeGib": disk.get("Size"),
            "category": disk.get("Category"),
            "status": disk.get("Status"),
            **_snapshots(cloud, settings, identifier),
        },
        "dataDiskError": None,
    }


def _snapshots(cloud: Cloud, settings: Settings, disk: str) -> dict[str, Any]:
    """How many, the last one, and `snapshotsError` where they cannot be read."""
    path = ("Snapshots", "Snapshot")
    try:
        found = list(cloud.pages("ecs", "DescribeSnapshots", path, RegionId=settings.region, DiskId=disk))
    except CloudError as error:
        return {"snapshots": None, "lastSnapshot": None, "snapshotsError": error.short}
    last = max(found, key=lambda entry: str(entry.get("CreationTime", "")), default=None)
    return {
        "snapshots": len(found),
        "lastSnapshot": last
        and {"id": last.get("SnapshotId"), "at": last.get("CreationTime"), "status": last.get("Status")},
        "snapshotsError": None,
    }


def _ids(found: Instance | None, disk: Mapping[str, Any] | None) -> dict[str, str]:
    ids = {"instance": found.id if found else None, "data disk": dig(disk, "id")}
    ids["address"] = dig(found.facts, "EipAddress", "AllocationId") if found else None
    return {what: value for what, value in ids.items() if value}
