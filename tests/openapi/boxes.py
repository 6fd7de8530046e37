"""What boxes say when a command reaches them through Cloud Assistant."""

import json
from typing import Any

from infra.box import box_spec
from ops import stack_settings
from provisioning import bundle

SECONDS = {"packages": 12.3, "disk": 2.1, "secrets": 1.4, "gpu": 8.8, "image": 41.0, "models": 95.2}


def report(**ready: Any) -> dict[str, Any]:
    """What ops/box_report.py prints on the box of the stack `dev` as its stack file now is; `ready` is the gate's."""
    spec = box_spec(stack_settings.load("dev"))
    digest = bundle.build(spec).digest
    gate = {
        "ok": True,
        "release": digest,
        "address": "https://203.0.113.80",
        "at": "2026-11-24T01:00:00Z",
        "seconds": 131.0,
        "model": "qwen3:8b",
        "tokensPerSecond": 71.4,
        "bytes": 9_900_000_000,
        "gpuBytes": 9_900_000_000,
        "gpu": [["NVIDIA A10", "580.126.09", "23028"]],
        "certificate": {"issuer": "Let's Encrypt", "notAfter": "Nov 26 06:11:22 2026 GMT", "public": True},
        "steps": {name: {"start": 0.0, "end": taken, "seconds": taken} for name, taken in SECONDS.items()},
    }
    units = {name: {"ActiveState": "active", "SubState": "exited", "Result": "success"} for name in SECONDS}
    services = {name: {"ActiveState": "active", "SubState": "running"} for name in ("ollama", "open-webui", "caddy")}
    return {
        "release": digest,
        "status": {"units": {**units, **services}, "ready": {**gate, **ready}},
        "image": {"digest": spec.open_webui.image.digest, "tag": spec.open_webui.image.tag},
        "ollamaVersion": spec.ollama.archive.version,
        "caddyVersion": spec.caddy.version,
        "certificate": {"issuer": "Let's Encrypt", "notAfter": "Nov 29 06:11:22 2026 GMT", "public": True},
        "disks": [
            {"mount": "/", "bytes": 107_374_182_400, "freeBytes": 71_000_000_000},
            {"mount": "/srv/open-webui", "bytes": 214_748_364_800, "freeBytes": 180_000_000_000},
        ],
        "gpus": [{"name": "NVIDIA A10", "driver": "580.126.09", "usedMib": 10120, "totalMib": 23028, "percent": 3}],
        "models": [
            {"name": "qwen3:8b", "bytes": 5_225_388_164, "gpuBytes": 9_900_000_000},
            {"name": "nomic-embed-text:v1.5", "bytes": 274_302_450, "gpuBytes": None},
        ],
    }


def healthy(script: str) -> tuple[str, int]:
    """A box in order."""
    if "END-OF-REPORT" in script:
        return json.dumps(report()) + "\n", 0
    if "journalctl" in script:
        return journal(script), 0
    return ("", 0) if script.strip() == "true" else (f"sh: {script.split(maxsplit=1)[0]}: not found\n", 127)


def journal(script: str) -> str:
    """Two lines at first, one more per call after a cursor."""
    if "--after-cursor" not in script:
        lines = "2026-11-24T01:00:00+0000 box owbox[1]: people use https://203.0.113.80/\n" * 2
        return f"{lines}-- cursor: s=1;i=2;b=3\n"
    return "2026-11-24T01:00:05+0000 box owbox[1]: one more\n-- cursor: s=1;i=3;b=3\n"
