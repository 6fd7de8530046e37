"""`ops doctor`: everything that would make `pulumi up` fail half way, found before anything is bought."""

from functools import partial
from typing import Any

from infra.box import box_spec
from infra.settings import Settings
from ops import artifacts, doctor_checks, doctor_view, edit_stack_file, instance, stack_settings, stock, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import NotPossibleError
from ops.findings import Finding, Level, collect
from ops.program import ROOT


def run(stack: str, *, write_zone: bool, as_json: bool) -> int:
    """Print the findings, or write a zone with stock into the stack file; return the exit status, 1 with problems."""

    def command() -> int:
        settings = stack_settings.load(stack)
        cloud = Cloud(settings.region, stack=settings.stack)
        if write_zone:
            return _write_zone(settings, cloud)
        document = examine(settings, cloud)
        terminal.emit(document, doctor_view.findings, as_json=as_json)
        bad = any(finding["level"] == Level.PROBLEM for finding in document["findings"])
        return terminal.FINDINGS if bad else terminal.OK

    return terminal.guarded(command)


def examine(settings: Settings, cloud: Cloud) -> dict[str, Any]:
    """The document of ops/schemas/doctor.json. Raises CloudError where the credentials themselves are refused."""
    found: list[Finding] = []
    by_zone: list[stock.ZoneStock] = []
    with terminal.doing("checking") as tell:
        tell("checking credentials")
        found += list(doctor_checks.identity(cloud))
        checks = {
            "balance": partial(doctor_checks.balance, cloud, settings),
            "account": partial(doctor_checks.account, cloud, settings),
            "stock": partial(_stock, cloud, settings, by_zone),
            "disks": partial(doctor_checks.disks, cloud, settings),
            "image": partial(doctor_checks.image, cloud, settings),
            "network": partial(doctor_checks.network, cloud, settings),
            "addresses": partial(doctor_checks.addresses, cloud, settings),
            "purchase": partial(doctor_checks.purchase, cloud, settings),
            "artifacts": partial(_artifacts, settings),
        }
        for name, check in checks.items():
            tell(f"checking {name}")
            found += collect(name, check)
    return {
        "stack": settings.stack,
        "region": settings.region,
        "findings": [finding.as_json() for finding in found],
        "zones": [{"zone": zone.zone, "stock": zone.state} for zone in by_zone],
    }


def _stock(cloud: Cloud, settings: Settings, by_zone: list[stock.ZoneStock]) -> Any:
    by_zone += _zones(cloud, settings)
    return doctor_checks.zones(settings, by_zone)


def _zones(cloud: Cloud, settings: Settings) -> list[stock.ZoneStock]:
    return stock.of_types(cloud, settings, settings.instance.type).get(settings.instance.type, [])


def _artifacts(settings: Settings) -> list[Finding]:
    sources = artifacts.probe(box_spec(settings))
    silent = artifacts.unanswered(sources)
    found = [
        Finding(
            check="downloads",
            level=Level.WARNING,
            fact=f"{source.what}: no address answers from here ({source.addresses[0]}: {source.answers[0]})",
            consequence="the box may not get it either, and would not become ready",
            fix="set open-webui:mirrors, or bring it into the region: python -m ops mirror",
        )
        for source in silent
    ]
    if len(silent) < len(sources):
        answered = ", ".join(source.what for source in sources if source not in silent)
        found.append(Finding(check="downloads", level=Level.OK, fact=f"answer from here: {answered}"))
    return found


def _write_zone(settings: Settings, cloud: Cloud) -> int:
    zones = _zones(cloud, settings)
    own = next((zone for zone in zones if zone.zone == settings.instance.zone), None)
    if own and own.state == "WithStock":
        print(f"{settings.instance.zone} has stock of {settings.instance.type}: nothing to write")
        return terminal.OK
    best = next((zone for zone in zones if zone.has_stock), None)
    if best is None:
        print(doctor_view.no_zone(settings.instance.type, settings.region, settings.stack))
        return terminal.FINDINGS
    if settings.network.existing_vswitch_id is not None:
        raise NotPossibleError(
            f"{best.zone} has stock, but {settings.network.existing_vswitch_id} is bound to its own zone\n"
            f"    fix: give existingVswitchId of a vSwitch in {best.zone}, and instance.zone with it"
        )
    if existing := instance.find(cloud, settings):
        raise NotPossibleError(
            f"the stack runs already ({existing.id}): another zone would replace machine and data disk\n"
            "    fix: keep the zone; to move, restore a snapshot into a new stack"
        )
    file = ROOT / f"Pulumi.{settings.stack}.yaml"
    text = file.read_text(encoding="utf-8")
    changed = edit_stack_file.set_value(text, ("config", "open-webui:instance", "zone"), best.zone)
    edit_stack_file.write(file, changed)
    print(f"{file.name}: open-webui:instance.zone {settings.instance.zone} -> {best.zone}")
    print(f"next: make preview STACK={settings.stack}")
    return terminal.OK
