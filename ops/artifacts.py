"""Every address that the box will download from, and whether it answers from here."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from ops import registry
from ops.cloud.client import load
from ops.cloud.errors import OpsError
from provisioning.spec import Artifact, BoxSpec

TIMEOUT_S = (10, 15)


@dataclass(frozen=True)
class Source:
    """One thing to download: `addresses` are tried in order, `answers` holds None, or why not, for each."""

    what: str
    addresses: tuple[str, ...]
    answers: tuple[str | None, ...]


Check = Callable[[], str | None]


def probe(spec: BoxSpec) -> list[Source]:
    """Ask all addresses of a box at once; each for no more than its head or manifest."""
    wanted = _wanted(spec)
    with ThreadPoolExecutor(max_workers=8) as pool:
        asked = [
            (what, [address for address, _ in checks], [pool.submit(check) for _, check in checks])
            for what, checks in wanted
        ]
        return [
            Source(what, tuple(addresses), tuple(answer.result() for answer in answers))
            for what, addresses, answers in asked
        ]


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
        entries.append(("ACME directory", [(spec.tls.acme_directory, lambda: _head(spec.tls.acme_directory))]))
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
        return f"{type(error).__name__}: {error}"
    return None if answer.status_code < 400 else f"HTTP {answer.status_code}"


def unanswered(sources: Sequence[Source]) -> list[Source]:
    """Those of which no address answers."""
    return [source for source in sources if None not in source.answers]
