"""The sandbox's parts, without a network: keys, the cache, archives, image manifests, pins and tiny models."""

import gzip
import json
import os
import re
import tarfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gguf import GGUFReader

from sandbox import parts
from sandbox.parts import pins
from sandbox.parts.archive import pack_gzip, pack_zstd
from sandbox.parts.models import SENTENCES, write_chat_model, write_embedding_model
from sandbox.parts.oci import write_layer, write_layout
from sandbox.parts.openwebui import requirements
from sandbox.parts.registry import link_into
from sandbox.parts.workshop import PartError, Recipe, Workshop


def recipe(name: str = "part", *, needs: tuple[Recipe, ...] = (), content: str = "whole") -> Recipe:
    def make(_: Workshop, out: Path) -> None:
        (out / "file").write_text(content)

    return Recipe(name=name, seconds=1, inputs={"version": "1"}, make=make, needs=needs)


def workshop(tmp_path: Path) -> Workshop:
    return Workshop(cache=tmp_path / "cache", say=lambda _: None)


def test_a_changed_input_is_another_key() -> None:
    assert recipe().key == recipe().key
    assert replace(recipe(), inputs={"version": "2"}).key != recipe().key


def test_a_changed_input_of_a_needed_part_is_another_key() -> None:
    below = recipe("below")
    changed = replace(below, inputs={"version": "2"})

    assert recipe(needs=(below,)).key != recipe(needs=(changed,)).key


def test_a_part_is_built_once(tmp_path: Path) -> None:
    shop, built = workshop(tmp_path), []
    part = replace(recipe(), make=lambda _, out: built.append(out))

    shop.build([part])
    shop.build([part])

    assert len(built) == 1
    assert shop.missing([part]) == []


def test_a_half_built_part_is_not_taken_for_a_whole_one(tmp_path: Path) -> None:
    def fail_half_way(_: Workshop, out: Path) -> None:
        (out / "half").write_text("half")
        raise PartError("the disk is full")

    shop, part = workshop(tmp_path), recipe()
    with pytest.raises(PartError, match="the disk is full"):
        shop.build([replace(part, make=fail_half_way)])
    assert shop.missing([part]) == [part]

    shop.build([part])
    assert (shop.path(part) / "file").read_text() == "whole"
    assert sorted(path.name for path in shop.path(part).iterdir()) == ["file"]


def test_a_part_is_built_after_those_it_needs(tmp_path: Path) -> None:
    order: list[str] = []

    def make(name: str, seconds: float) -> Callable[[Workshop, Path], None]:
        def work(_: Workshop, _out: Path) -> None:
            time.sleep(seconds)
            order.append(name)

        return work

    slow = replace(recipe("slow"), make=make("slow", 0.1))
    part = replace(recipe("part", needs=(slow,)), make=make("part", 0))
    workshop(tmp_path).build([slow, part])

    assert order == ["slow", "part"]


def test_a_failure_names_the_command_and_its_last_lines(tmp_path: Path) -> None:
    shop = replace(workshop(tmp_path), part="caddy")

    with pytest.raises(PartError, match=r"caddy: sh -c .* ended with status 3:\n(?s:.*)no such package"):
        shop.run(["sh", "-c", "echo no such package; exit 3"])


def test_a_failed_part_stops_the_command_of_another(tmp_path: Path) -> None:
    def fail(_: Workshop, _out: Path) -> None:
        raise PartError("no such package")

    long = replace(recipe("long"), make=lambda shop, _: shop.run(["sleep", "60"]))
    started = time.monotonic()

    with pytest.raises(PartError, match="no such package"):
        workshop(tmp_path).build([long, replace(recipe("short"), make=fail)])
    assert time.monotonic() - started < 10


def test_a_second_build_waits_for_the_first(tmp_path: Path) -> None:
    said: list[str] = []
    first, second = workshop(tmp_path), Workshop(cache=tmp_path / "cache", say=said.append)
    entered = threading.Event()

    def enter() -> None:
        with second.locked():
            entered.set()

    with first.locked():
        thread = threading.Thread(target=enter)
        thread.start()
        deadline = time.monotonic() + 10
        while not said and time.monotonic() < deadline:
            time.sleep(0.01)
        assert "waiting for another build" in said[0]
        assert not entered.is_set()
    thread.join(timeout=10)
    assert entered.is_set()


def test_a_build_without_root_says_why_it_needs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    with pytest.raises(PartError, match="needs root"):
        parts.build(tmp_path, say=lambda _: None)


def test_an_absent_command_is_reported_as_the_package_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("shutil.which", lambda command: None if command == "systemd-nspawn" else command)

    with pytest.raises(PartError, match=r"not installed: systemd-container; run: apt-get install .*mmdebstrap"):
        parts.build(tmp_path, say=lambda _: None)


def test_an_empty_cache_lacks_every_part(tmp_path: Path) -> None:
    lacking = parts.missing(tmp_path)

    for name in ("llama-server", "ollama", "caddy", "pebble-program", "box", "image-0.11.4", "models"):
        assert any(line.startswith(f"{name} (about ") for line in lacking)


def tree(folder: Path, names: list[str]) -> Path:
    for name in names:
        (folder / "lib").mkdir(parents=True, exist_ok=True)
        (folder / "lib" / name).write_text(name)
    (folder / "link").symlink_to("lib")
    return folder


def test_a_layer_depends_on_names_and_contents_only(tmp_path: Path) -> None:
    first = tree(tmp_path / "first", ["a", "b"])
    second = tree(tmp_path / "second", ["b", "a"])
    os.utime(second / "lib" / "a", (1, 1))

    packed = [pack_zstd(folder, tmp_path / f"{folder.name}.tar.zst") for folder in (first, second)]
    assert packed[0] == packed[1]

    (second / "lib" / "a").write_text("changed")
    assert pack_zstd(second, tmp_path / "third.tar.zst").diff_id != packed[0].diff_id


def test_an_archive_holds_what_the_tree_holds_without_its_top_folder(tmp_path: Path) -> None:
    archive = tmp_path / "caddy.tar.gz"
    pack_gzip(tree(tmp_path / "tree", ["a"]), archive)

    with gzip.open(archive) as file, tarfile.open(fileobj=file) as tar:
        assert [member.name for member in tar.getmembers()] == ["lib", "lib/a", "link"]
        assert {(member.mtime, member.uid) for member in tar.getmembers()} == {(0, 0)}


def layout(tmp_path: Path, name: str, environment: str) -> tuple[Path, str]:
    layer = tmp_path / f"{name}-layer"
    layer.mkdir()
    write_layer(tree(tmp_path / f"{name}-tree", ["a"]), layer)
    folder = tmp_path / name
    return folder, write_layout(folder, [layer], {"Env": [environment]})


def test_an_image_has_the_same_digest_each_time_and_another_for_another_configuration(tmp_path: Path) -> None:
    digests = [layout(tmp_path, name, env)[1] for name, env in (("a", "PORT=1"), ("b", "PORT=1"), ("c", "PORT=2"))]

    assert digests[0] == digests[1] != digests[2]


def test_every_descriptor_of_an_image_leads_to_a_blob_of_that_digest_and_size(tmp_path: Path) -> None:
    folder, digest = layout(tmp_path, "image", "PORT=8080")

    def blob(descriptor: dict[str, Any]) -> Path:
        path = folder / "blobs" / "sha256" / str(descriptor["digest"]).removeprefix("sha256:")
        assert path.stat().st_size == descriptor["size"]
        return path

    (top,) = json.loads((folder / "index.json").read_text())["manifests"]
    assert top["digest"] == digest
    (platform,) = json.loads(blob(top).read_text())["manifests"]
    manifest = json.loads(blob(platform).read_text())
    config = json.loads(blob(manifest["config"]).read_text())
    assert config["config"]["Env"] == ["PORT=8080"]
    assert len(config["rootfs"]["diff_ids"]) == len([blob(layer) for layer in manifest["layers"]]) == 1


def test_a_second_image_joins_a_storage_without_copies(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    for name in ("first", "second"):
        (tmp_path / name / "blobs").mkdir(parents=True)
        (tmp_path / name / "blobs" / name).write_text(name)
        (tmp_path / name / "blobs" / "shared").write_text("shared")
        link_into(tmp_path / name, storage)
        link_into(tmp_path / name, storage)

    assert sorted(path.name for path in (storage / "blobs").iterdir()) == ["first", "second", "shared"]
    assert (storage / "blobs" / "first").samefile(tmp_path / "first" / "blobs" / "first")


@pytest.mark.parametrize(
    ("name", "module", "version"),
    [
        ("ollama", "github.com/ollama/ollama", pins.OLLAMA_VERSION),
        ("caddy", "github.com/caddyserver/caddy/v2", pins.CADDY_VERSION),
        ("pebble", "github.com/letsencrypt/pebble/v2", pins.PEBBLE_VERSION),
    ],
)
def test_go_builds_the_versions_that_the_table_names(name: str, module: str, version: str) -> None:
    text = (pins.TOOLS / name / "go.mod").read_text()

    assert re.search(rf"^(require)?\s*{re.escape(module)} v{re.escape(version)}\b", text, re.MULTILINE)


@pytest.mark.parametrize("version", [pins.OPEN_WEBUI_VERSION, pins.OPEN_WEBUI_NEXT_VERSION])
def test_every_python_package_of_the_image_is_pinned_by_hash(version: str) -> None:
    lines = requirements((pins.TOOLS / "open-webui" / f"{version}.txt").read_text())

    assert len(lines) > 200
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+ --hash=sha256:[0-9a-f]{64}", line) for line in lines)
    assert any(line.startswith(f"open-webui=={version} ") for line in lines)


@pytest.mark.parametrize("name", pins.CHAT_MODELS)
def test_a_chat_model_leads_from_any_text_through_its_sentence_to_the_end(tmp_path: Path, name: str) -> None:
    path = tmp_path / "model.gguf"
    write_chat_model(path, SENTENCES[name])

    reader = GGUFReader(path)
    weights = {tensor.name: tensor.data for tensor in reader.tensors}
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    token, said = tokens.index("<0x0A>"), ""
    for _ in range(100):
        token = int((weights["output.weight"] @ weights["token_embd.weight"][token]).argmax())
        if tokens[token] == "</s>":
            break
        said += tokens[token].replace("\u2581", " ")
    assert said == SENTENCES[name]


def test_a_sentence_that_repeats_a_word_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="each once"):
        write_chat_model(tmp_path / "model.gguf", "no means no no")


def test_models_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_embedding_model(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
