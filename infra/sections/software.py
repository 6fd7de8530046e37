"""What runs on the box: models, Ollama, Caddy, Open WebUI, and where they are fetched from."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from infra import fields, modelfiles
from infra.problems import refuse
from infra.sections.section import Section
from provisioning import owned_environment
from provisioning.versions import EMBEDDING_MODEL, OPEN_WEBUI_IMAGE


class ModelChoice(Section):
    """A model: one that Ollama pulls, or one made from a Modelfile."""

    name: fields.ModelName = Field(description="the name people see, as in qwen3:8b")
    source: fields.ModelName | None = Field(
        None, description="where it is pulled from if not by its name, as in modelscope.cn/Qwen/Qwen3-8B-GGUF"
    )
    modelfile: Annotated[str, StringConstraints(max_length=8192), AfterValidator(modelfiles.checked)] | None = Field(
        None, description="the text of a Modelfile that begins with FROM"
    )

    @model_validator(mode="after")
    def _made_in_one_way(self) -> Self:
        if self.modelfile is not None and self.source is not None:
            refuse("a Modelfile says itself what it is made from", "remove source")
        return self

    @property
    def base(self) -> str | None:
        """The model behind a Modelfile's FROM; None where there is none."""
        return modelfiles.base(self.modelfile or "")

    @property
    def num_ctx(self) -> int | None:
        """Tokens of context that a Modelfile asks for itself; None where it does not."""
        found = modelfiles.arguments(self.modelfile or "", modelfiles.NUM_CTX)
        return int(found[-1]) if found else None

    def modelfile_from(self, base: str) -> str | None:
        """The Modelfile's text with another model behind FROM: a mirror has the base under a name of its own."""
        return self.modelfile and modelfiles.with_base(self.modelfile, base)


def _model_choice(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Model = Annotated[ModelChoice, BeforeValidator(_model_choice)]


def _free(owned: Mapping[str, str]) -> AfterValidator:
    """A variable's name that is not among those that the program sets itself."""

    def check(name: str) -> str:
        if name in owned:
            refuse(f"{name} is the program's own: {owned[name]}", f"remove {name}")
        return name

    return AfterValidator(check)


OllamaVariable = Annotated[fields.VariableName, _free(owned_environment.OLLAMA)]
OpenWebUiVariable = Annotated[fields.VariableName, _free(owned_environment.OPEN_WEBUI)]
EnvironmentValue = Annotated[str, StringConstraints(max_length=4096)]


class Ollama(Section):
    """The model server."""

    version: fields.Version | None = Field(None, description="a version, as in 0.32.7; absent: the program's pin")
    sha256: fields.Sha256 | None = Field(None, description="the SHA-256 of that version's ollama-linux-amd64.tar.zst")
    context_length: int | None = Field(
        None,
        ge=1024,
        le=1_048_576,
        description="tokens, 1024 to 1048576; absent: the longest of 4k to 32k that fits",
    )
    parallel: int = Field(2, ge=1, le=64, description="requests that one model answers at a time, 1 to 64")
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = Field("q8_0", description="f16, q8_0 or q4_0")
    embedding_model: Model = Field(
        default_factory=lambda: ModelChoice(name=EMBEDDING_MODEL),
        description="the model that documents are indexed with, as in bge-m3:567m",
    )
    prune: bool = Field(default=False, description="true or false: remove models that are no longer listed")
    environment: dict[OllamaVariable, EnvironmentValue] = Field(
        default_factory=dict, description="further variables of Ollama's"
    )

    @model_validator(mode="after")
    def _version_with_digest(self) -> Self:
        if (self.version is None) != (self.sha256 is None):
            refuse(
                "a version and its SHA-256 belong together",
                "copy both from the release's sha256sum.txt, or leave both out",
            )
        return self


class Caddy(Section):
    """The TLS front."""

    version: fields.Version = Field(description="a version, as in 2.11.7")
    sha256: fields.Sha256 = Field(description="the SHA-256 of that version's caddy_VERSION_linux_amd64.tar.gz")


class Backend(Section):
    """An OpenAI-compatible service that people can choose models of."""

    url: fields.Url = Field(
        description="its base address, as in https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    )
    key_config: fields.ConfigKey | None = Field(
        None, description="the config key that holds its API key as a secret, as in dashscopeKey"
    )


class OpenWebUi(Section):
    """The chat application."""

    image: fields.ImageReference = Field(
        OPEN_WEBUI_IMAGE,
        description="registry/repository:tag@sha256:digest, as printed by `docker buildx imagetools inspect`",
    )
    environment: dict[OpenWebUiVariable, EnvironmentValue] = Field(
        default_factory=dict, description="further variables of Open WebUI's"
    )
    secret_environment: dict[OpenWebUiVariable, fields.ConfigKey] = Field(
        default_factory=dict, description="variable -> config key that holds its value as a secret"
    )
    openai_backends: tuple[Backend, ...] = Field(
        (), description="OpenAI-compatible services, as in [{url: …, keyConfig: dashscopeKey}]"
    )
    plugins: bool = Field(default=False, description="true or false: tools and functions, Python run on the server")
    code_execution: bool = Field(default=False, description="true or false: code interpreter in the browser")
    upload_mib: int = Field(256, ge=1, le=4096, description="the largest upload, 1 to 4096 MiB")
    memory_mib: int | None = Field(
        None,
        ge=1024,
        description="the container's memory limit in MiB, at least 1024; absent: half of the machine's",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := sorted(self.environment.keys() & self.secret_environment.keys()):
            refuse(f"{both[0]} stands in environment and in secretEnvironment", "keep one of them")
        return self


class MirrorPreset(StrEnum):
    """Which hosts serve what the box downloads."""

    INTERNATIONAL = "international"
    MAINLAND = "mainland"


class Mirrors(Section):
    """Where the box downloads from. Everything is checked by digest, so any mirror may be named here."""

    preset: MirrorPreset | None = Field(None, description="international or mainland; absent: by the region")
    github_releases: tuple[fields.Url, ...] | None = Field(
        None,
        min_length=1,
        description="bases in front of /OWNER/REPOSITORY/releases/download, tried in order",
    )
    registry: fields.Host | None = Field(None, description="the registry that serves the image, as in ghcr.io")
    models: fields.Host | None = Field(None, description="the registry that serves models without a host in their name")
    acme_directory: fields.Url | None = Field(None, description="the ACME server's directory")
    apt: fields.Url | None = Field(
        None,
        description="the package mirror with its path (…/ubuntu); absent: what the image is set to",
    )


class Admin(Section):
    """The first administrator of Open WebUI."""

    email: fields.Email = Field(description="the address to sign in with, as in admin@example.com")
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        "Admin", description="the name shown, 1 to 64 characters"
    )
