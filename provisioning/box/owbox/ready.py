"""Ready: every unit has done its part, and people can sign in and chat over the address that they use."""

import json
import ssl
import time
from collections.abc import Iterator
from http.client import HTTPSConnection
from pathlib import Path
from socket import create_connection
from typing import Any

from owbox.base import OLLAMA, Box, StepError, TransientError, fetch_json, full, run, say, told, wait_for, write
from owbox.packages import driver
from owbox.units import UnitError, pending, settled, timeline

PUBLIC_S = 90  # how long the certificate authority may take before the fallback counts


class Loopback(HTTPSConnection):
    """HTTPS to this machine under its public name: the certificate is verified as people's browsers do."""

    def __init__(self, host: str, trust: ssl.SSLContext) -> None:
        super().__init__(host, timeout=120, context=trust)
        self.trust = trust

    def connect(self) -> None:
        plain = create_connection(("127.0.0.1", 443), timeout=120)
        self.sock: ssl.SSLSocket = self.trust.wrap_socket(plain, server_hostname=self.host)


def certificate(box: Box, trust: ssl.SSLContext) -> dict[str, str]:
    connection = Loopback(box.host, trust)
    connection.connect()
    with connection.sock as sock:
        found: Any = sock.getpeercert()
    names = dict(pair for part in found["issuer"] for pair in part)
    return {"issuer": names.get("organizationName") or names["commonName"], "notAfter": found["notAfter"]}


def authority(box: Box) -> Path:
    """The root certificate of Caddy's own authority; there once Caddy has made one."""
    return box.data / "caddy/pki/authorities/local/root.crt"


def trusted(box: Box) -> tuple[ssl.SSLContext, dict[str, Any]]:
    """The trust that the served certificate verifies against, and what it is. A fallback is said, not hidden."""

    def private() -> tuple[ssl.SSLContext, dict[str, Any]]:
        trust = ssl.create_default_context(cafile=authority(box))
        return trust, {**certificate(box, trust), "public": False}

    def public() -> tuple[ssl.SSLContext, dict[str, Any]]:
        trust = ssl.create_default_context()
        return trust, {**certificate(box, trust), "public": True}

    if box.spec["tls"]["mode"] == "internal":
        return wait_for("a certificate of Caddy's own authority", 60, private)
    try:
        return wait_for("a publicly trusted certificate", PUBLIC_S, public, every=2)
    except StepError as error:
        say(f"WARNING {error}: Caddy serves its own certificate and asks again within the hour")
        try:
            trust, found = wait_for("the fallback certificate", 30, private)
        except StepError as second:  # what is served is of neither: the first reason tells why
            raise StepError(f"{error}; {second}") from second
        return trust, {**found, "warning": str(error)}


def call(box: Box, trust: ssl.SSLContext, path: str, body: object = None, token: str = "") -> Iterator[bytes]:
    """Lines of the answer of a call through the public address's TLS stack; `TransientError` where it is not 200."""
    connection = Loopback(box.host, trust)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        connection.request("POST" if body else "GET", path, json.dumps(body) if body else None, headers)
        answer = connection.getresponse()
        if answer.status != 200:
            raise RefusalError(path, answer.status, answer.read(300).decode(errors="replace"))
        yield from answer
    finally:
        connection.close()


class RefusalError(TransientError):
    def __init__(self, path: str, status: int, body: str) -> None:
        super().__init__(f"{path}: HTTP {status}: {body}")
        self.status = status


def sign_in(box: Box, trust: ssl.SSLContext) -> str:
    """The admin's token. Six attempts at most: Open WebUI allows fifteen in three minutes."""
    password = json.loads((box.run / "secrets.json").read_text())["admin_password"]
    who = {"email": box.spec["open_webui"]["admin_email"], "password": password}
    try:
        answer = json.loads(b"".join(call(box, trust, "/api/v1/auths/signin", who)))
    except RefusalError as error:
        if error.status == 400:
            raise StepError(
                f"{who['email']} cannot sign in with the stack's adminPassword ({error}): it was changed in Open "
                f"WebUI; set the same in the stack with `pulumi config set --secret open-webui:adminPassword`"
            ) from error
        raise
    if answer.get("role") != "admin":
        raise StepError(f"{who['email']} signs in with the role {answer.get('role')}, not admin")
    return str(answer["token"])


def closed(box: Box, trust: ssl.SSLContext) -> None:
    """No stranger becomes admin, or gets an account. The probe's address is invalid: it could make none."""
    if json.loads(b"".join(call(box, trust, "/api/config"))).get("onboarding"):
        raise StepError("onboarding is open: the first visitor would become admin")
    probe = {"name": "probe", "email": "probe", "password": "probe"}
    try:
        b"".join(call(box, trust, "/api/v1/auths/signup", probe))
    except RefusalError as error:
        if error.status == 403:
            return
        raise StepError(f"anonymous sign-up is not refused: {error}") from error
    raise StepError("anonymous sign-up is not refused")


def listed(box: Box, trust: ssl.SSLContext, token: str, model: str) -> bool:
    """Whether people see the model. Asking also makes Open WebUI look again: it keeps the list of its start."""
    models = json.loads(b"".join(call(box, trust, "/api/models", token=token)))["data"]
    return any(found["id"] == model for found in models)


def chat(box: Box, trust: ssl.SSLContext, token: str, model: str) -> str:
    """A streamed answer, as people get it."""
    question = [{"role": "user", "content": "Say hello."}]
    body = {"model": model, "messages": question, "stream": True, "max_tokens": 16}
    words = ""
    for line in call(box, trust, "/api/chat/completions", body, token):
        if line.startswith(b"data: {"):
            event = json.loads(line[6:])
            if "error" in event:
                raise TransientError(f"the chat ended with {event['error']}")
            delta = event["choices"][0].get("delta", {}) if event.get("choices") else {}
            words += delta.get("content") or delta.get("reasoning_content") or ""
    if not words:
        raise TransientError("the chat was answered with nothing")
    return words


def inference(box: Box, model: str) -> dict[str, Any]:
    """Load the model, measure it, and see that it is where the stack wants it: on the GPU, all of it."""
    ask = {"model": model, "prompt": "Count to ten.", "stream": False, "options": {"num_predict": 32}}
    answer = fetch_json(f"{OLLAMA}/api/generate", ask, timeout=600)
    speed = round(answer["eval_count"] / max(answer["eval_duration"], 1) * 1e9, 1)
    loaded = {entry["name"]: entry for entry in fetch_json(f"{OLLAMA}/api/ps")["models"]}
    if not (entry := loaded.get(model)):
        raise TransientError(f"{model} is not in memory; loaded: {', '.join(loaded) or 'none'}")
    found = {"model": model, "tokensPerSecond": speed, "bytes": entry["size"], "gpuBytes": entry["size_vram"]}
    if box.spec["gpu"] is None:
        return {**found, "gpu": "none: this stack's instance type has no GPU, models run on the CPU"}
    if entry["size_vram"] < entry["size"]:
        raise StepError(f"{model}: only {entry['size_vram']} of {entry['size']} bytes are in GPU memory")
    used = run("nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader", timeout=60).strip()
    if not used:  # Ollama's own word can be wrong
        raise StepError(f"Ollama says that {model} is in GPU memory, nvidia-smi shows no process that uses the GPU")
    return {**found, "gpu": driver(), "gpuProcesses": used.splitlines()}


def check(box: Box) -> dict[str, Any]:
    model = full(box.spec["ollama"]["models"][0]["name"])
    measured = wait_for("the model", 600, lambda: inference(box, model))
    trust, cert = trusted(box)
    wait_for("Open WebUI behind the proxy", 60, lambda: b"".join(call(box, trust, "/api/config")))
    closed(box, trust)
    token = wait_for("the admin's sign-in", 30, lambda: sign_in(box, trust), every=6)
    wait_for(f"{model} in Open WebUI's list", 60, lambda: listed(box, trust, token, model), every=3)
    chat_words = wait_for("an answered chat", 120, lambda: chat(box, trust, token, model), every=5)
    say(f"{model} answered: {chat_words!r}")
    return {"certificate": cert, **measured}


def last_lines(unit: str) -> list[str]:
    """What the unit's last run said, and systemd about it."""
    run_id = run("systemctl", "show", "-P", "InvocationID", unit).strip()
    which = [f"_SYSTEMD_INVOCATION_ID={run_id}", "+", f"INVOCATION_ID={run_id}"] if run_id else ["-u", unit]
    return run("journalctl", "-n", "30", "--no-pager", "-o", "cat", *which).splitlines()


def ready(box: Box) -> None:
    """The gate. Its result is a file, whatever it is; a failure names the unit and its last lines."""
    began = time.monotonic()
    result: dict[str, Any] = {"release": box.digest, "address": f"https://{box.spec['tls']['domain'] or ''}"}
    try:
        wait_for("units", box.spec["limits"]["ready_s"], lambda: settled(box))
        result |= {"address": f"https://{box.host}", **check(box), "steps": timeline(box), "ok": True}
    except Exception as error:
        reason = told(error)
        unit = error.unit if isinstance(error, UnitError) else f"owbox-{(unsettled(box) or ['ready'])[0]}"
        result |= {"ok": False, "unit": unit, "reason": reason, "log": last_lines(unit)}
        raise StepError(reason) from error
    finally:
        result["at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        result["seconds"] = round(time.monotonic() - began, 2)
        write(box.run / "ready.json", json.dumps(result, indent=1))


def unsettled(box: Box) -> list[str]:
    """What the gate was still waiting for when it gave up."""
    try:
        return pending(box)
    except UnitError as error:
        return [error.unit.removeprefix("owbox-")]
