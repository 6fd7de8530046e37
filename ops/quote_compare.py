"""`ops quote --compare`: the GPU types that fit the stack's models, cheapest first, with price and stock."""

from decimal import Decimal
from typing import Any

from infra import catalog, sizing
from infra.sections import ModelChoice
from infra.settings import Settings
from ops import price, stock, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import CloudError, OpsError


def comparison(settings: Settings, cloud: Cloud) -> dict[str, Any]:
    """The document of ops/schemas/quote-compare.json. Raises CloudError."""
    fitting, left_out = candidates(settings)
    rows: list[dict[str, Any]] = []
    currencies: set[str] = set()
    with terminal.doing("asking for stock") as tell:
        zones = stock.of_types(cloud, settings)
        for index, entry in enumerate(fitting, 1):
            if entry.name not in zones:
                left_out.append({"type": entry.name, "why": f"not sold in {settings.region} with this billing"})
                continue
            tell(f"asking for prices: {entry.name} ({index} of {len(fitting)})")
            try:
                priced = price.of_instance(cloud, settings, entry.name)
            except CloudError as error:
                if error.is_refusal or error.code == "Network":
                    raise
                left_out.append({"type": entry.name, "why": f"no price: {error.code}: {error.message}"})
                continue
            currencies.add(priced.currency)
            rows.append(_row(entry, priced, zones[entry.name]))
    if len(currencies) > 1:
        raise OpsError(f"the cloud answered in several currencies: {', '.join(sorted(currencies))}")
    return {
        "stack": settings.stack,
        "region": settings.region,
        "models": [choice.name for choice in settings.models],
        "currency": next(iter(currencies), None),
        "billing": {
            "mode": "spot" if settings.instance.spot else settings.billing.mode.value,
            "months": settings.billing.months,
        },
        "types": sorted(rows, key=lambda row: (row["perMonth"], row["type"])),
        "leftOut": sorted(left_out, key=lambda entry: entry["type"]),
    }


def candidates(settings: Settings) -> tuple[list[catalog.InstanceType], list[dict[str, str]]]:
    """GPU types of the catalog on which every known model fits at the stack's context, and why others do not."""
    fitting: list[catalog.InstanceType] = []
    left_out: list[dict[str, str]] = []
    for entry in catalog.INSTANCE_TYPES.values():
        if entry.gpu is None:
            continue
        too_large = [choice.name for choice in settings.models if not _fits(settings, entry, choice)]
        if too_large:
            left_out.append({"type": entry.name, "why": f"too little GPU memory for {', '.join(too_large)}"})
        elif settings.instance.system_disk.category.value not in entry.disk_categories:
            left_out.append({"type": entry.name, "why": f"takes no {settings.instance.system_disk.category.value}"})
        else:
            fitting.append(entry)
    return fitting, left_out


def _fits(settings: Settings, entry: catalog.InstanceType, choice: ModelChoice) -> bool:
    model, ollama = sizing.known_model(choice), settings.ollama
    if model is None:
        return True  # not in the catalog: nothing is known against it
    common = sizing.context_length(entry, settings.models, ollama)
    return sizing.fit(model, entry, choice.num_ctx or common, common, ollama) is not catalog.Fit.NONE


def _row(entry: catalog.InstanceType, priced: price.Priced, zones: list[stock.ZoneStock]) -> dict[str, Any]:
    gpu = entry.gpu
    if gpu is None:
        raise AssertionError(entry)
    memory = gpu.memory_gib * entry.gpus
    hourly = sum((line.price for line in priced.lines if line.unit == "hour"), Decimal(0))
    monthly = sum((line.per_month or Decimal(0) for line in priced.lines), Decimal(0))
    return {
        "type": entry.name,
        "vcpus": entry.vcpus,
        "memoryGib": entry.memory_gib,
        "gpu": gpu.name,
        "gpus": entry.gpus,
        "gpuMemoryGib": memory,
        "perHour": price.number(hourly) if hourly else None,
        "perMonth": price.number(monthly),
        "perMonthAndGpuGib": price.number(monthly / memory),
        "zones": [{"zone": zone.zone, "stock": zone.state} for zone in zones],
    }
