"""Each minute: can people use it? Told to Prometheus, and to CloudMonitor where the stack has alarms.

What gave up is started again.
"""

import json
import ssl
import time
from contextlib import suppress

from owbox import cloud, metrics, packages, ready, release, services, units
from owbox.base import OLLAMA, TRANSIENT, Box, StepError, fetch_json, full, noted, request, run, say, write

AGAIN_S = 900  # between two attempts to start what gave up
DAY_S = 86400


def serves(box: Box) -> None:
    """Raises where people cannot chat. Where no model is in memory, as after a restart of Ollama's, the default one is
    loaded; another one there is left alone: somebody uses it, and the two may not fit beside each other.
    """
    trust = ssl.create_default_context()
    if (root := ready.authority(box)).exists():
        trust.load_verify_locations(root)
    if not json.loads(b"".join(ready.call(box, trust, "/ready"))).get("status"):
        raise StepError("Open WebUI is not ready")
    if box.spec["gpu"]:
        packages.driver()
    spec = box.spec["ollama"]
    model, embedding = (full(known["name"]) for known in (spec["models"][0], spec["embedding_model"]))
    if not {entry["name"] for entry in fetch_json(f"{OLLAMA}/api/ps")["models"]} - {embedding}:
        with request(f"{OLLAMA}/api/generate", {"model": model, "stream": False}, timeout=300):
            say(f"{model} was not in memory: loaded")


def report(host: str, values: dict[str, int]) -> None:
    """One point of each custom metric (CloudMonitor, PutCustomMetric), by the instance's id."""
    every = {
        "GroupId": "0",
        "Dimensions": json.dumps({"instanceId": cloud.metadata("instance-id")}),
        "Time": str(int(time.time() * 1000)),
        "Type": "0",
    }
    query: dict[str, str] = {}
    for number, (name, value) in enumerate(values.items(), start=1):
        point = {**every, "MetricName": f"open_webui_{name}", "Values": json.dumps({"value": value})}
        query |= {f"MetricList.{number}.{key}": text for key, text in point.items()}
    cloud.call(host, "PutCustomMetric", "2019-01-01", query, cloud.role_credentials())


def start_again(box: Box) -> None:
    """A step may have given up for a reason that is over by now: the network, a mirror, the parameter store."""
    tried = box.run / "tried-again"
    given_up = [name for name, unit in units.states(*units.STEPS, *units.SERVICES, "ready").items()
                if unit["ActiveState"] == "failed"]  # fmt: skip
    if given_up and not (tried.exists() and time.time() - tried.stat().st_mtime < AGAIN_S):
        write(tried, "")
        say(f"{', '.join(given_up)} gave up: starting again")
        run("systemctl", "reset-failed", "owbox-*")
        release.start()


def fall_back(box: Box) -> None:
    """Caddy's own authority is in force as long as there is no valid certificate of the other one, and no longer."""
    if (in_force := noted(services.in_force(box))) and in_force != services.caddy_now(box):
        # A reload keeps a certificate that is over; a restart forgets it.
        verb = "reload" if services.certified(box) else "restart"
        say(f"{verb}ing Caddy: the authority's certificate is {'there' if verb == 'reload' else 'over'}")
        run("systemctl", verb, *units.service("caddy"))


def watch(box: Box) -> None:
    reason = ""
    try:
        serves(box)
    except (StepError, *TRANSIENT) as error:
        reason = str(error)
        say(f"not serving: {reason}")
    values = {"ready": int(not reason)}
    if box.spec["tls"]["mode"] != "internal":
        with suppress(*TRANSIENT):
            values["certificate"] = int(services.certified(box, DAY_S))
    metrics.export(box, values)
    if host := box.spec["metrics_endpoint"]:
        try:
            report(host, values)
        except (StepError, *TRANSIENT) as error:
            say(f"CloudMonitor was not told: {error}")
    if not release.under_way(box):
        try:
            fall_back(box)
        except (StepError, *TRANSIENT) as error:
            say(f"Caddy was not told: {error}")
        start_again(box)
