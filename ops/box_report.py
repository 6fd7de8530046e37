"""Runs on the box, sent by `ops status` through Cloud Assistant: one line of JSON about the machine.

Standard library only, Python 3.10 and later. What cannot be read is null: a half-dead box must still report.
"""

import importlib
import json
import shutil
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

CURRENT = Path("/opt/open-webui-box/current")
DISKS = ("/", "/srv/open-webui")
GPU_FIELDS = ("name", "driver_version", "memory.used", "memory.total", "utilization.gpu")


def output_of(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def box_status() -> Any:
    text = output_of("/usr/local/bin/open-webui-box", "status", "--json")
    return json.loads(text) if text else None


def versions() -> Any:
    """Of the release's box.json; not all of it, since Modelfiles may be longer than what Cloud Assistant keeps."""
    file = CURRENT / "box.json"
    if not file.exists():
        return None
    spec = json.loads(file.read_text(encoding="utf-8"))
    return {
        "Open WebUI": spec["open_webui"]["image"]["tag"],
        "Ollama": spec["ollama"]["archive"]["version"],
        "Caddy": spec["caddy"]["version"],
        "models": ", ".join(model["name"] for model in spec["ollama"]["models"]),
    }


def disks() -> list[dict[str, Any]]:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    mounted = {line.split()[1] for line in mounts}
    return [
        {"mount": path, "bytes": usage.total, "freeBytes": usage.free}
        for path in DISKS
        if path in mounted
        for usage in [shutil.disk_usage(path)]
    ]


def gpus() -> list[dict[str, Any]]:
    text = output_of("nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits") or ""
    rows = [[field.strip() for field in line.split(",")] for line in text.splitlines() if line.strip()]
    return [
        {"name": name, "driver": driver, "usedMib": int(used), "totalMib": int(total), "percent": int(percent)}
        for name, driver, used, total, percent in rows
    ]


def models() -> list[dict[str, Any]] | None:
    sys.path.insert(0, str(CURRENT))
    sys.dont_write_bytecode = True  # a release is content-addressed: leave it as it is
    try:
        address = importlib.import_module("owbox.base").OLLAMA
        found, loaded = (ask(f"{address}/api/{path}") for path in ("tags", "ps"))
    except (ImportError, OSError, ValueError):
        return None
    in_memory = {entry["name"]: entry.get("size_vram", 0) for entry in loaded["models"]}
    return [
        {"name": entry["name"], "bytes": entry["size"], "gpuBytes": in_memory.get(entry["name"])}
        for entry in found["models"]
    ]


def ask(url: str) -> Any:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=10) as answer:
        return json.load(answer)


def main() -> None:
    release = CURRENT.resolve().name if CURRENT.exists() else None
    report = {
        "release": release,
        "status": box_status(),
        "versions": versions(),
        "disks": disks(),
        "gpus": gpus(),
        "models": models(),
    }
    print(json.dumps(report, separators=(",", ":")))


if __name__ == "__main__":
    main()
