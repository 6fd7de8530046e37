"""The scenarios, by group. Importing this module registers all of them, in the report's order."""

from rehearsal.scenario import SCENARIOS, Scenario
from rehearsal.scenarios import (
    benchmark,
    boot,
    certificates,
    cloud,
    disk,
    downloads,
    gpu,
    load,
    outside,
    processes,
    security,
)

__all__ = ["all_scenarios"]
_MODULES = (boot, downloads, outside, disk, processes, gpu, cloud, load, security, certificates, benchmark)


def all_scenarios() -> list[Scenario]:
    """Every scenario, by group."""
    return sorted(SCENARIOS, key=lambda known: known.group.value[0])
