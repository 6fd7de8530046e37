"""Configs for tests: a small valid one, and a way to change one key of it."""

import copy
from typing import Any

BASE: dict[str, Any] = {
    "alicloud:region": "ap-southeast-1",
    "access": {"allowedNetworks": ["203.0.113.0/24"]},
    "admin": {"email": "admin@example.com"},
    "instance": {"type": "ecs.gn7i-c8g1.2xlarge", "zone": "ap-southeast-1c"},
}


def config(**changes: Any) -> dict[str, Any]:
    """BASE with keys set by path, double underscores between the parts: instance__systemDisk__sizeGib=40."""
    values = copy.deepcopy(BASE)
    for path, value in changes.items():
        *parents, last = path.replace("region", "alicloud:region").split("__")
        place = values
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return values
