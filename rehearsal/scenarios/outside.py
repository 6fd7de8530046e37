"""Group 2. The outside world beside the downloads: mirrors, registries, the certificate authority, no way out."""

import re

from rehearsal.box import Box
from rehearsal.changes import Edit, change_first_boot
from rehearsal.scenario import Figures, Group, Stage, expect, scenario
from rehearsal.scenarios.downloads import MIRRORS, WITHOUT_MODEL
from rehearsal.scenarios.keepsake import Keepsake
from rehearsal.service import eventually
from sandbox.services.faults import Fault, Kind

ACME = "acme-v02.api.letsencrypt.org"


@scenario(
    "a package mirror answering 500 for a while delays the first boot and no more", Group.OUTSIDE, Stage.FIRST_BOOT
)
def mirror_500(box: Box) -> None:
    """Broken by: retry() around apt taken away (packages.packages)."""
    box.fail(Fault(host=MIRRORS, kind=Kind.STATUS, status=500, times=6))
    box.start()
    box.wait_until_ready(240)
    expect(len(box.met()) == 6, f"{len(box.met())} of 6 answers were 500")


@scenario("a package mirror gone for good is told by the gate, with apt's own words", Group.OUTSIDE, Stage.FIRST_BOOT)
def mirror_gone(box: Box) -> Figures:
    """Broken by: a program whose last words are lost (base.run)."""
    box.fail(Fault(host=MIRRORS, kind=Kind.STATUS, status=404))
    box.start()
    said = box.wait_for_refusal("apt-get", "does not have a Release file", seconds=400)
    expect(said["unit"] == "owbox-packages", f"{said}")
    return {"reason": said["reason"], "seconds": said["seconds"]}


@scenario("a model registry that fails inside a 200 stream is told, and tried again", Group.OUTSIDE, quick=True)
def failure_inside_200(box: Box) -> None:
    """Broken by: models.pull_once that takes the end of the stream for success, or does not read `error` lines."""
    box.run(WITHOUT_MODEL)
    box.fail(Fault(host="registry.ollama.ai", path="*/manifests/*", kind=Kind.STATUS, status=503, times=2))
    box.mark()
    code, journal = box.step("models")
    expect(code == 0, journal)
    expect(box.met("registry.ollama.ai"), "no request met the fault: the scenario shows nothing")
    expect("trying again" in journal, f"the failure is not told: {journal}")
    box.answers()


@scenario("a model that no registry has is told at once, by name", Group.OUTSIDE, quick=True)
def model_unknown(box: Box) -> None:
    """Broken by: models.HOPELESS emptied: a minute of attempts for a name that is misspelt."""
    box.run(WITHOUT_MODEL)
    box.fail(Fault(host="registry.ollama.ai", path="*/manifests/*", kind=Kind.STATUS, status=404))
    code, journal = box.step("models", timeout_s=20)
    expect(code not in (0, 124), f"exit {code}: {journal}")
    expect("tiny" in journal and "file does not exist" in journal, journal)
    box.fail()
    expect(box.step("models")[0] == 0, "it does not recover")


@scenario("chat and documents work with no way out of the machine", Group.OUTSIDE, quick=True)
def no_way_out(box: Box) -> Figures:
    """Broken by: OFFLINE_MODE, OLLAMA_NO_CLOUD or RAG_EMBEDDING_ENGINE=ollama taken from services.py."""
    box.region.set_outbound(box.instance_id, allowed=False)
    try:
        seconds = box.answers(30)
        Keepsake.leave(box)
    finally:
        box.region.set_outbound(box.instance_id, allowed=True)
    return {"seconds to an answered chat": seconds}


@scenario("a reboot while every download site is down ends with an answered chat", Group.OUTSIDE, spoils=True)
def reboot_while_all_is_down(box: Box) -> Figures:
    """Broken by: a step that fetches what is there already (apt update at each boot, a pull without asking).

    The cloud's own endpoint is not among them: it is inside the VPC, and a boot needs it for the secrets.
    """
    sites = ("ghcr.io", "github.com", "*.githubusercontent.com", "registry.ollama.ai", "*.cloudflarestorage.com")
    everything = (*sites, MIRRORS, ACME)
    box.fail(*(Fault(host=host, kind=Kind.STATUS, status=503) for host in everything))
    box.reboot()
    box.wait_until_ready()
    return {"seconds to an answered chat": box.answers(60)}


# The hour and what else takes long, in seconds; all else is the box's own.
SHORT_HOUR = (
    Edit("provisioning/box/owbox/services.py", '"lifetime": "1h"', '"lifetime": "40s"'),
    Edit(
        "provisioning/box/owbox/services.py",
        '"tls": {"automation": {',
        '"tls": {"automation": {"renew_interval": "2s", "storage_clean_interval": "24h", ',
    ),
    Edit(
        "provisioning/box/owbox/services.py",
        '"local": {"install_trust": False}',
        '"local": {"install_trust": False, "intermediate_lifetime": "168h"}',
    ),
    Edit("provisioning/box/owbox/ready.py", "PUBLIC_S = 90", "PUBLIC_S = 10"),
)


@scenario(
    "a first boot without a certificate authority is ready and says so, and gets the real certificate within its hour",
    Group.OUTSIDE,
    Stage.FIRST_BOOT,
)
def acme_down(box: Box) -> Figures:
    """Broken by: the fallback before the authority (services.issuers), or without its hour: it is kept for 8 hours.

    One run, with no hand laid on the box. Its hour is shrunk to 40 seconds.
    """
    change_first_boot(box, *SHORT_HOUR)
    box.fail(Fault(host=ACME, kind=Kind.STATUS, status=503))
    box.start()
    said = box.wait_until_ready(240)
    expect(said["certificate"]["public"] is False, f"{said['certificate']}")
    expect("warning" in said["certificate"], f"{said['certificate']}")
    own = served(box)
    expect("Caddy Local Authority" in own, f"meanwhile it serves a certificate of {own}")
    expect(reported(box) == "0", "the alarm is told of a certificate of the authority's")
    box.fail()
    real = eventually("a certificate of the authority", 120, lambda: _from(served(box), "Pebble"))
    box.answers()
    expect(reported(box) == "1", "the alarm is not told of the authority's certificate")
    expect(box.met(ACME), "nobody asked the authority while it was down: the scenario shows nothing")
    return {"certificate": said["certificate"]["warning"], "meanwhile": own, "then": real}


# The authority says when to renew (ARI); Caddy keeps that beside the certificate.
RENEWAL_DUE = (
    "kept=$(find /srv/open-webui/caddy/certificates/acme* -name '*.json'); test -n \"$kept\";"
    "sed -i -E 's/\"20[0-9]{2}-[0-9]{2}-[0-9]{2}T/\"2020-01-01T/' $kept; systemctl restart owbox-caddy"
)
# Of the run that has just begun, by its identity: Caddy speaks at once, and a rounded time may lie after its word.
SAID = (
    "journalctl _SYSTEMD_INVOCATION_ID=$(systemctl show -P InvocationID owbox-caddy) --no-pager -o cat"
    " | grep -oE 'will retry|renewed successfully'"
)


@scenario(
    "a renewal that fails leaves the certificate in place that is valid yet", Group.OUTSIDE, quick=True, spoils=True
)
def renewal_fails(box: Box) -> Figures:
    """Broken by: a fallback that is in force beside a certificate of the authority's (services.caddy_now)."""
    before = served(box)
    expect("Pebble" in before, f"the certificate is of {before} to begin with")
    box.fail(Fault(host=ACME, kind=Kind.STATUS, status=503))
    box.run(RENEWAL_DUE)
    told = eventually("Caddy's word on the renewal", 60, lambda: box.attempt(SAID)[1].strip() or None)
    expect(box.met(ACME), "nobody asked the authority: the scenario shows nothing")
    expect(served(box) == before, f"people get a certificate of {served(box)}; Caddy says: {told}")
    box.answers()
    return {"the renewal": told.splitlines()[0], "people get": before}


def reported(box: Box) -> str:
    """What the box says of the authority's certificate, each minute: to Prometheus, and to CloudMonitor's alarm."""
    [value] = re.findall(r"^open_webui_certificate\{\} (\d)", box.metrics(), re.MULTILINE)
    return str(value)


def served(box: Box) -> str:
    """The issuer of the certificate that people get."""
    client = f"echo | openssl s_client -connect 127.0.0.1:443 -servername {box.host} 2>/dev/null"
    return box.attempt(f"{client} | openssl x509 -noout -issuer")[1].strip()


def _from(issuer: str, wanted: str) -> str | None:
    return issuer if wanted in issuer else None
