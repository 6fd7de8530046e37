"""The sections of the stack's config: one model per top-level key, each with its own rules.

Rules between sections are in rules.py. The descriptions end up in error messages and in the configuration reference.
"""

from infra.sections.cloud import (
    Access,
    AddressCharge,
    Billing,
    BillingMode,
    DataDisk,
    Disk,
    DiskCategory,
    Instance,
    Network,
    PublicAddress,
    SystemDisk,
    Weekday,
    default_network,
)
from infra.sections.day_two import Alarms, Release, Schedule
from infra.sections.section import Section
from infra.sections.software import Admin, Caddy, MirrorPreset, Mirrors, Model, ModelChoice, Ollama, OpenWebUi

__all__ = [
    "Access",
    "AddressCharge",
    "Admin",
    "Alarms",
    "Billing",
    "BillingMode",
    "Caddy",
    "DataDisk",
    "Disk",
    "DiskCategory",
    "Instance",
    "MirrorPreset",
    "Mirrors",
    "Model",
    "ModelChoice",
    "Network",
    "Ollama",
    "OpenWebUi",
    "PublicAddress",
    "Release",
    "Schedule",
    "Section",
    "SystemDisk",
    "Weekday",
    "default_network",
]
