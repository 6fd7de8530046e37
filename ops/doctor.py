"""`ops doctor`: everything that would make `pulumi up` fail half way, found before anything is bought."""

from functools import partial
from typing import Any

from infra.box import box_spec
from infra.settings import Settings
from ops import artifacts, doctor_checks, doctor_purchase, doctor_view, stack_settings, stock, terminal, write_zone
from ops.cloud.client import Cloud
from ops.findings import Finding, Level, collect


def run(stack: str, *, move: bool, as_json: bool) -> int:
    """Print the findings, or with `move` write a better zone into the stack file; return the exit status."""

    def command() -> int:
        settings = stack_settings.load(stack)
        cloud = Cloud(settings.region, stack=settings.stack)
        if move:
            return write_zone.run(settings, cloud, as_json=as_json)
        document = examine(settings, cloud)
        bad = any(finding["level"] == Level.PROBLEM for finding in document["findings"])
        following = None if bad else f"pulumi up --stack {stack}"
        terminal.emit(document, doctor_view.findings, as_json=as_json, following=following)
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
            "network": partial(doctor_purchase.network, cloud, settings),
            "addresses": partial(doctor_checks.addresses, cloud, settings),
            "purchase": partial(doctor_purchase.purchase, cloud, settings),
            "permissions": partial(doctor_purchase.untried, settings),
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
    by_zone += stock.of_type(cloud, settings)
    return doctor_checks.zones(settings, by_zone)


def _artifacts(settings: Settings) -> Any:
    return artifacts.findings(artifacts.probe(box_spec(settings)), settings.stack)
