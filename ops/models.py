"""`ops models`: which models of the catalog fit the stack's GPU. Needs no account and no SDK."""

from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from infra import catalog, sizing
from infra.sections import ModelChoice
from infra.settings import Settings
from ops import stack_settings, terminal

_STYLES = {catalog.Fit.ONE_GPU: "green", catalog.Fit.SPREAD: "green", catalog.Fit.NONE: "red"}


def run(stack: str, words: list[str], *, every: bool, as_json: bool) -> int:
    """Print the models whose names contain all words, largest first; return 1 where none does."""

    def command() -> int:
        document = models(stack_settings.load(stack), words, every=every)
        following = (
            "set open-webui:models (for documents: ollama.embeddingModel) in the stack file, then "
            f"make preview STACK={stack}"
        )
        terminal.emit(document, show, as_json=as_json, following=following)
        return terminal.OK if document["models"] else terminal.FINDINGS

    return terminal.guarded(command)


def models(settings: Settings, words: list[str], *, every: bool) -> dict[str, Any]:
    """The document of ops/schemas/models.json; with `every`, also those that do not fit."""
    known = catalog.instance_type(settings.instance.type)
    rows = [_row(settings, known, model) for model in catalog.MODELS.values()]
    chosen = [row for row in rows if all(word.lower() in row["name"] for word in words)]
    return {
        "stack": settings.stack,
        "instanceType": settings.instance.type,
        "gpu": known.gpu.name if known and known.gpu else None,
        "gpus": known.gpus if known else 0,
        "gpuMemoryBytes": known.gpu.usable_bytes if known and known.gpu else None,
        "parallel": settings.ollama.parallel,
        "models": sorted(
            (row for row in chosen if every or row["fits"] != catalog.Fit.NONE.value),
            key=lambda row: (-row["bytes"], row["name"]),
        ),
    }


def _row(settings: Settings, known: catalog.InstanceType | None, model: catalog.LanguageModel) -> dict[str, Any]:
    ollama = settings.ollama
    context = sizing.context_length(known, (ModelChoice(name=model.name),), ollama)
    context = min(context, model.context or context)
    how = sizing.fit(model, known, context, context, ollama) if known else None
    used = {choice.name for choice in settings.models} | {ollama.embedding_model.name}
    return {
        "name": model.name,
        "kind": model.kind.value,
        "bytes": model.file_bytes,
        "contextLength": context,
        "gpuBytes": catalog.needed_bytes(model, context, ollama.parallel, ollama.kv_cache_type),
        "fits": how.value if how else None,
        "inStack": model.name in used,
    }


def show(document: terminal.Document) -> RenderableType:
    """One row a model."""
    gpu, memory = document["gpu"], document["gpuMemoryBytes"]
    where = f"{document['gpus']} x {gpu}, {_gib(memory)} usable each" if gpu else "no GPU that the catalog knows"
    head = Text.assemble((f"stack {document['stack']}", "bold"), f"  {document['instanceType']}: {where}")
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name, justify in (("model", "left"), ("file", "right"), ("context", "right"), ("GPU memory", "right")):
        table.add_column(name, justify="right" if justify == "right" else "left")
    table.add_column("fits")
    table.add_column("for")
    table.add_column("")
    for row in document["models"]:
        fits = catalog.Fit(row["fits"]) if row["fits"] else None
        chats = row["kind"] == catalog.ModelKind.CHAT.value
        table.add_row(
            Text(row["name"], style="bold"),
            f"{row['bytes'] / catalog.GB:.1f} GB",
            f"{row['contextLength']} x {document['parallel'] if chats else 1}",
            _gib(row["gpuBytes"]),
            Text(fits.value, style=_STYLES[fits]) if fits else Text("on the CPU", style="yellow"),
            "chat" if chats else "documents",
            Text("in the stack" if row["inStack"] else "", style="cyan"),
        )
    return Group(Padding(head, (0, 0, 1, 0)), table)


def _gib(size: int) -> str:
    return f"{size / catalog.GIB:.1f} GiB"
