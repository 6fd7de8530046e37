"""`ops mirror`: bring all that a box downloads into a bucket of its region, verified, and point the stack at it."""

import hashlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from infra.box import box_spec
from infra.sections import MirrorPreset, Mirrors
from infra.settings import Settings
from ops import download, edit_stack_file, mirror_plan, stack_settings, terminal
from ops.bucket import Bucket
from ops.cloud.client import Cloud
from ops.cloud.errors import OpsError
from ops.download import DownloadError
from ops.mirror_plan import Content
from ops.program import ROOT
from ops.registry import Registry
from ops.show import section

SECTION: Final = "open-webui:mirrors"


def run(stack: str, bucket: str, source: str, *, public: bool, yes: bool, as_json: bool) -> int:
    """Mirror a stack's downloads into `bucket`; return the exit status."""

    def command() -> int:
        settings = stack_settings.load(stack)
        target = Bucket(Cloud(settings.region, stack=settings.stack), bucket)
        document = mirror(settings, target, MirrorPreset(source), public=public, yes=yes)
        terminal.emit(document, show, as_json=as_json, following=f"make preview STACK={settings.stack}")
        return terminal.OK

    return terminal.guarded(command)


def mirror(settings: Settings, bucket: Bucket, source: MirrorPreset, *, public: bool, yes: bool) -> dict[str, Any]:
    """The document of ops/schemas/mirror.json. Raises CloudError, and OpsError where a download is not as pinned or
    the answer is no.
    """
    spec = box_spec(settings.model_copy(update={"mirrors": Mirrors.model_validate({"preset": source.value})}))
    with terminal.doing("asking the registries"):
        bucket.require()
        wanted = list(mirror_plan.contents(spec))
    terminal.confirm(announced(wanted, bucket, settings.stack, public=public), yes=yes)
    states: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="mirror-") as folder, terminal.doing("mirroring") as tell:
        download.require_room(Path(folder), max(content.size or 0 for content in wanted))
        for number, content in enumerate(wanted, 1):
            told = _telling(tell, f"{number} of {len(wanted)}: {content.key}")
            states[content.key] = _bring(content, bucket, Path(folder) / "object", told, public=public)
    _write(settings, bucket.internal_host)
    return {
        "stack": settings.stack,
        "bucket": bucket.name,
        "host": bucket.internal_host,
        "objects": [{"key": one.key, "bytes": one.size, "state": states[one.key]} for one in wanted],
        "mirrors": mirror_plan.mirrors(bucket.internal_host),
        "notMirrored": mirror_plan.not_mirrored(spec),
        "written": True,
    }


def announced(wanted: Iterable[Content], bucket: Bucket, stack: str, *, public: bool) -> str:
    """What will happen, before it does."""
    kept = list(wanted)
    size = sum(content.size or 0 for content in kept) / 1000**3
    unknown = sum(content.size is None for content in kept)
    readers = "readable by everybody" if public else "readable by whom the bucket's policy lets"
    return (
        f"{len(kept)} objects ({size:.1f} GB and {unknown} archives) go through this machine to "
        f"bucket {bucket.name} in {bucket.region}, {readers};\n"
        f"    then {SECTION} of Pulumi.{stack}.yaml leads to {bucket.internal_host}"
    )


Told = Callable[[str, int, int | None], object]  # what is done, bytes so far, bytes in all


def _telling(tell: Callable[[str], object], what: str) -> Told:
    tell(what)

    def told(doing: str, done: int, total: int | None) -> None:
        of = f" of {total / 1e6:,.0f}" if total else ""
        tell(f"{what}: {done / 1e6:,.0f}{of} MB {doing}")

    return told


def _bring(content: Content, bucket: Bucket, file: Path, told: Told, *, public: bool) -> str:
    known = content.sha256 or hashlib.sha256(content.inline or b"").hexdigest()
    if bucket.sha256(content.key) == known:
        return "present"
    _get(content, file, known, partial(told, "downloaded"))
    bucket.put(content.key, file, content.media_type, known, public=public, tell=partial(told, "uploaded"))
    return "uploaded"


def _get(content: Content, file: Path, known: str, tell: download.Tell) -> None:
    """From the first of its addresses that brings what it should. Raises OpsError with the last one's reason."""
    if content.inline is not None:
        file.write_bytes(content.inline)
        return
    last: object = "it has no address"
    for open_at in _sources(content):
        try:
            download.fetch(open_at, file, known, tell)
        except DownloadError as error:
            last = error
        else:
            return
    raise OpsError(f"{content.key}: {last}\n    fix: run it again; --source mainland takes other mirrors")


def _sources(content: Content) -> Iterator[Callable[[int], Any]]:
    if (blob := content.blob) is not None:
        registry = Registry(blob.host)
        yield lambda offset: registry.blob(blob.repository, blob.target, offset)
    yield from (download.of_url(url) for url in content.urls)


def _write(settings: Settings, host: str) -> None:
    kept = settings.mirrors.model_dump(mode="json", by_alias=True, exclude_none=True)
    section = {**kept, **mirror_plan.mirrors(host)}
    file = ROOT / f"Pulumi.{settings.stack}.yaml"
    edit_stack_file.write(file, edit_stack_file.set_section(file.read_text(encoding="utf-8"), SECTION, section))


def show(document: terminal.Document) -> RenderableType:
    """What went where, and what the box still fetches from elsewhere."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(overflow="fold")
    for entry in document["objects"]:
        table.add_row(entry["state"], entry["key"])
    rest = Table.grid(padding=(0, 2, 0, 0))
    for entry in document["notMirrored"]:
        rest.add_row(Text(entry["what"], style="cyan"), entry["why"])
    return Group(table, section("Not mirrored", rest), Text(f"\n{SECTION} now leads to {document['host']}"))
