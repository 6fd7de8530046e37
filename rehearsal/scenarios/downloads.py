"""Group 2. Every download, failing in every way.

They are tried on the running box: what a step made is taken away, the step runs again as systemd runs it, and people
must not notice.
"""

from collections.abc import Callable
from dataclasses import dataclass

from rehearsal.box import MODEL, Box
from rehearsal.changes import Edit, changed_meanwhile
from rehearsal.scenario import Figures, Group, Play, expect, scenario
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
WITHOUT_PACKAGE = "dpkg --purge --force-depends zstd >/dev/null; rm -f /var/cache/apt/archives/zstd_* && ! which zstd"
MIRRORS = "*.debian.org"
UNMET = "no request met the fault: the scenario shows nothing"
LIMIT_S = 420  # a step that is not over by then hangs
# Six attempts take a minute or more, and each of Docker's own; what is asked here is how they end.
FEWER = Edit(
    "provisioning/box/owbox/base.py", "tries: int = 6, pause: float = 2,", "tries: int = 2, pause: float = 0.2,"
)


@dataclass(frozen=True)
class Download:
    """A download: how its result is taken away, which step fetches it again, and from where.

    `middle`: bytes, in the middle of it; smaller files from there are something else. `first`: host and path that are
    asked before, which whoever fetches it does not ask twice by itself. `said`: how the three troubles
    that last are told. `resumed`: whether what has arrived before a cut is not asked for again; apt decides by itself.
    """

    what: str
    host: str
    path: str
    middle: int
    forget: str
    step: str
    said: tuple[str, str, str]
    after: str = "true"  # what brings the service back afterwards
    resumed: bool = True
    first: tuple[str, str] | None = None

    @property
    def begins(self) -> tuple[str, str]:
        return self.first or (self.host, self.path)


MIB = 1 << 20
DOWNLOADS = (
    Download(
        "Ollama", GITHUB_ASSETS, "*ollama*", 5 * MIB, PROGRAM.format("ollama"), "install-ollama",
        ("HTTP 404", "SHA-256 is", "cut after"),
    ),
    Download(
        "Caddy", GITHUB_ASSETS, "*caddy*", 5 * MIB, PROGRAM.format("caddy"), "install-caddy",
        ("HTTP 404", "SHA-256 is", "cut after"),
    ),
    Download(
        "the image", GHCR_BLOBS, "*", 20 * MIB, WITHOUT_IMAGE, "image",
        ("unknown blob", "verification failed", "EOF"),
        "systemctl reset-failed owbox-open-webui; systemctl start owbox-open-webui",
        first=("ghcr.io", "*/manifests/*"),
    ),
    Download(
        "a package", MIRRORS, "*/zstd_*", 200_000, WITHOUT_PACKAGE, "packages",
        ("404", "Unable to fetch some archives", "Failed to fetch"), resumed=False,
    ),
    Download(
        "a model", OLLAMA_BLOBS, "*", 200_000, WITHOUT_MODEL, "models",
        ("max retries exceeded", "digest mismatch", "max retries exceeded"),
        first=("registry.ollama.ai", "*/manifests/*"),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Trouble:
    """What goes wrong with it, and which change of the box does not stand it."""

    how: str
    fault: Callable[[Download], Fault]
    broken_by: str


def _fault(kind: Kind, *, size: bool = False, place: bool = False, **values: int) -> Callable[[Download], Fault]:
    """`place`: in the middle of the body; `size`: only in bodies that reach so far."""

    def of(download: Download) -> Fault:
        where = {"after_bytes": download.middle} if place else {"min_bytes": download.middle} if size else {}
        host, path = download.begins if kind is Kind.STATUS and "times" in values else (download.host, download.path)
        return Fault.model_validate({"host": host, "path": path, "kind": kind, **where, **values})

    return of


PASSING = (
    Trouble("answering 500 twice is asked for again", _fault(Kind.STATUS, status=500, times=2),
            "Broken by: a step that gives up at the first error."),
    Trouble("cut in the middle of its body is fetched all the same", _fault(Kind.CUT, place=True, times=1),
            "Broken by: a download that begins anew, or a part that is taken for the whole."),
    Trouble("that hangs is given up and asked for again", _fault(Kind.HANG, times=1),
            "Broken by: a request without a time-out, or a step that gives up at the first."),
)  # fmt: skip
LASTING = (
    Trouble("answering 404 for ever fails with the reason", _fault(Kind.STATUS, status=404),
            "Broken by: an error that loses the reason, or a step that ends well without its result."),
    Trouble("with other content for ever fails with the reason", _fault(Kind.CORRUPT, size=True),
            "Broken by: content that is not compared with its digest, or a step that ends well without its result."),
    Trouble("cut for ever at the same place fails with the reason", _fault(Kind.CUT, place=True),
            "Broken by: resuming without an end where a connection brings nothing, or a step that ends well."),
)  # fmt: skip
QUICK = {
    ("Ollama", PASSING[1].how),
    ("Ollama", LASTING[1].how),
    ("Caddy", PASSING[0].how),
    ("a model", PASSING[1].how),
}


def of(download: Download, trouble: Trouble) -> Callable[[Play], Play]:
    """Register what is played under the download's name and the trouble's."""
    return scenario(
        f"{download.what} {trouble.how}",
        Group.OUTSIDE,
        quick=(download.what, trouble.how) in QUICK,
        broken_by=trouble.broken_by,
    )


def begin(box: Box, download: Download, trouble: Trouble) -> None:
    """What the step made is gone, and the trouble is there."""
    box.run(download.forget)
    box.fail(trouble.fault(download))
    box.mark()


def passing(download: Download, trouble: Trouble) -> None:
    """Register: trouble that passes, with one download."""

    @of(download, trouble)
    def play(box: Box) -> Figures:
        begin(box, download, trouble)
        code, journal = box.step(download.step, timeout_s=LIMIT_S)
        expect(code == 0, journal)
        expect(box.met(), UNMET)
        sent = [entry for entry in box.requests(download.host) if entry["bytes"] > 0]
        if download.resumed and trouble.fault(download).kind is Kind.CUT:
            expect([entry for entry in sent if entry["status"] == 206], f"nothing was resumed: {sent}")
        box.fail()
        box.run(download.after)
        box.answers()
        return {"met": len(box.met()), "requests": len(sent)}


def lasting(download: Download, trouble: Trouble, said: str) -> None:
    """Register: trouble that lasts, with one download. The service must come back when it is over."""

    @of(download, trouble)
    def play(box: Box) -> Figures:
        begin(box, download, trouble)
        with changed_meanwhile(box, FEWER):
            code, journal = box.step(download.step, timeout_s=LIMIT_S)
        expect(code != 0, f"{download.step} ended well:\n{journal}")
        expect(box.met(), UNMET)
        told = box.run(f"cat /run/open-webui-box/steps/{download.step}.json")
        expect('"error": ' in told and said in told, f"expected {said!r} in {told}")
        box.fail()
        code, journal = box.step(download.step)
        expect(code == 0, f"it does not recover: {journal}")
        box.run(download.after)
        box.answers()
        return {"said": told[told.index('"error"') : 300 + told.index('"error"')]}


for _download in DOWNLOADS:
    for _trouble in PASSING:
        passing(_download, _trouble)
    for _trouble, _said in zip(LASTING, _download.said, strict=True):
        lasting(_download, _trouble, _said)
