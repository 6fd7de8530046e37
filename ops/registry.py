"""Container and model registries: manifests and blobs over the distribution protocol, anonymous tokens included."""

import hashlib
import json
import re
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlencode

from ops import download
from ops.download import DownloadError

MODELS: Final = "registry.ollama.ai"
INDEX_TYPES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFEST_TYPES: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)


class RegistryError(DownloadError):
    """A registry that answers with something else than what was asked for."""


@dataclass(frozen=True)
class Reference:
    """Something in a registry: `target` is a tag or a digest."""

    host: str
    repository: str
    target: str

    @property
    def path(self) -> str:
        """Of its manifest, below the host."""
        return f"v2/{self.repository}/manifests/{self.target}"


def model_reference(source: str) -> Reference:
    """Where Ollama finds a model: `qwen3:8b` is `library/qwen3` in its own registry, tag `8b`."""
    parts = source.split("/")
    host = parts.pop(0) if len(parts) > 1 and re.search(r"[.:]", parts[0]) else MODELS
    name, _, tag = parts[-1].partition(":")
    folders = parts[:-1] or ["library"]
    return Reference(host, "/".join([*folders, name]), tag or "latest")


@dataclass(frozen=True)
class Manifest:
    """A manifest's very bytes, so that its digest stays what it is."""

    content: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """sha256:…"""
        return f"sha256:{hashlib.sha256(self.content).hexdigest()}"

    @property
    def document(self) -> Any:
        """Its JSON."""
        return json.loads(self.content)


@dataclass(frozen=True)
class Registry:
    """One host."""

    host: str
    _tokens: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    @property
    def scheme(self) -> str:
        """As with Docker, http only for a registry on this machine."""
        return "http" if self.host.startswith(("127.0.0.1:", "localhost:")) else "https"

    def manifest(self, repository: str, target: str) -> Manifest:
        """Raises DownloadError."""
        accept = ", ".join((*INDEX_TYPES, *MANIFEST_TYPES))
        answer = self._get(repository, f"manifests/{target}", {"Accept": accept}, stream=False)
        found = Manifest(answer.content, str(answer.headers.get("Content-Type", MANIFEST_TYPES[0])).split(";")[0])
        if target.startswith("sha256:") and found.digest != target:
            raise RegistryError(f"{self.host}/{repository}: the manifest is {found.digest}, not {target}")
        return found

    def blob(self, repository: str, digest: str, offset: int) -> Any:
        """The answer that brings a blob's bytes from `offset` on. Raises DownloadError."""
        return self._get(repository, f"blobs/{digest}", download.from_offset(offset), stream=True)

    def _get(self, repository: str, what: str, headers: dict[str, str], *, stream: bool) -> Any:
        url = f"{self.scheme}://{self.host}/v2/{repository}/{what}"
        answer = download.ask(url, self._signed(repository, headers), stream=stream)
        if answer.status_code == 401:
            answer.close()
            # No token yet, or one that has ended: layers may take longer than it lives.
            self._tokens[repository] = self._token(answer.headers.get("WWW-Authenticate", ""), repository)
            answer = download.ask(url, self._signed(repository, headers), stream=stream)
        return download.successful(url, answer)

    def _signed(self, repository: str, headers: dict[str, str]) -> dict[str, str]:
        token = self._tokens.get(repository)
        return {**headers, "Authorization": f"Bearer {token}"} if token else headers

    def _token(self, challenge: str, repository: str) -> str:
        """Anonymous: what `WWW-Authenticate: Bearer realm=…,service=…` asks for."""
        fields = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        if "realm" not in fields:
            raise RegistryError(f"{self.host} wants an account: {challenge or 'HTTP 401'}")
        query = {
            "scope": f"repository:{repository}:pull",
            **({"service": fields["service"]} if "service" in fields else {}),
        }
        url = f"{fields['realm']}?{urlencode(query)}"
        body = download.successful(fields["realm"], download.ask(url, {}, stream=False)).json()
        return str(body.get("token") or body.get("access_token"))
