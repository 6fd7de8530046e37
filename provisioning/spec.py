"""`BoxSpec`: everything that one box does, as one frozen value that can be rendered, diffed, rehearsed and released.

Secrets are not in it, only the names of the parameters that hold them. Every address that the box talks to beside
the metadata service is a value here, so mainland mirrors and closed networks are configuration.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class Value(BaseModel):
    """A frozen value that refuses fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Artifact(Value):
    """A release archive, trusted by its SHA-256 alone; the addresses are tried in order."""

    version: str
    sha256: Sha256
    urls: tuple[str, ...] = Field(min_length=1)


class ContainerImage(Value):
    """An image by digest. `registry` is where it is pulled from; the digest makes any mirror as good as the origin."""

    registry: str  # host, for instance ghcr.io
    repository: str  # open-webui/open-webui
    tag: str  # for people; what is pulled is the digest
    digest: Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]

    @property
    def reference(self) -> str:
        """What `docker pull` is given."""
        return f"{self.registry}/{self.repository}@{self.digest}"


class Model(Value):
    """A model as people see it (`name`), and where it comes from: a pull of `source`, or a Modelfile."""

    name: str
    source: str  # a name that Ollama can pull; equal to `name` unless a mirror or another hub serves it
    origin: str | None = None  # `source` without the mirror: another one is another model under the same name
    modelfile: str | None = None  # its text; `source` is then its FROM, pulled first


class Ollama(Value):
    """`context_length` in tokens, `parallel` in requests that one model answers at a time."""

    archive: Artifact
    context_length: int
    parallel: int
    kv_cache_type: Literal["f16", "q8_0", "q4_0"]
    models: tuple[Model, ...] = Field(min_length=1)  # the first one is the default and the one that `ready` asks
    embedding_model: Model
    prune: bool  # remove models that are no longer listed
    environment: dict[str, str]  # the user's own, beside what the box sets


class Backend(Value):
    """An OpenAI-compatible service; `key` names an entry of `Secrets.backend_keys`."""

    url: str
    key: str | None


class OpenWebUi(Value):
    """`environment` is the user's own; what the box sets itself is refused there by the stack's settings."""

    image: ContainerImage
    environment: dict[str, str]
    secret_environment: tuple[str, ...]  # variables whose values are secrets, see `Secrets.environment`
    backends: tuple[Backend, ...]
    plugins: bool  # tools and functions: Python on the server
    code_execution: bool
    admin_email: str
    admin_name: str


class TlsMode(StrEnum):
    """Where the certificate comes from: ACME for the bare address or for a domain, or Caddy's own authority."""

    IP = "ip"
    DOMAIN = "domain"
    INTERNAL = "internal"


class Tls(Value):
    """`acme_directory` is the ACME server's directory URL; `email` receives its notices."""

    mode: TlsMode
    domain: str | None
    email: str | None
    acme_directory: str


class Secrets(Value):
    """Names of OOS secret parameters, read with the instance role's credentials from `endpoint` (a host name).

    `data_disk` holds no secret but the disk's id, which is not yet known when user-data is written.
    """

    endpoint: str
    data_disk: str
    admin_password: str
    backend_keys: dict[str, str]  # key name -> parameter name
    environment: dict[str, str]  # variable -> parameter name


class Gpu(Value):
    """What the box must find: `count` devices, a driver of at least `minimum_driver` (its major number)."""

    count: int
    name: str  # for people: NVIDIA A10
    minimum_driver: int
    kernel_module: Literal["open", "proprietary"]  # which of the distribution's packages, where none is present


class Limits(Value):
    """Seconds, MiB and requests. `ready_s` is how long a release may take until the service answers."""

    ready_s: int
    upload_mib: int
    open_webui_memory_mib: int
    keep_releases: int


class BoxSpec(Value):
    """One box. `name` is the stack's physical name, for instance open-webui-dev."""

    name: str
    region: str
    apt_mirror: str | None  # for Docker and driver packages; absent: what the image is set to
    gpu: Gpu | None  # none: a machine without a GPU is a legitimate smoke test
    ollama: Ollama
    open_webui: OpenWebUi
    caddy: Artifact
    tls: Tls
    secrets: Secrets
    metrics_endpoint: str | None = None  # CloudMonitor, told each minute whether people can chat; none: nobody is told
    limits: Limits
