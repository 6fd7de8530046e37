"""The internet as a box sees it: one origin per host name, each answering as the real one does where it matters."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path

from aiohttp import ClientSession, web

from sandbox.services.reply import Reply, document, file, forward, redirect, text
from sandbox.services.rpc import Endpoints
from sandbox.state import Sources

Origin = Callable[[web.Request], Awaitable[Reply]]

GITHUB_ASSETS = "release-assets.githubusercontent.com"
GHCR_BLOBS = "pkg-containers.githubusercontent.com"
# The hosts of the preset `mainland` (infra/box.py).
GITHUB_MIRROR = "ghfast.top"
GHCR_MIRROR = "ghcr.nju.edu.cn"
OLLAMA_BLOBS = "dd20bb891979d25aebc8bec07b2b3bbc.r2.cloudflarestorage.com"
ACME_HOSTS = ("acme-v02.api.letsencrypt.org", "acme-staging-v02.api.letsencrypt.org")
MIRRORS = ("deb.debian.org", "security.debian.org")
BACKENDS = ("api.openai.example", "dashscope-intl.aliyuncs.com", "dashscope.aliyuncs.com")
BACKEND_MODEL = "sandbox-echo"
REGISTRY_PORT = 5000
PEBBLE_PORT = 14000

_CLOUD_HOST = re.compile(r"(oos|oos-vpc|metrics|metrichub)\.[a-z]+-[a-z0-9-]+\.aliyuncs\.com")
_RELEASE = re.compile(r"/(?P<repository>[^/]+/[^/]+)/releases/download/v(?P<version>[^/]+)/(?P<file>[^/]+)")
_BLOB = re.compile(r"/v2/(?P<repository>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")
_DIGEST_AT_END = re.compile(r".*/sha256:(?P<hex>[0-9a-f]{64})")


@dataclass(frozen=True)
class Origins:
    """All that answers; `cloud` is Alibaba Cloud's own endpoints, in whatever region."""

    by_host: Mapping[str, Origin]
    cloud: Origin

    def find(self, host: str) -> Origin | None:
        """What answers as `host`; None: there is no such host."""
        return self.cloud if _CLOUD_HOST.fullmatch(host) else self.by_host.get(host)


@dataclass(frozen=True)
class Releases:
    """The archives of release pages: those of the parts, and what lies in `beside` (see `Store.releases`)."""

    sources: Sources
    beside: Path

    def find(self, path: str) -> Path | None:
        """The archive at `path` of github.com."""
        found = _RELEASE.fullmatch(path)
        if found is None:
            return None
        parts = {"ollama/ollama": self.sources.ollama, "caddyserver/caddy": self.sources.caddy}
        release = parts.get(found["repository"])
        if release is not None and release.version == found["version"]:
            return release.path if found["file"].endswith("".join(release.path.suffixes[-2:])) else None
        offered = self.beside / found["repository"] / found["version"] / found["file"]
        return offered if offered.is_file() else None


def origins(releases: Releases, inner: ClientSession, outer: ClientSession, endpoints: Endpoints) -> Origins:
    """The internet. `inner` reaches the region's own servers, `outer` the real mirrors."""
    registry, sources = f"http://127.0.0.1:{REGISTRY_PORT}", releases.sources
    found: dict[str, Origin] = {
        "github.com": github(releases),
        GITHUB_ASSETS: release_assets(releases),
        GITHUB_MIRROR: release_mirror(releases),
        "ghcr.io": container_registry(inner, registry, "ghcr.io", GHCR_BLOBS),
        GHCR_MIRROR: container_registry(inner, registry, GHCR_MIRROR, None),
        GHCR_BLOBS: blobs(sources.registry_storage),
        "registry.ollama.ai": model_registry(inner, registry),
        OLLAMA_BLOBS: blobs(sources.registry_storage),
    }
    found |= dict.fromkeys(ACME_HOSTS, acme(inner))
    found |= {host: mirror(outer, host) for host in MIRRORS}
    found |= dict.fromkeys(BACKENDS, openai_backend)
    return Origins(found, cloud_endpoint(endpoints))


def github(releases: Releases) -> Origin:
    """Release downloads: a redirect to another host, as GitHub does it."""

    async def answer(request: web.Request) -> Reply:
        if releases.find(request.path) is None:
            return text(HTTPStatus.NOT_FOUND, "Not Found")
        return redirect(HTTPStatus.FOUND, f"https://{GITHUB_ASSETS}{request.path}")

    return answer


def release_assets(releases: Releases) -> Origin:
    """The archives themselves."""

    async def answer(request: web.Request) -> Reply:
        path = releases.find(request.path)
        return text(HTTPStatus.NOT_FOUND, "Not Found") if path is None else file(request, path)

    return answer


def release_mirror(releases: Releases) -> Origin:
    """A mirror that takes the whole address behind its own, and hands the archive out itself."""

    async def answer(request: web.Request) -> Reply:
        path = releases.find(request.path.removeprefix("/https://github.com"))
        return text(HTTPStatus.NOT_FOUND, "Not Found") if path is None else file(request, path)

    return answer


def container_registry(inner: ClientSession, registry: str, name: str, blob_host: str | None) -> Origin:
    """ghcr.io, or a mirror of it: a token for everybody, no request without one; blobs may be elsewhere."""

    async def answer(request: web.Request) -> Reply:
        if request.path == "/token":
            return document({"token": "anonymous"})
        if not request.headers.get("Authorization", "").startswith("Bearer "):
            challenge = f'Bearer realm="https://{name}/token",service="{name}"'
            return document({"errors": []}, HTTPStatus.UNAUTHORIZED, {"WWW-Authenticate": challenge})
        return await _registry_answer(request, inner, registry, blob_host)

    return answer


def model_registry(inner: ClientSession, registry: str) -> Origin:
    """registry.ollama.ai: open to all; Ollama insists that blobs are on another host."""

    async def answer(request: web.Request) -> Reply:
        return await _registry_answer(request, inner, registry, OLLAMA_BLOBS)

    return answer


def blobs(storage: Path) -> Origin:
    """A store of blobs by digest: the files of the registry's own storage."""

    async def answer(request: web.Request) -> Reply:
        found = _DIGEST_AT_END.fullmatch(request.path)
        if found is None:
            return text(HTTPStatus.NOT_FOUND, "not found\n")
        digest = found["hex"]
        return file(request, storage / "docker/registry/v2/blobs/sha256" / digest[:2] / digest / "data")

    return answer


def acme(inner: ClientSession) -> Origin:
    """Let's Encrypt: Pebble, which calls its directory otherwise and builds its links from the Host header."""

    async def answer(request: web.Request) -> Reply:
        path = "/dir" if request.path == "/directory" else request.path_qs
        return await forward(inner, f"https://127.0.0.1:{PEBBLE_PORT}{path}", request, keep_host=True)

    return answer


def mirror(outer: ClientSession, host: str) -> Origin:
    """A distribution's mirror: the real one."""

    async def answer(request: web.Request) -> Reply:
        return await forward(outer, f"http://{host}{request.path_qs}", request, keep_host=False)

    return answer


def cloud_endpoint(endpoints: Endpoints) -> Origin:
    """An Alibaba Cloud RPC endpoint."""

    async def answer(request: web.Request) -> Reply:
        response = await endpoints.handle(request)
        body = response.body if isinstance(response.body, bytes) else b""
        return Reply(response.status, {"Content-Type": "application/json"}, body)

    return answer


async def openai_backend(request: web.Request) -> Reply:
    """An OpenAI-compatible service with one model that says back what it is told."""
    if not request.headers.get("Authorization", "").removeprefix("Bearer ").strip():
        error = {"message": "No API key provided", "type": "invalid_request_error", "code": "invalid_api_key"}
        return document({"error": error}, HTTPStatus.UNAUTHORIZED)
    if request.path.endswith("/v1/models"):
        model = {"id": BACKEND_MODEL, "object": "model", "created": 0, "owned_by": "sandbox"}
        return document({"object": "list", "data": [model]})
    if request.path.endswith("/v1/chat/completions") and request.method == "POST":
        return _chat(await request.json())
    return document({"error": {"message": f"Unknown request URL: {request.path}"}}, HTTPStatus.NOT_FOUND)


def _chat(asked: dict[str, object]) -> Reply:
    messages = asked.get("messages")
    if not isinstance(messages, list) or not messages:
        return document({"error": {"message": "messages: a non-empty array"}}, HTTPStatus.BAD_REQUEST)
    words = f"You said: {messages[-1].get('content')}".split(" ")
    common = {"id": "chatcmpl-sandbox", "created": 0, "model": asked.get("model")}
    if not asked.get("stream"):
        choice = {"index": 0, "message": {"role": "assistant", "content": " ".join(words)}, "finish_reason": "stop"}
        return document(common | {"object": "chat.completion", "choices": [choice]})

    async def events() -> AsyncIterator[bytes]:
        deltas: list[tuple[dict[str, str], str | None]] = [({"content": f"{word} "}, None) for word in words]
        for delta, reason in [*deltas, ({}, "stop")]:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            event = common | {"object": "chat.completion.chunk", "choices": [choice]}
            yield f"data: {json.dumps(event)}\n\n".encode()
            await asyncio.sleep(0)
        yield b"data: [DONE]\n\n"

    return Reply(HTTPStatus.OK, {"Content-Type": "text/event-stream"}, events())


async def _registry_answer(request: web.Request, inner: ClientSession, registry: str, blob_host: str | None) -> Reply:
    if request.method not in {"GET", "HEAD"}:
        return document({"errors": [{"code": "DENIED"}]}, HTTPStatus.FORBIDDEN)
    if blob_host is not None and request.method == "GET" and (found := _BLOB.fullmatch(request.path)):
        path = f"/{found['repository']}/blobs/{found['digest']}"
        return redirect(HTTPStatus.TEMPORARY_REDIRECT, f"https://{blob_host}{path}")
    return await forward(inner, f"{registry}{request.path_qs}", request, keep_host=False)
