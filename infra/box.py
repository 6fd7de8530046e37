"""Settings -> BoxSpec: what the stack file says, as the one value that the box is made from. Pure."""

from collections.abc import Iterable

from infra import advice, catalog, model_names, naming, sizing
from infra.fields import IMAGE_REFERENCE
from infra.sections import MirrorPreset, ModelChoice
from infra.settings import ADMIN_PASSWORD, Settings
from provisioning import versions
from provisioning.spec import (
    Artifact,
    Backend,
    BoxSpec,
    ContainerImage,
    Gpu,
    Limits,
    Model,
    Ollama,
    OpenWebUi,
    Secrets,
    Tls,
)

GITHUB = "https://github.com"
# Where the box looks, by preset. Mainland: ghcr.io and github.com are slow or cut off; these mirrors come and go, and
# nothing they serve is trusted beyond its digest (facts/alibaba-cloud.md section 3).
HOSTS = {
    MirrorPreset.INTERNATIONAL: ((GITHUB,), "ghcr.io"),
    MirrorPreset.MAINLAND: (("https://ghfast.top/https://github.com", GITHUB), "ghcr.nju.edu.cn"),
}
ACME_DIRECTORY = "https://acme-v02.api.letsencrypt.org/directory"
DEFAULT_MEMORY_MIB = 8192  # of a type that the catalog does not know
KEPT_RELEASES = 2


def data_disk_parameter(settings: Settings) -> str:
    """The parameter that tells the box which disk is its own."""
    return naming.parameter_name(settings.name, "data-disk")


def secret_parameter(settings: Settings, config_key: str) -> str:
    """The parameter that holds the secret of that config key."""
    what = "admin-password" if config_key == ADMIN_PASSWORD else f"config-{config_key}"
    return naming.parameter_name(settings.name, what)


def box_spec(settings: Settings) -> BoxSpec:
    """The box of a stack. The same settings give an equal value."""
    return BoxSpec(
        name=settings.name,
        region=settings.region,
        apt_mirror=settings.mirrors.apt,
        gpu=_gpu(settings.instance.type),
        ollama=_ollama(settings),
        open_webui=_open_webui(settings),
        caddy=_caddy(settings),
        tls=Tls(
            mode=settings.access.tls.mode,
            domain=settings.access.tls.domain,
            email=settings.access.tls.email,
            acme_directory=settings.mirrors.acme_directory or ACME_DIRECTORY,
        ),
        secrets=_secrets(settings),
        metrics_endpoint=f"metrics.{settings.region}.aliyuncs.com" if settings.alarms else None,
        limits=Limits(
            ready_s=settings.release.timeout_minutes * 60,
            upload_mib=settings.open_webui.upload_mib,
            open_webui_memory_mib=_memory_mib(settings),
            keep_releases=KEPT_RELEASES,
        ),
    )


def _preset(settings: Settings) -> MirrorPreset:
    if settings.mirrors.preset is not None:
        return settings.mirrors.preset
    return MirrorPreset.MAINLAND if advice.is_mainland(settings.region) else MirrorPreset.INTERNATIONAL


def _release_urls(settings: Settings, path: str) -> tuple[str, ...]:
    bases: Iterable[str] = settings.mirrors.github_releases or HOSTS[_preset(settings)][0]
    return tuple(f"{base}/{path}" for base in bases)


def _gpu(type_name: str) -> Gpu | None:
    if not catalog.has_gpu(type_name):
        return None
    known = catalog.instance_type(type_name)
    return Gpu(
        count=known.gpus if known else 1,
        name=known.gpu.name if known and known.gpu else "GPU",
        minimum_driver=versions.MINIMUM_NVIDIA_DRIVER,
        kernel_module="proprietary" if catalog.is_volta(type_name) else "open",
    )


def _models(choices: tuple[ModelChoice, ...], registry: str | None) -> tuple[Model, ...]:
    """In the order given. A Modelfile may be made from an earlier one of them, which is then not pulled."""
    made: list[Model] = []
    for choice in choices:
        origin = source = model_names.short(choice.base or choice.source or choice.name)
        there = choice.base and model_names.plain(source) in {model_names.plain(model.name) for model in made}
        first = source.split("/", 1)[0]
        has_host = "/" in source and ("." in first or ":" in first)
        if registry is not None and not has_host and not there:
            source = f"{registry}/{source if '/' in source else f'library/{source}'}"
        name = model_names.short(choice.name)
        text = choice.modelfile_from(source)
        made.append(Model(name=name, source=source, origin=None if origin == source else origin, modelfile=text))
    return tuple(made)


def _ollama(settings: Settings) -> Ollama:
    ollama, registry = settings.ollama, settings.mirrors.models
    version = ollama.version or versions.OLLAMA_VERSION
    *models, embedding_model = _models((*settings.models, ollama.embedding_model), registry)
    return Ollama(
        archive=Artifact(
            version=version,
            sha256=ollama.sha256 or versions.OLLAMA_SHA256,
            urls=_release_urls(settings, f"ollama/ollama/releases/download/v{version}/ollama-linux-amd64.tar.zst"),
        ),
        context_length=sizing.context_length(catalog.instance_type(settings.instance.type), settings.models, ollama),
        parallel=ollama.parallel,
        kv_cache_type=ollama.kv_cache_type,
        models=tuple(models),
        embedding_model=embedding_model,
        prune=ollama.prune,
        environment=dict(sorted(ollama.environment.items())),
    )


def _open_webui(settings: Settings) -> OpenWebUi:
    app = settings.open_webui
    parts = IMAGE_REFERENCE.fullmatch(app.image)
    if parts is None:  # the section's own rule has matched it
        raise AssertionError(app.image)
    registry = settings.mirrors.registry or (
        HOSTS[_preset(settings)][1] if parts["registry"] == "ghcr.io" else parts["registry"]
    )
    return OpenWebUi(
        image=ContainerImage(
            registry=registry, repository=parts["repository"], tag=parts["tag"], digest=parts["digest"]
        ),
        environment=dict(sorted(app.environment.items())),
        secret_environment=tuple(sorted(app.secret_environment)),
        backends=tuple(Backend(url=backend.url, key=backend.key_config) for backend in app.openai_backends),
        plugins=app.plugins,
        code_execution=app.code_execution,
        admin_email=settings.admin.email,
        admin_name=settings.admin.name,
    )


def _caddy(settings: Settings) -> Artifact:
    version = settings.caddy.version if settings.caddy else versions.CADDY_VERSION
    return Artifact(
        version=version,
        sha256=settings.caddy.sha256 if settings.caddy else versions.CADDY_SHA256,
        urls=_release_urls(
            settings, f"caddyserver/caddy/releases/download/v{version}/caddy_{version}_linux_amd64.tar.gz"
        ),
    )


def _secrets(settings: Settings) -> Secrets:
    app = settings.open_webui
    keys = sorted({backend.key_config for backend in app.openai_backends if backend.key_config})
    return Secrets(
        # The endpoint inside the VPC: reachable with no public address and no traffic charge.
        endpoint=f"oos-vpc.{settings.region}.aliyuncs.com",
        data_disk=data_disk_parameter(settings),
        admin_password=secret_parameter(settings, ADMIN_PASSWORD),
        backend_keys={key: secret_parameter(settings, key) for key in keys},
        environment={name: secret_parameter(settings, key) for name, key in sorted(app.secret_environment.items())},
    )


def _memory_mib(settings: Settings) -> int:
    if settings.open_webui.memory_mib is not None:
        return settings.open_webui.memory_mib
    known = catalog.instance_type(settings.instance.type)
    return known.memory_gib * 1024 // 2 if known else DEFAULT_MEMORY_MIB
