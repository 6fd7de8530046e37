"""Runs on the box, sent by `ops status` through Cloud Assistant: one line of JSON about the machine.

Standard library only, Python 3.10 and later. What cannot be read is null: a half-dead box must still report.
"""

import importlib
import json
import shutil
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

CURRENT = Path("/opt/open-webui-box/current")
ADDRESS = Path("/run/open-webui-box/address")  # the name or address that people use
AUTHORITY = Path("/srv/open-webui/caddy/pki/authorities/local/root.crt")  # Caddy's own
SERVED = ("127.0.0.1", 443)
DISKS = ("/", "/srv/open-webui")
GPU_FIELDS = ("name", "driver_version", "memory.used", "memory.total", "utilization.gpu")
NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME: one that has ended is read, too
FALLBACK = "Caddy serves its own certificate, which no browser trusts"


def or_none(read: Callable[[], Any]) -> Any:
    """What a section finds out; whatever is wrong with one leaves the others."""
    try:
        return read()
    except Exception:  # noqa: BLE001 - every section stands alone
        return None


def output_of(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def number(text: str) -> int | None:
    """nvidia-smi writes [N/A] and [Not Supported] for what a device does not tell."""
    try:
        return int(text)
    except ValueError:
        return None


def spec() -> Any:
    """What this release wants, of its box.json."""
    return json.loads((CURRENT / "box.json").read_text(encoding="utf-8"))


def box_status() -> Any:
    text = output_of("/usr/local/bin/open-webui-box", "status", "--json")
    found = json.loads(text) if text else None
    if found:
        found["ready"].pop("log", None)  # long, and Cloud Assistant keeps 24 KB
    return found


def ollama() -> str:
    """Its address, as this release has it."""
    sys.path.insert(0, str(CURRENT))
    sys.dont_write_bytecode = True  # a release is content-addressed: leave it as it is
    return str(importlib.import_module("owbox.base").OLLAMA)


def ask(url: str) -> Any:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(url, timeout=10) as answer:
        return json.load(answer)


def image() -> Any:
    """The image that the container runs from; its tag is known where it is the one of this release."""
    text = output_of("docker", "inspect", "--format={{.State.Running}} {{.Config.Image}}", "open-webui")
    running, _, reference = (text or "").strip().partition(" ")
    if running != "true":
        return None
    digest, wanted = reference.rpartition("@")[2], or_none(lambda: spec()["open_webui"]["image"])
    return {"digest": digest, "tag": wanted["tag"] if wanted and wanted["digest"] == digest else None}


def caddy_version() -> Any:
    """Of the very program that runs: the one on the disk may be newer."""
    process = (output_of("systemctl", "show", "-P", "MainPID", "owbox-caddy") or "0").strip()
    text = output_of(f"/proc/{process}/exe", "version") if process != "0" else None
    return text.split()[0].removeprefix("v") if text else None


def certificate() -> Any:
    """The one that is served now, verified as people's browsers do, then against Caddy's own authority."""
    host, mode = ADDRESS.read_text(encoding="utf-8").strip(), or_none(lambda: spec()["tls"]["mode"])
    found = or_none(lambda: served(host, ssl.create_default_context()))
    if found:
        return {**found, "public": True}
    found = served(host, ssl.create_default_context(cafile=AUTHORITY))
    return {**found, "public": False, **({} if mode == "internal" else {"warning": FALLBACK})}


def served(host: str, trust: ssl.SSLContext) -> dict[str, Any]:
    trust.verify_flags |= NO_CHECK_TIME
    with socket.create_connection(SERVED, timeout=10) as plain, trust.wrap_socket(plain, server_hostname=host) as sock:
        found: Any = sock.getpeercert()
    names = dict(pair for part in found["issuer"] for pair in part)
    return {"issuer": names.get("organizationName") or names.get("commonName"), "notAfter": found["notAfter"]}


def disks() -> list[dict[str, Any]]:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    mounted = {line.split()[1] for line in mounts}
    return [
        {"mount": path, "bytes": usage.total, "freeBytes": usage.free}
        for path in DISKS
        if path in mounted
        for usage in [shutil.disk_usage(path)]
    ]


def gpus() -> list[dict[str, Any]] | None:
    """None where the driver does not answer, empty without its program."""
    if shutil.which("nvidia-smi") is None:
        return []
    text = output_of("nvidia-smi", f"--query-gpu={','.join(GPU_FIELDS)}", "--format=csv,noheader,nounits")
    if text is None:
        return None
    rows = [[field.strip() for field in line.split(",")] for line in text.splitlines() if line.strip()]
    return [
        {
            "name": name,
            "driver": driver,
            "usedMib": number(used),
            "totalMib": number(total),
            "percent": number(percent),
        }
        for name, driver, used, total, percent in rows
    ]


def models() -> list[dict[str, Any]]:
    found, loaded = (ask(f"{ollama()}/api/{path}") for path in ("tags", "ps"))
    in_memory = {entry["name"]: entry.get("size_vram", 0) for entry in loaded["models"]}
    return [
        {"name": entry["name"], "bytes": entry.get("size"), "gpuBytes": in_memory.get(entry["name"])}
        for entry in found["models"]
    ]


SECTIONS: dict[str, Callable[[], Any]] = {
    "release": lambda: CURRENT.resolve(strict=True).name,
    "status": box_status,
    "image": image,
    "ollamaVersion": lambda: ask(f"{ollama()}/api/version")["version"],
    "caddyVersion": caddy_version,
    "certificate": certificate,
    "disks": disks,
    "gpus": gpus,
    "models": models,
}


def main() -> None:
    print(json.dumps({name: or_none(read) for name, read in SECTIONS.items()}, separators=(",", ":")))


if __name__ == "__main__":
    main()
