"""GPU instance types and models: what is known of them, and whether a model fits a type's GPU memory.

Types: Alibaba's instance family pages (facts/alibaba-cloud.md section 4, read 2026-11). A type or model that is not
listed may still be used; nothing that would need its figures is then checked, and a warning says so.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

from infra import model_names

GIB = 1024**3
GB = 1000**3

ESSD = ("cloud_essd", "cloud_auto")
ESSD_AND_OLDER = (*ESSD, "cloud_ssd", "cloud_efficiency")


@dataclass(frozen=True, kw_only=True)
class GpuModel:
    """One GPU and its nominal memory in GiB."""

    name: str
    memory_gib: int

    @property
    def usable_bytes(self) -> int:
        """What a model can fill: ECC and the driver keep about 6 % (an A10 of 24 GiB reports 22.5)."""
        return int(self.memory_gib * GIB * 0.94)


T4 = GpuModel(name="NVIDIA T4", memory_gib=16)
V100_16 = GpuModel(name="NVIDIA V100 16 GB", memory_gib=16)
V100_32 = GpuModel(name="NVIDIA V100 32 GB", memory_gib=32)
A10 = GpuModel(name="NVIDIA A10", memory_gib=24)
A30 = GpuModel(name="NVIDIA A30", memory_gib=24)
A100_40 = GpuModel(name="NVIDIA A100 40 GB", memory_gib=40)
A100_80 = GpuModel(name="NVIDIA A100 80 GB", memory_gib=80)  # the page says "80 GB" only
L20 = GpuModel(name="NVIDIA L20", memory_gib=48)
HBM3_96 = GpuModel(name="NVIDIA GPU with 96 GB HBM3", memory_gib=96)  # the page does not name it


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """One ECS instance type; `gpu` is None on a type without a GPU."""

    name: str
    vcpus: int
    memory_gib: int
    gpu: GpuModel | None
    gpus: int
    disk_categories: tuple[str, ...] = ESSD


_GPU_TYPES: tuple[tuple[str, int, int, GpuModel, int], ...] = (
    ("ecs.gn6i-c4g1.xlarge", 4, 15, T4, 1),
    ("ecs.gn6i-c8g1.2xlarge", 8, 31, T4, 1),
    ("ecs.gn6i-c16g1.4xlarge", 16, 62, T4, 1),
    ("ecs.gn6i-c24g1.6xlarge", 24, 93, T4, 1),
    ("ecs.gn6i-c24g1.12xlarge", 48, 186, T4, 2),
    ("ecs.gn6i-c24g1.24xlarge", 96, 372, T4, 4),
    ("ecs.gn6v-c8g1.2xlarge", 8, 32, V100_16, 1),
    ("ecs.gn6e-c12g1.3xlarge", 12, 92, V100_32, 1),
    ("ecs.gn7i-c8g1.2xlarge", 8, 30, A10, 1),
    ("ecs.gn7i-c16g1.4xlarge", 16, 60, A10, 1),
    ("ecs.gn7i-c32g1.8xlarge", 32, 188, A10, 1),
    ("ecs.gn7i-2x.8xlarge", 32, 128, A10, 2),
    ("ecs.gn7i-4x.8xlarge", 32, 128, A10, 4),
    ("ecs.gn7i-8x.16xlarge", 64, 256, A10, 8),
    ("ecs.gn7s-c8g1.2xlarge", 8, 60, A30, 1),
    ("ecs.gn7s-c16g1.4xlarge", 16, 120, A30, 1),
    ("ecs.gn7-c12g1.3xlarge", 12, 94, A100_40, 1),
    ("ecs.gn7e-c16g1.4xlarge", 16, 125, A100_80, 1),
    ("ecs.gn7e-c16g1.8xlarge", 32, 250, A100_80, 2),
    ("ecs.gn8is.2xlarge", 8, 64, L20, 1),
    ("ecs.gn8is.4xlarge", 16, 128, L20, 1),
    ("ecs.gn8is-2x.8xlarge", 32, 256, L20, 2),
    ("ecs.gn8is-4x.16xlarge", 64, 512, L20, 4),
    ("ecs.gn8v.4xlarge", 16, 96, HBM3_96, 1),
    ("ecs.gn8v.6xlarge", 24, 128, HBM3_96, 1),
)
# General-purpose families, for a smoke test before the GPU quota is granted: size suffix -> vCPUs.
_CPU_SIZES = {"large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16, "8xlarge": 32}
_CPU_FAMILIES = {"c6": 2, "c7": 2, "c8i": 2, "g6": 4, "g7": 4, "g8i": 4, "r7": 8, "r8i": 8}  # GiB per vCPU
_OLDER_DISKS = ("gn6i", "gn6v", "gn6e", "c6", "g6")
# Families that slice their GPUs, and the newest driver that they take: below the 550 that Ollama needs, so that no size
# of them is in the catalog. Every family listed above takes the Tesla driver.
GRID_DRIVERS = {
    "vgn6i": "GRID 470",
    "vgn7i": "GRID 470.256.03",
    "sgn7i": "GRID 470",
    "sgn8ia": "GRID 535.183.06",
}


def family(name: str) -> str:
    """`gn7i` of `ecs.gn7i-c8g1.2xlarge`; vGPU names keep their full prefix (`vgn7i`, `sgn8ia`)."""
    return name.removeprefix("ecs.").split(".")[0].split("-")[0]


def _all_types() -> dict[str, InstanceType]:
    gpu = [
        InstanceType(
            name=name, vcpus=vcpus, memory_gib=memory, gpu=model, gpus=count,
            disk_categories=ESSD_AND_OLDER if family(name) in _OLDER_DISKS else ESSD,
        )
        for name, vcpus, memory, model, count in _GPU_TYPES
    ]  # fmt: skip
    cpu = [
        InstanceType(
            name=f"ecs.{group}.{size}", vcpus=vcpus, memory_gib=vcpus * ratio, gpu=None, gpus=0,
            disk_categories=ESSD_AND_OLDER if group in _OLDER_DISKS else ESSD,
        )
        for group, ratio in _CPU_FAMILIES.items()
        for size, vcpus in _CPU_SIZES.items()
    ]  # fmt: skip
    return {entry.name: entry for entry in (*gpu, *cpu)}


INSTANCE_TYPES = _all_types()


def instance_type(name: str) -> InstanceType | None:
    """The catalog's entry; None for a type that it does not know."""
    return INSTANCE_TYPES.get(name)


def grid_driver(name: str) -> str | None:
    """The driver of a family that slices GPUs, by its name where the catalog does not know it; None for all others."""
    group = family(name)
    return GRID_DRIVERS.get(group) or ("GRID 470 or 535" if re.match(r"[vs]gn\d", group) else None)


def is_volta(name: str) -> bool:
    """Whether the family has V100s, which the open kernel module does not drive."""
    return re.fullmatch(r"(ebm)?gn6[ve]|sccgn6\w*", family(name)) is not None


def is_arm(name: str) -> bool:
    """Whether the family has Arm processors: y is Yitian (g8y, c8y, r8y), r Ampere Altra (g6r, c6r)."""
    return re.fullmatch(r"(ebm)?(hpc|[cgr])\d+[yr]", family(name)) is not None


def has_gpu(name: str) -> bool:
    """Whether the type carries GPUs, by its family's name where the catalog does not know it."""
    known = instance_type(name)
    return known.gpu is not None if known else re.match(r"(ebm|scc|v|s)?gn\d", family(name)) is not None


def is_bare_metal(name: str) -> bool:
    """Bare metal families boot other images than the ones this program looks up."""
    return family(name).startswith(("ebm", "scc"))


class ModelKind(StrEnum):
    """What a model is made for; it cannot do the other's work."""

    CHAT = "chat"
    EMBEDDING = "embedding"


@dataclass(frozen=True, kw_only=True)
class LanguageModel:
    """A model of Ollama's library at its default quantisation.

    `file_bytes` is what is downloaded and loaded, `kv_bytes` what one token of context costs at f16 (2 for key and
    value x layers x key-value heads x head dimension x 2 bytes); for models with sliding windows, and for those that
    embed and have no cache but buffers, that is an upper bound. `context` is that of an embedding model's training, in
    tokens; None for a chat model.
    """

    name: str
    file_bytes: int
    kv_bytes: int
    kind: ModelKind
    context: int | None


def _model(
    name: str, gigabytes: float, layers: int, kv_heads: int, head_dim: int, *, embeds: int | None = None
) -> LanguageModel:
    """`embeds`: the context, in tokens, of a model that embeds."""
    return LanguageModel(
        name=name,
        file_bytes=int(gigabytes * GB),
        kv_bytes=2 * layers * kv_heads * head_dim * 2,
        kind=ModelKind.EMBEDDING if embeds else ModelKind.CHAT,
        context=embeds,
    )


# Sizes: tags of ollama.com/library. Shapes: the publishers' config.json.
MODELS = {
    model.name: model
    for model in (
        _model("qwen3:0.6b", 0.52, 28, 8, 128),
        _model("qwen3:1.7b", 1.4, 28, 8, 128),
        _model("qwen3:4b", 2.5, 36, 8, 128),
        _model("qwen3:8b", 5.2, 36, 8, 128),
        _model("qwen3:14b", 9.3, 40, 8, 128),
        _model("qwen3:30b", 19, 48, 4, 128),
        _model("qwen3:32b", 20, 64, 8, 128),
        _model("qwen2.5:7b", 4.7, 28, 4, 128),
        _model("qwen2.5:14b", 9.0, 48, 8, 128),
        _model("qwen2.5:32b", 20, 64, 8, 128),
        _model("qwen2.5:72b", 47, 80, 8, 128),
        _model("qwen2.5-coder:7b", 4.7, 28, 4, 128),
        _model("qwen2.5-coder:14b", 9.0, 48, 8, 128),
        _model("qwen2.5-coder:32b", 20, 64, 8, 128),
        _model("llama3.1:8b", 4.9, 32, 8, 128),
        _model("llama3.1:70b", 43, 80, 8, 128),
        _model("llama3.3:70b", 43, 80, 8, 128),
        _model("deepseek-r1:7b", 4.7, 28, 4, 128),
        _model("deepseek-r1:8b", 5.2, 36, 8, 128),
        _model("deepseek-r1:14b", 9.0, 48, 8, 128),
        _model("deepseek-r1:32b", 20, 64, 8, 128),
        _model("deepseek-r1:70b", 43, 80, 8, 128),
        _model("gemma3:4b", 3.3, 34, 4, 256),
        _model("gemma3:12b", 8.1, 48, 8, 256),
        _model("gemma3:27b", 17, 62, 16, 128),
        _model("gpt-oss:20b", 14, 24, 8, 64),
        _model("gpt-oss:120b", 65, 36, 8, 64),
        _model("mistral:7b", 4.4, 32, 8, 128),
        _model("phi4:14b", 9.1, 40, 10, 128),
        _model("nomic-embed-text:v1.5", 0.27, 12, 12, 64, embeds=2048),
        _model("mxbai-embed-large:335m", 0.67, 24, 16, 64, embeds=512),
        _model("bge-m3:567m", 1.2, 24, 16, 64, embeds=8192),
        _model("qwen3-embedding:0.6b", 0.64, 28, 8, 128, embeds=32768),
    )
}


# What a tag may say of a chat model without making it another file: the library's default is q4_K_M.
_SAME_FILE = ("", "-instruct", "-chat", "-it")
_OTHER_DEFAULT = ("gpt-oss",)  # and all that embed
_BY_TAG = {
    f"{model.name}{variant}{quantisation}": model
    for model in MODELS.values()
    for variant in _SAME_FILE
    for quantisation in ("", "-q4_k_m")
    if not quantisation or (model.kind is ModelKind.CHAT and model.name.split(":")[0] not in _OTHER_DEFAULT)
}


def language_model(name: str) -> LanguageModel | None:
    """The catalog's entry, however the name is written; another quantisation than the default is another file."""
    return _BY_TAG.get(model_names.plain(name))


# CUDA context and compute buffers, per GPU that takes part: 0.5-0.9 GiB seen for 7B to 70B at these contexts.
OVERHEAD_BYTES = 1 * GIB
KV_SCALE = {"f16": 1.0, "q8_0": 34 / 64, "q4_0": 18 / 64}  # bytes per block of 32 values, against 64 at f16


class Fit(StrEnum):
    """Where a model ends up."""

    ONE_GPU = "one GPU"
    SPREAD = "spread over the GPUs"
    NONE = "does not fit"


def needed_bytes(model: LanguageModel, context: int, parallel: int, kv_cache_type: str) -> int:
    """GPU memory for the weights and the key-value cache of `parallel` requests of `context` tokens each.

    Ollama loads an embedding model for one request at a time and never beyond the context of its training
    (server/sched.go and llm/server.go, 0.32).
    """
    if model.context is not None:
        context, parallel = min(context, model.context), 1
    return model.file_bytes + int(model.kv_bytes * context * parallel * KV_SCALE[kv_cache_type])


def fit(
    model: LanguageModel, gpu: GpuModel, count: int, context: int, parallel: int, kv_cache_type: str, beside: int = 0
) -> Fit:
    """Ollama puts a model on one GPU if it can, else on all; never partly in main memory if `ready` is to pass.

    `beside`: bytes that something else keeps on the GPUs, on another one where there are several.
    """
    need = needed_bytes(model, context, parallel, kv_cache_type)
    room = gpu.usable_bytes - OVERHEAD_BYTES
    if need + beside > room * count:
        return Fit.NONE
    return Fit.ONE_GPU if need <= room else Fit.SPREAD
