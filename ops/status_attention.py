"""What `ops status` finds that somebody should do something about: one line each, with the command that goes on."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

Document = Mapping[str, Any]
CERTIFICATE_WARNING_DAYS = 2  # short-lived certificates are renewed at half of their six days
DISK_WARNING = 0.9
SERVICES: Final[Mapping[str, str]] = {"ollama": "Ollama", "open-webui": "Open WebUI", "caddy": "Caddy"}


def attention(document: Document) -> list[str]:
    """Of the document of ops/schemas/status.json; empty: all is well."""
    machine, stack = document["instance"], document["stack"]
    if machine is None:
        return [f"there is no instance: pulumi up --stack {stack}"]
    found: list[str] = [f"the cloud has locked the instance: {lock}" for lock in machine["locks"]]
    if machine["status"] != "Running":
        found.append(f"the instance is {machine['status']}: python -m ops start --stack {stack}")
    if document["boxError"]:
        found.append(f"the box does not report: {document['boxError'].splitlines()[0]}")
    if box := document["box"]:
        found += [*_gate(box, stack), *_units(document), *_gpus(box, stack), *_certificate(box, stack)]
        found += [*_disks(box), *_drift(document)]
    return found


def _gate(box: Document, stack: str) -> Iterator[str]:
    if not box["ready"]:
        why = box["reason"] or "its steps have not all ended"
        yield f"the service is not ready: {why}: python -m ops logs --stack {stack}"


def _units(document: Document) -> Iterator[str]:
    """The gate has seen them work once; whether they do now is another question."""
    stack, running = document["stack"], {row["name"]: row["running"] for row in document["versions"]}
    states = {step["name"]: step["state"] for step in document["box"]["steps"]}
    for unit, state in states.items():
        if state == "failed" or (unit in SERVICES and state != "active"):
            yield f"{unit} is {state}: python -m ops logs --stack {stack} --unit {unit}"
    for unit, name in SERVICES.items():
        if states.get(unit, "active") == "active" and running[name] is None:
            yield f"{name} does not answer: python -m ops logs --stack {stack} --unit {unit}"
    if document["box"]["models"] is None and running["Ollama"] is not None:
        yield f"Ollama does not list its models: python -m ops logs --stack {stack} --unit ollama"


def _gpus(box: Document, stack: str) -> Iterator[str]:
    wanted, seen = box["gpusWanted"], len(box["gpus"] or ())
    if seen < wanted:
        runbook = f"docs/runbooks/gpu-lost.md, python -m ops exec --stack {stack} -- nvidia-smi"
        yield f"{seen} of {wanted} GPU{'s' * (wanted != 1)} can be seen, models run on the CPU if at all: {runbook}"


def _certificate(box: Document, stack: str) -> Iterator[str]:
    found, logs = box["certificate"], f"python -m ops logs --stack {stack} --unit caddy"
    if found is None:
        return
    if not found["served"]:
        yield f"no certificate is served at port 443 that can be checked: {logs}"
    if found["daysLeft"] < 0:
        yield f"the certificate has ended, browsers refuse it: {logs}"
    elif found["daysLeft"] < CERTIFICATE_WARNING_DAYS:
        yield f"the certificate ends in {found['daysLeft']} days: {logs}"
    if found["warning"]:
        yield f"certificate: {found['warning']}: docs/runbooks/certificate.md"


def _disks(box: Document) -> Iterator[str]:
    for disk in box["disks"] or ():
        if disk["freeBytes"] < (1 - DISK_WARNING) * disk["bytes"]:
            used = 1 - disk["freeBytes"] / disk["bytes"]
            yield f"{disk['mount']} is {used:.0%} full: raise the disk's sizeGib, docs/runbooks/grow-the-disk.md"


def _drift(document: Document) -> Iterator[str]:
    up = f"pulumi up --stack {document['stack']}"
    if document["release"]["running"] != document["release"]["wanted"]:
        yield f"the box runs another release than the stack file says: {up}"
        return
    for row in document["versions"]:
        if row["running"] not in (None, row["wanted"]):
            yield f"{row['name']}: {row['running']} is there, the stack file says {row['wanted']}: {up}"
