"""The scenarios, by group. Importing this module registers all of them, in the report's order."""

from rehearsal.scenario import SCENARIOS, Scenario
from rehearsal.scenarios import benchmark, boot, cloud, disk, gpu, load, outside, processes, security

__all__ = ["all_scenarios"]
_MODULES = (boot, outside, disk, processes, gpu, cloud, load, security, benchmark)


def all_scenarios() -> list[Scenario]:
    """Every scenario, by group."""
    return sorted(SCENARIOS, key=lambda known: known.group.value[0])
