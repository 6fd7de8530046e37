"""What the box will run, in numbers: versions, models and where they fit, downloads, and the size of user-data."""

import base64
import math
from typing import Any, Final

from infra import catalog, sizing
from infra.sections import ModelChoice
from infra.settings import Settings
from ops.recording import Recording
from ops.values import Secret
from provisioning import user_data, versions
from provisioning.spec import BoxSpec

INSTANCE: Final = "alicloud:ecs/instance:Instance"


def plan(settings: Settings, spec: BoxSpec, recorded: Recording) -> dict[str, Any]:
    """Sizes in bytes, GPU memory in bytes, None for what is not known. `spec` is the whole BoxSpec."""
    known = catalog.instance_type(settings.instance.type)
    models = [_model(settings, choice, known, serves=True) for choice in settings.models]
    models.append(_model(settings, settings.ollama.embedding_model, known, serves=False))
    return {
        "instanceType": settings.instance.type,
        "gpu": spec.gpu.model_dump(mode="json") if spec.gpu else None,
        "gpuMemoryBytes": known.gpu.usable_bytes if known and known.gpu else None,
        "contextLength": spec.ollama.context_length,
        "parallel": spec.ollama.parallel,
        "versions": {
            "Open WebUI": spec.open_webui.image.tag,
            "Ollama": spec.ollama.archive.version,
            "Caddy": spec.caddy.version,
        },
        "models": models,
        "downloads": _downloads(settings, spec, models),
        "dataDisk": {
            "bytes": settings.data_disk.size_gib * catalog.GIB,
            "modelBytes": sum(model["bytes"] or 0 for model in models),
        },
        "userData": {"bytes": user_data_bytes(recorded), "limit": user_data.LIMIT},
        "spec": spec.model_dump(mode="json"),
    }


def user_data_bytes(recorded: Recording) -> int | None:
    """Bytes of the instance's user-data before Base64, which is what the limit counts; None without an instance."""
    for resource in recorded.resources:
        if resource.type == INSTANCE:
            given = resource.inputs.get("userData", "")
            text = given.value if isinstance(given, Secret) else given
            return len(base64.b64decode(text)) if isinstance(text, str) else None
    return None


def _model(
    settings: Settings, choice: ModelChoice, known: catalog.InstanceType | None, *, serves: bool
) -> dict[str, Any]:
    model = sizing.known_model(choice)
    ollama = settings.ollama
    common = sizing.context_length(known, settings.models, ollama)
    context = choice.num_ctx or common
    entry: dict[str, Any] = {
        "name": choice.name,
        "role": "chat" if serves else "embedding",
        "bytes": model.file_bytes if model else None,
        "contextLength": context,
        "gpuBytes": None,
        "fits": None,
    }
    if model and serves:
        entry["gpuBytes"] = catalog.needed_bytes(model, context, ollama.parallel, ollama.kv_cache_type)
        how = sizing.fit(model, known, context, common, ollama) if known else None
        entry["fits"] = how.value if how else None
    return entry


def _downloads(settings: Settings, spec: BoxSpec, models: list[dict[str, Any]]) -> dict[str, Any]:
    """Bytes of the first boot, and the seconds that they take at the address's bandwidth (not the far side's)."""
    image = f"{spec.open_webui.image.repository}:{spec.open_webui.image.tag}"
    pinned = versions.OPEN_WEBUI_IMAGE.split("@")[0].endswith(image)
    ollama = spec.ollama.archive.version == versions.OLLAMA_VERSION
    parts = {
        "Open WebUI": versions.OPEN_WEBUI_DOWNLOAD_BYTES if pinned else None,
        "Ollama": versions.OLLAMA_DOWNLOAD_BYTES if ollama else None,
        "models": sum(model["bytes"] or 0 for model in models),
    }
    total = sum(size or 0 for size in parts.values())
    bits_per_second = settings.public_address.bandwidth_mbps * 1_000_000
    return {
        **parts,
        "total": total,
        "complete": None not in parts.values() and all(model["bytes"] is not None for model in models),
        "seconds": math.ceil(total * 8 / bits_per_second),
    }
