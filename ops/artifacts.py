"""Every address that the box will download from, and whether it answers from here."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from threading import Thread
from typing import Final

from ops import registry
from ops.cloud.client import load
from ops.cloud.errors import OpsError, innermost, option
from ops.findings import Finding, Level
from provisioning.spec import Artifact, BoxSpec

TIMEOUT_S = (10, 15)
AUTHORITY: Final = "ACME directory"


@dataclass(frozen=True)
class Source:
    """One thing to download: `addresses` are tried in order, `answers` holds None, or why not, for each."""

    what: str
    addresses: tuple[str, ...]
    answers: tuple[str | None, ...]


Check = Callable[[], str | None]


def probe(spec: BoxSpec) -> list[Source]:
    """Ask all addresses of a box at once; each for no more than its head or manifest."""
    asked = [
        (what, [address for address, _ in checks], [_ask(check) for _, check in checks])
        for what, checks in _wanted(spec)
    ]
    return [
        Source(what, tuple(addresses), tuple(answer.result() for answer in answers))
        for what, addresses, answers in asked
    ]


def _ask(check: Check) -> "Future[str | None]":
    """In a thread that ends with the program: those of a pool would hold Ctrl-C up until the last one has timed out."""
    answer: Future[str | None] = Future()

    def run() -> None:
        try:
            answer.set_result(check())
        except Exception as error:  # noqa: BLE001 - it is raised again where the result is asked for
            answer.set_exception(error)

    Thread(target=run, daemon=True).start()
    return answer


def findings(sources: Sequence[Source], stack: str) -> Iterator[Finding]:
    """A warning for each address that does not answer, and what answers, in one line."""
    for source in sources:
        dead = [(address, why) for address, why in zip(source.addresses, source.answers, strict=True) if why]
        if None not in source.answers:
            yield _silent(source, stack)
            continue
        for address, why in dead:
            yield Finding(
                check="downloads",
                level=Level.WARNING,
                fact=f"{source.what}: {address} does not answer from here ({why})",
                consequence="the box would take the next address, after its time-outs",
                fix="none needed if it answers in the region; else strike it from open-webui:mirrors",
            )
    if answered := ", ".join(source.what for source in sources if None in source.answers):
        yield Finding(check="downloads", level=Level.OK, fact=f"answer from here: {answered}")


def _silent(source: Source, stack: str) -> Finding:
    fact = f"{source.what}: no address answers from here ({source.addresses[0]}: {source.answers[0]})"
    if source.what == AUTHORITY:
        return Finding(
            check="certificate",
            level=Level.WARNING,
            fact=fact,
            consequence="if the box cannot ask it either, Caddy serves its own certificate, and browsers warn",
            fix="another authority: open-webui:mirrors.acmeDirectory; or open-webui:access.tls.mode: internal",
        )
    return Finding(
        check="downloads",
        level=Level.WARNING,
        fact=fact,
        consequence="the box may not get it either, and would not become ready",
        fix=f"set open-webui:mirrors, or bring it into the region: python -m ops mirror BUCKET{option(stack)}",
    )


def _wanted(spec: BoxSpec) -> list[tuple[str, list[tuple[str, Check]]]]:
    image = spec.open_webui.image
    sources = dict.fromkeys(model.source for model in (*spec.ollama.models, spec.ollama.embedding_model))
    entries = [
        (f"Ollama {spec.ollama.archive.version}", _files(spec.ollama.archive)),
        (f"Caddy {spec.caddy.version}", _files(spec.caddy)),
        (f"Open WebUI {image.tag}", [_manifest(registry.Reference(image.registry, image.repository, image.digest))]),
        *((f"model {source}", [_manifest(registry.model_reference(source))]) for source in sources),
    ]
    if spec.tls.mode.value != "internal":
        entries.append((AUTHORITY, [(spec.tls.acme_directory, lambda: _head(spec.tls.acme_directory))]))
    return entries


def _files(artifact: Artifact) -> list[tuple[str, Check]]:
    return [(url, lambda url=url: _head(url)) for url in artifact.urls]  # type: ignore[misc]  # mypy types no default


def _manifest(reference: registry.Reference) -> tuple[str, Check]:
    def check() -> str | None:
        try:
            registry.Registry(reference.host).manifest(reference.repository, reference.target)
        except OpsError as error:
            return str(error)
        return None

    return f"https://{reference.host}/{reference.path}", check


def _head(url: str) -> str | None:
    requests = load("requests")
    try:
        answer = requests.head(url, allow_redirects=True, timeout=TIMEOUT_S)
    except requests.RequestException as error:
        return innermost(error)
    return None if answer.status_code < 400 else f"HTTP {answer.status_code}"
