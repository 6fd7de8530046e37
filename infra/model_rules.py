"""Rules about models: their names, whether the disk holds them, whether the GPU does (used by rules.py)."""

from collections.abc import Callable, Iterator

from infra import catalog, model_names, sizing
from infra.problems import Problem
from infra.sections import DataDisk, Instance, ModelChoice, Ollama


def _problem(path: str, value: object, why: str, fix: str) -> Problem:
    return Problem(key=f"open-webui:{path}", value=value, why=why, fix=fix)


def _all(models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[tuple[str, ModelChoice]]:
    """Path in the stack file and choice, in the order in which the box gets them."""
    yield from ((f"models[{index}]", choice) for index, choice in enumerate(models))
    yield "ollama.embeddingModel", ollama.embedding_model


def models_are_told_apart(models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[Problem]:
    seen: set[str] = set()
    for path, choice in _all(models, ollama):
        name = model_names.plain(choice.name)
        if name in seen:
            yield _problem(path, choice.name, "the model stands twice", "list each model once")
        seen.add(name)


def models_do_not_change_by_themselves(models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[Problem]:
    made: set[str] = set()  # what a Modelfile further down may be made from
    for path, choice in _all(models, ollama):
        pulled = choice.base or choice.source or choice.name
        if model_names.tag(choice.name).lower() == "latest":
            yield _problem(path, choice.name, "latest is a tag that moves", _with_a_tag(choice.name))
        elif model_names.plain(pulled) not in made and model_names.floats(pulled):
            why = "without a tag it is whatever the library calls latest that day"
            yield _problem(path, pulled, why, _with_a_tag(pulled))
        if model_names.is_cloud(pulled):
            why = "a model that runs at ollama.com: the box has that turned off (OLLAMA_NO_CLOUD)"
            yield _problem(
                path, pulled, why, "take one that runs here, or list its service in openWebui.openaiBackends"
            )
        made.add(model_names.plain(choice.name))


def _with_a_tag(name: str) -> str:
    family = model_names.plain(name).split(":")[0]
    known = [model for model in catalog.MODELS if model.split(":")[0] == family]
    return f"take one of {', '.join(known)}" if known else "name its size, as in qwen3:8b"


def data_disk_holds_the_models(
    models: tuple[ModelChoice, ...], ollama: Ollama, data_disk: DataDisk
) -> Iterator[Problem]:
    least = sizing.least_data_disk(models, ollama)
    if data_disk.size_gib < least:
        why = f"the listed models and {sizing.DATA_RESERVE_GIB} GiB for chats and uploads need {least} GiB"
        yield _problem("dataDisk.sizeGib", data_disk.size_gib, why, f"set at least {least}, or list fewer models")


def models_do_their_own_work(models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[Problem]:
    """The box is ready when the first model has answered a chat; the others may be there for programs."""
    first, embedding = sizing.known_model(models[0]), sizing.known_model(ollama.embedding_model)
    if first is not None and first.kind is catalog.ModelKind.EMBEDDING:
        why = f"{first.name} embeds texts and answers no chat: the box would never be ready"
        fix = "begin with a chat model, as in qwen3:8b; documents are indexed with ollama.embeddingModel"
        yield _problem("models[0]", models[0].name, why, fix)
    if embedding is not None and embedding.kind is catalog.ModelKind.CHAT:
        why = f"{embedding.name} is a chat model: it does not embed texts for a search"
        known = [model.name for model in catalog.MODELS.values() if model.kind is catalog.ModelKind.EMBEDDING]
        yield _problem(
            "ollama.embeddingModel", ollama.embedding_model.name, why, f"take one that does, as in {', '.join(known)}"
        )


def models_fit_the_gpu(instance: Instance, models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[Problem]:
    known = catalog.instance_type(instance.type)
    if known is None or known.gpu is None:
        return
    common = sizing.context_length(known, models, ollama)
    for index, choice in enumerate(models):
        model, context = sizing.known_model(choice), choice.num_ctx or common
        if model is None or sizing.fit(model, known, context, common, ollama) is not catalog.Fit.NONE:
            continue
        need = catalog.needed_bytes(model, context, ollama.parallel, ollama.kv_cache_type)
        room = (known.gpu.usable_bytes - catalog.OVERHEAD_BYTES) * known.gpus
        beside = sizing.embedding_bytes(ollama, common)
        why = (
            f"with {ollama.parallel} x {context} tokens of context it needs {_gib(need)} of GPU memory, and "
            f"{ollama.embedding_model.name} beside it {_gib(beside)}; {known.gpus} x {known.gpu.name} has "
            f"{_gib(room)} free"
        )
        where = "its Modelfile's num_ctx" if choice.num_ctx else "ollama.contextLength"
        fix = f"take a smaller model, a larger GPU, or a lower {where} or ollama.parallel"
        yield _problem(f"models[{index}]", choice.name, why, fix)


def _gib(size: int) -> str:
    return f"{size / catalog.GIB:.1f} GiB"


RULES: tuple[Callable[..., Iterator[Problem]], ...] = (
    models_are_told_apart,
    models_do_not_change_by_themselves,
    models_do_their_own_work,
    data_disk_holds_the_models,
    models_fit_the_gpu,
)
