"""Group 2. The outside world: every download, failing in every way; the certificate authority; no way out at all.

The downloads are tried on the running box: what a step made is taken away, the step runs again as systemd runs it,
and people must not notice.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.box import MODEL, Box
from rehearsal.scenario import Figures, Group, Stage, expect, scenario
from rehearsal.service import eventually
from sandbox.services.faults import Fault, Kind
from sandbox.services.origins import GHCR_BLOBS, GITHUB_ASSETS, OLLAMA_BLOBS

PROGRAM = "rm -rf /opt/open-webui-box/programs/{0}-* /var/lib/open-webui-box/downloads/{0}-*"
WITHOUT_IMAGE = (
    "systemctl stop owbox-open-webui; docker rm -f open-webui >/dev/null 2>&1;"
    'docker image rm -f $(docker image ls -q) >/dev/null; test -z "$(docker image ls -q)"'
)
WITHOUT_MODEL = (
    "O=$(echo /opt/open-webui-box/programs/ollama-*/bin/ollama); export HOME=/root OLLAMA_HOST=198.18.11.1:11434;"
    f"$O rm house-style {MODEL} >/dev/null 2>&1; test -z \"$($O list | grep -E '^(house-style|tiny):')\""
)
ACME = "acme-v02.api.letsencrypt.org"
LASTING_S = 420  # six attempts with growing pauses take a minute, those of Docker itself more


@dataclass(frozen=True)
class Download:
    """A download: how its result is taken away, which step fetches it again, and from where."""

    what: str
    host: str
    path: str
    forget: str
    step: str
    after: str = ""  # what brings the service back afterwards


DOWNLOADS = (
    Download("Ollama", GITHUB_ASSETS, "*ollama*", PROGRAM.format("ollama"), "install-ollama"),
    Download("Caddy", GITHUB_ASSETS, "*caddy*", PROGRAM.format("caddy"), "install-caddy"),
    Download("the image", GHCR_BLOBS, "*", WITHOUT_IMAGE, "image", "systemctl start owbox-open-webui"),
    Download("a model", OLLAMA_BLOBS, "*", WITHOUT_MODEL, "models"),
)


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with it. `said`: what the journal must hold where it lasts; empty where the step must succeed."""

    how: str
    fault: Callable[[Download], Fault]
    said: tuple[str, ...]
    broken_by: str


def _fault(kind: Kind, **values: int) -> Callable[[Download], Fault]:
    return lambda download: Fault.model_validate({"host": download.host, "path": download.path, "kind": kind, **values})


PASSING = (
    Trouble("answering 500 twice is fetched at the third attempt", _fault(Kind.STATUS, status=500, times=2), (),
            "Broken by: retry() around the download taken away."),
    Trouble("cut in the middle of its body is resumed", _fault(Kind.CUT, after_bytes=3000, times=1), (),
            "Broken by: a part that is taken for the whole (download.resume, models.pull_once without `success`)."),
    Trouble("that hangs is given up and asked for again", _fault(Kind.HANG, times=1), (),
            "Broken by: a request without a time-out, or one of an hour."),
)  # fmt: skip
LASTING = (
    Trouble("answering 404 for ever fails with the reason", _fault(Kind.STATUS, status=404), ("404",),
            "Broken by: an error that loses the status, or a step that ends well without its result."),
    Trouble("with other content for ever fails with the reason", _fault(Kind.CORRUPT), (),
            "Broken by: the check of the SHA-256 (of the digest) taken away."),
    Trouble("cut for ever fails with the reason", _fault(Kind.CUT, after_bytes=0), (),
            "Broken by: resuming without an end, where a connection brings nothing."),
)  # fmt: skip
QUICK = {
    ("Ollama", PASSING[1].how),
    ("Ollama", LASTING[1].how),
    ("Caddy", PASSING[0].how),
    ("a model", PASSING[1].how),
}


def passing(download: Download, trouble: Trouble) -> None:
    """Register: trouble that passes, with one download."""

    @scenario(
        f"{download.what} {trouble.how}",
        Group.OUTSIDE,
        quick=(download.what, trouble.how) in QUICK,
        broken_by=trouble.broken_by,
    )
    def play(box: Box) -> None:
        box.run(download.forget)
        box.fail(trouble.fault(download))
        box.mark()
        code, journal = box.step(download.step, timeout_s=LASTING_S)
        expect(code == 0, journal)
        faults = [entry for entry in box.requests(download.host) if entry["fault"]]
        expect(faults, "no request met the fault: the scenario shows nothing")
        box.fail()
        box.run(download.after or "true")
        box.answers()


def lasting(download: Download, trouble: Trouble) -> None:
    """Register: trouble that lasts, with one download. The service must come back when it is over."""

    @scenario(
        f"{download.what} {trouble.how}",
        Group.OUTSIDE,
        quick=(download.what, trouble.how) in QUICK,
        broken_by=trouble.broken_by,
    )
    def play(box: Box) -> Figures:
        box.run(download.forget)
        box.fail(trouble.fault(download))
        code, journal = box.step(download.step, timeout_s=LASTING_S)
        expect(code != 0, f"{download.step} ended well:\n{journal}")
        told = box.run(f"cat /run/open-webui-box/steps/{download.step}.json")
        expect('"error"' in told, told)
        expect(all(word in told for word in trouble.said), f"expected {trouble.said} in {told}")
        box.fail()
        code, journal = box.step(download.step)
        expect(code == 0, f"it does not recover: {journal}")
        box.run(download.after or "true")
        box.answers()
        return {"said": told[told.index('"error"') : 300 + told.index('"error"')]}


for _download in DOWNLOADS:
    for _trouble in PASSING:
        passing(_download, _trouble)
    for _trouble in LASTING:
        lasting(_download, _trouble)


@scenario(
    "a package mirror answering 500 for a while delays the first boot and no more", Group.OUTSIDE, Stage.FIRST_BOOT
)
def mirror_500(box: Box) -> None:
    """Broken by: retry() around apt taken away (packages.packages)."""
    box.fail(Fault(host="deb.debian.org", kind=Kind.STATUS, status=500, times=6))
    box.start()
    box.wait_until_ready(240)
    expect([entry for entry in box.requests("deb.debian.org") if entry["fault"]], "no request met the fault")


@scenario("a package mirror gone for good is told by the gate, with apt's own words", Group.OUTSIDE, Stage.FIRST_BOOT)
def mirror_gone(box: Box) -> Figures:
    """Broken by: units.settled that waits for a failed unit until the time is over."""
    box.fail(Fault(host="deb.debian.org", kind=Kind.STATUS, status=404))
    box.start()
    said = box.wait_for_refusal("apt", seconds=400)
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
    expect([entry for entry in box.requests("registry.ollama.ai") if entry["fault"]], "no request met the fault")
    expect("trying again" in journal, f"the failure is not told: {journal}")
    box.answers()


@scenario("a model that no registry has is told at once, by name", Group.OUTSIDE, quick=True)
def model_unknown(box: Box) -> None:
    """Broken by: models.HOPELESS emptied: a minute of attempts for a name that is misspelt."""
    box.run(WITHOUT_MODEL)
    box.fail(Fault(host="registry.ollama.ai", path="*/manifests/*", kind=Kind.STATUS, status=404))
    code, journal = box.step("models", timeout_s=20)
    expect(code not in (0, 124), journal)
    expect("tiny" in journal and "file does not exist" in journal, journal)
    box.fail()
    expect(box.step("models")[0] == 0, "it does not recover")


@scenario("chat and documents work with no way out of the machine", Group.OUTSIDE, quick=True)
def no_way_out(box: Box) -> Figures:
    """Broken by: OFFLINE_MODE, OLLAMA_NO_CLOUD or RAG_EMBEDDING_ENGINE=ollama taken from services.py."""
    from rehearsal.scenarios.keepsake import Keepsake  # noqa: PLC0415

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
    everything = (*sites, "*.debian.org", ACME)
    box.fail(*(Fault(host=host, kind=Kind.STATUS, status=503) for host in everything))
    box.reboot()
    box.wait_until_ready()
    return {"seconds to an answered chat": box.answers(60)}


# The hour, shrunk: the fallback's life, how often Caddy looks. The rest is the box's own configuration.
SHRUNK = """
python3 - <<'END'
import json, pathlib
path = pathlib.Path('/run/open-webui-box/caddy.json')
config = json.loads(path.read_text())
automation = config['apps']['tls']['automation']
fallback = automation['policies'][0]['issuers'][-1]
assert fallback == {'module': 'internal', 'lifetime': '1h'}, fallback
fallback['lifetime'] = '40s'
automation |= {'renew_interval': '2s', 'storage_clean_interval': '24h'}
config['apps']['pki']['certificate_authorities']['local']['intermediate_lifetime'] = '168h'
path.write_text(json.dumps(config))
END
"""


@scenario(
    "without a certificate authority the page comes up with Caddy's own, and gets the real one within its hour",
    Group.OUTSIDE,
    spoils=True,
)
def acme_down(box: Box) -> Figures:
    """Broken by: lifetime "1h" taken from the fallback issuer (services.caddy_configuration): it is kept for 8 hours.

    The hour is shrunk to 40 seconds, after looking that it is an hour.
    """
    box.run(SHRUNK)
    box.run("systemctl stop owbox-caddy; rm -rf /srv/open-webui/caddy/certificates /srv/open-webui/caddy/acme")
    box.fail(Fault(host=ACME, kind=Kind.STATUS, status=503))
    box.run("systemctl start owbox-caddy")
    client = f"echo | openssl s_client -connect 127.0.0.1:443 -servername {box.host} 2>/dev/null"
    issuer = f"{client} | openssl x509 -noout -issuer"
    own = eventually("a certificate of Caddy's own", 60, lambda: _issuer(box, issuer, "Caddy Local Authority"))
    box.fail()
    real = eventually("a certificate of the authority", 120, lambda: _issuer(box, issuer, "Pebble"))
    box.answers()
    return {"meanwhile": own, "then": real}


def _issuer(box: Box, command: str, wanted: str) -> str | None:
    found = box.attempt(command)[1].strip()
    return found if wanted in found else None


@scenario(
    "a first boot without a certificate authority is ready, and says which certificate it serves",
    Group.OUTSIDE,
    Stage.FIRST_BOOT,
)
def first_boot_without_acme(box: Box) -> Figures:
    """Broken by: ready.trusted that fails, or says nothing, where only the fallback is served."""
    box.fail(Fault(host=ACME, kind=Kind.STATUS, status=503))
    box.start()
    said = box.wait_until_ready(240)
    expect(said["certificate"]["public"] is False, f"{said['certificate']}")
    expect("warning" in said["certificate"], f"{said['certificate']}")
    return {"certificate": said["certificate"]["warning"]}
