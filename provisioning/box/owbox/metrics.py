"""What a Prometheus on this machine may read: http://127.0.0.1:9101/metrics, written anew each minute."""

import json
import socket
import time
from contextlib import suppress
from typing import Any

from owbox import release
from owbox.base import OLLAMA, TRANSIENT, Box, fetch_json, run, write
from owbox.packages import which

ESTABLISHED = "01"  # in /proc/net/tcp
GPU = {"memory.used": 1 << 20, "memory.total": 1 << 20, "utilization.gpu": 1, "temperature.gpu": 1}  # to bytes, %, °C


def line(name: str, value: float, **labels: str) -> str:
    told = ",".join(f"{key}={json.dumps(label)}" for key, label in labels.items())
    return f"open_webui_{name}{{{told}}} {value}"


def gate(found: Any) -> list[str]:
    """What the last gate measured."""
    lines = [line("step_seconds", step["seconds"], step=name) for name, step in found.get("steps", {}).items()]
    if found.get("ok"):
        lines.append(line("tokens_per_second", found["tokensPerSecond"], model=found["model"]))
    return lines


def gpus(box: Box) -> list[str]:
    if not box.spec["gpu"] or not which("nvidia-smi"):
        return []
    query = f"--query-gpu={','.join(GPU)}"
    rows = run("nvidia-smi", query, "--format=csv,noheader,nounits", timeout=60).splitlines()
    return [
        line(f"gpu_{key.replace('.', '_')}", float(text) * unit, gpu=str(number))
        for number, row in enumerate(rows)
        for (key, unit), text in zip(GPU.items(), row.split(","), strict=True)
        if text.strip().isdigit()  # [N/A] where the GPU does not tell
    ]


def loaded(_: Box) -> list[str]:
    return [
        line("model_bytes", entry["size"], model=entry["name"]) for entry in fetch_json(f"{OLLAMA}/api/ps")["models"]
    ]


def asked(box: Box) -> list[str]:
    """Requests that Ollama has open: of each model `parallel` are answered at a time, the rest is its queue."""
    host, port = OLLAMA.removeprefix("http://").split(":")
    here = f"{socket.inet_aton(host)[::-1].hex().upper()}:{int(port):04X}"
    rows = [row.split() for row in (box.root / "proc/net/tcp").read_text().splitlines()[1:]]
    return [line("ollama_connections", sum(row[1] == here and row[3] == ESTABLISHED for row in rows))]


def export(box: Box, values: dict[str, int]) -> None:
    """Beside `values`; what cannot be measured now is left out."""
    lines = [line(name, value) for name, value in values.items()]
    lines.append(line("checked_timestamp_seconds", round(time.time())))
    lines += gate(release.report(box))
    for measure in (gpus, loaded, asked):
        with suppress(*TRANSIENT):
            lines += measure(box)
    write(box.run / "metrics/metrics", "\n".join(lines) + "\n")
