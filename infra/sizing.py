"""Arithmetic between machine, disks and models: how large a disk must be, and how much context fits."""

import math
import re

from infra import catalog
from infra.sections import Instance, ModelChoice, Ollama

# DescribeImages: the GPU images are ubuntu_…_100G_…; plain Ubuntu has 20, to which come Ollama (3.5 GiB unpacked),
# the image of Open WebUI (5 GiB), and room for both versions during a release.
GPU_IMAGE_GIB = 100
PLAIN_SYSTEM_GIB = 40
DATA_RESERVE_GIB = 10
CONTEXT_STEPS = (32768, 16384, 8192, 4096)
CPU_CONTEXT = 4096


def least_system_disk(instance: Instance) -> tuple[int, str]:
    """GiB that the system disk must have, and why."""
    image = instance.image.id if instance.image else None
    if image and (named := re.search(r"_(\d+)G_", image)):
        size = int(named[1])
        return max(size, PLAIN_SYSTEM_GIB), f"the image {image} has {size} GiB, and the box needs {PLAIN_SYSTEM_GIB}"
    family = instance.image.family if instance.image else None
    gpu_image = "gpu_driver" in family if family else image is None and catalog.has_gpu(instance.type)
    if gpu_image:
        return GPU_IMAGE_GIB, f"the official GPU image has {GPU_IMAGE_GIB} GiB"
    return PLAIN_SYSTEM_GIB, f"Ollama and two versions of Open WebUI need {PLAIN_SYSTEM_GIB} GiB"


def least_data_disk(models: tuple[ModelChoice, ...], ollama: Ollama) -> int:
    """GiB for the files of all known models and a reserve for chats, uploads and indexes."""
    known = {
        model.name: model.file_bytes
        for choice in (*models, ollama.embedding_model)
        if (model := known_model(choice)) is not None
    }
    return math.ceil(sum(known.values()) / catalog.GIB) + DATA_RESERVE_GIB


def known_model(choice: ModelChoice) -> catalog.LanguageModel | None:
    """The catalog's entry of what is really loaded: a Modelfile's FROM, a source, or the name."""
    return catalog.language_model(choice.base or choice.source or choice.name)


def context_length(known: catalog.InstanceType | None, models: tuple[ModelChoice, ...], ollama: Ollama) -> int:
    """Tokens: as configured, else the longest step at which every known model fits, else the shortest.

    A Modelfile's own num_ctx goes before it, for that model. Always set, because Ollama would take 4k on a card that
    reports less than 23 GiB and 256k above 47.
    """
    if ollama.context_length is not None:
        return ollama.context_length
    if known is None or known.gpu is None:
        return CPU_CONTEXT
    candidates = [(model, choice.num_ctx) for choice in models if (model := known_model(choice)) is not None]
    for step in CONTEXT_STEPS:
        if all(fit(model, known, own or step, step, ollama) is not catalog.Fit.NONE for model, own in candidates):
            return step
    return CONTEXT_STEPS[-1]


def fit(
    model: catalog.LanguageModel, known: catalog.InstanceType, context: int, common: int, ollama: Ollama
) -> catalog.Fit | None:
    """Whether a chat model fits beside the one that documents are indexed with; None on a type without a GPU.

    `context` is the model's own, `common` that of all others, both in tokens.
    """
    if known.gpu is None:
        return None
    beside = 0 if model.kind is catalog.ModelKind.EMBEDDING else embedding_bytes(ollama, common)
    return catalog.fit(model, known.gpu, known.gpus, context, ollama.parallel, ollama.kv_cache_type, beside)


def embedding_bytes(ollama: Ollama, common: int) -> int:
    """GPU memory that the embedding model keeps; 0 of one that the catalog does not know."""
    choice = ollama.embedding_model
    model = known_model(choice)
    return catalog.needed_bytes(model, choice.num_ctx or common, 1, ollama.kv_cache_type) if model else 0


# The official images (facts/alibaba-cloud.md section 0): driver 580 and CUDA 12.8 come with the first.
GPU_IMAGE_FAMILY = "acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"
PLAIN_IMAGE_FAMILY = "acs:ubuntu_24_04_x64"


def image_family(instance: Instance) -> str:
    """The family an image is looked up in, where none is given by id."""
    if instance.image and instance.image.family:
        return instance.image.family
    return GPU_IMAGE_FAMILY if catalog.has_gpu(instance.type) else PLAIN_IMAGE_FAMILY
