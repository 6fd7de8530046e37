import hashlib
import json
import random
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from owbox import layers, models
from owbox.base import Box, StepError, full

from provisioning.spec import Model
from tests import boxes
from tests.openapi.oss import serving


class Ollama(ThreadingHTTPServer):
    """As much of Ollama's API as the box uses. `streams`: the answers to coming pulls, then all succeed.

    `wants`: files without which a pull fails as it does at a registry that does not redirect.
    """

    wants: list[Path]
    names: set[str]
    streams: list[list[dict[str, Any]]]
    calls: list[tuple[str, Any]]


class Handler(BaseHTTPRequestHandler):
    server: Ollama

    def log_message(self, *_: Any) -> None:
        pass

    def body(self) -> Any:
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))

    def answer(self, lines: list[dict[str, Any]], status: int = 200) -> None:
        self.send_response(status)
        self.end_headers()
        for line in lines:
            self.wfile.write(json.dumps(line).encode() + b"\n")

    def do_GET(self) -> None:
        self.answer([{"models": [{"name": name} for name in sorted(self.server.names)]}])

    def do_DELETE(self) -> None:
        name = self.body()["model"]
        self.server.calls.append(("delete", name))
        self.server.names.discard(full(name))
        self.answer([{}])

    def do_POST(self) -> None:
        body = self.body()
        what = self.path.rsplit("/", 1)[1]
        self.server.calls.append((what, body))
        if what == "copy":
            self.server.names.add(full(body["destination"]))
            return self.answer([{}])
        if body["model"] == "bad name":
            return self.answer([{"error": "invalid model name"}], 400)
        lines = self.server.streams.pop(0) if self.server.streams else [{"status": "success"}]
        if not all(path.exists() for path in self.server.wants):
            lines = [{"status": "pulling manifest"}, {"error": "http: no Location header in response"}]
        if lines and lines[-1].get("status") == "success":
            self.server.names.add(full(body["model"]))
        return self.answer(lines)


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ollama]:
    server = Ollama(("127.0.0.1", 0), Handler)
    server.names, server.streams, server.calls, server.wants = set(), [], [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(models, "OLLAMA", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return boxes.release(tmp_path)


def pulled(ollama: Ollama) -> list[str]:
    return [body["model"] for what, body in ollama.calls if what == "pull"]


def test_models_are_pulled_in_order_and_the_embedding_model_last(ollama, tmp_path):
    many = (Model(name="b", source="b"), Model(name="a", source="a"))
    models.models(boxes.release(tmp_path, boxes.spec(ollama__models=many)))
    assert pulled(ollama) == ["b", "a", "nomic-embed-text"]


def test_what_is_there_is_not_asked_for_again(ollama, tmp_path):
    ollama.names |= {"qwen3:8b", "nomic-embed-text:latest"}
    models.models(boxes.release(tmp_path))
    assert ollama.calls == []


def test_an_error_inside_an_answer_of_200_is_an_error_and_the_pull_is_tried_again(ollama, box):
    ollama.streams = [[{"status": "pulling"}, {"error": "max retries exceeded: unexpected EOF"}]]
    models.pull(box, "qwen3:8b")
    assert pulled(ollama) == ["qwen3:8b", "qwen3:8b"]


def test_an_answer_that_ends_without_success_is_no_success(ollama, box):
    ollama.streams = [[{"status": "verifying"}]]
    models.pull(box, "qwen3:8b")
    assert len(pulled(ollama)) == 2


def test_a_pull_that_moves_on_is_resumed_for_as_long_as_it_takes(ollama, box):
    ollama.streams = [
        [{"digest": "sha256:a", "completed": (n + 1) * 10, "total": 1000}, {"error": "unexpected EOF"}]
        for n in range(20)
    ]
    models.pull(box, "qwen3:8b")
    assert len(pulled(ollama)) == 21


def test_a_pull_that_gets_nowhere_is_given_up_with_its_reason(ollama, box):
    ollama.streams = [[{"error": "connection refused"}]] * 20
    with pytest.raises(StepError, match=r"model qwen3:8b: connection refused \(6 attempts\)"):
        models.pull(box, "qwen3:8b")


@pytest.mark.parametrize("reason", ["pull model manifest: file does not exist", "write: no space left on device"])
def test_what_no_attempt_can_mend_fails_at_once(ollama, reason, box):
    ollama.streams = [[{"error": reason}]] * 9
    with pytest.raises(StepError, match=reason):
        models.pull(box, "nosuch")
    assert len(pulled(ollama)) == 1


def test_a_name_that_ollama_refuses_fails_at_once(ollama, box):
    with pytest.raises(StepError, match="invalid model name"):
        models.pull(box, "bad name")


def test_a_model_from_a_mirror_gets_its_own_name_and_the_mirrors_is_not_shown(ollama, tmp_path):
    mirrored = (Model(name="qwen3:8b", source="modelscope.cn/Qwen/Qwen3-8B-GGUF"),)
    models.models(boxes.release(tmp_path, boxes.spec(ollama__models=mirrored)))
    assert ollama.names == {"qwen3:8b", "nomic-embed-text:latest"}


def asked_for(ollama: Ollama, tmp_path: Path, *models_: Model) -> list[str]:
    """What a release with these models asks for."""
    ollama.calls.clear()
    models.models(boxes.release(tmp_path, boxes.spec(ollama__models=models_)))
    return [body["model"] for what, body in ollama.calls if what == "pull" and body["model"] != "nomic-embed-text"]


def test_another_source_under_the_same_name_is_asked_for(ollama, tmp_path):
    ours = "hf.co/org/repo:Q4_K_M"
    assert asked_for(ollama, tmp_path, Model(name="house", source=ours)) == [ours]
    assert asked_for(ollama, tmp_path, Model(name="house", source=ours)) == []
    assert asked_for(ollama, tmp_path, Model(name="house", source="hf.co/org/other:Q8_0")) == ["hf.co/org/other:Q8_0"]


def test_the_name_itself_is_pulled_where_another_source_stood_behind_it(ollama, tmp_path):
    assert asked_for(ollama, tmp_path, Model(name="qwen3:8b", source="hf.co/org/repo:Q4")) == ["hf.co/org/repo:Q4"]
    assert asked_for(ollama, tmp_path, Model(name="qwen3:8b", source="qwen3:8b")) == ["qwen3:8b"]
    assert asked_for(ollama, tmp_path, Model(name="qwen3:8b", source="qwen3:8b")) == []


@pytest.mark.parametrize("text", [None, "FROM {}\nSYSTEM short"])
def test_another_mirror_of_the_same_source_pulls_nothing(ollama, tmp_path, monkeypatch, text):
    monkeypatch.setattr(models, "create", lambda _, model: ollama.names.add(full(model["name"])))

    def house(source: str, origin: str | None) -> Model:
        return Model(name="house", source=source, origin=origin, modelfile=text.format(source) if text else None)

    assert asked_for(ollama, tmp_path, house("qwen3:8b", None)) == ["qwen3:8b"]
    assert asked_for(ollama, tmp_path, house("registry.example/library/qwen3:8b", "qwen3:8b")) == []


def test_models_that_are_no_longer_listed_stay(ollama, tmp_path):
    ollama.names.add("old:latest")
    models.models(boxes.release(tmp_path))
    assert "old:latest" in ollama.names


def test_models_that_are_no_longer_listed_go_where_the_stack_says_prune(ollama, tmp_path):
    ollama.names.add("old:latest")
    box = boxes.release(tmp_path, boxes.spec(ollama__prune=True))
    models.models(box)
    assert "old:latest" in ollama.names  # until the release serves
    models.prune(box)
    assert ollama.names == {"qwen3:8b", "nomic-embed-text:latest"}


def test_models_that_cannot_be_removed_do_not_fail_a_release_that_serves(ollama, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(models, "OLLAMA", "http://127.0.0.1:9")
    models.prune(boxes.release(tmp_path, boxes.spec(ollama__prune=True)))
    assert "stay for now" in capsys.readouterr().out


def test_an_ollama_that_is_started_again_is_waited_for(ollama, box, monkeypatch):
    answers = iter([ConnectionRefusedError("not yet"), {}])
    present = models.present

    def late() -> Any:
        if isinstance(answer := next(answers, None), Exception):
            raise answer
        return present()

    monkeypatch.setattr(models, "present", late)
    models.models(box)
    assert pulled(ollama) == ["qwen3:8b", "nomic-embed-text"]


def test_a_pull_that_says_the_same_for_ever_is_given_up_and_asked_for_again(ollama, box, monkeypatch):
    clock = iter(range(0, 10**6, 100))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    dead = [{"status": "pulling", "digest": "sha256:1", "completed": 7, "total": 9}] * 10
    ollama.streams = [dead]
    models.pull(box, "qwen3:8b")
    assert len(pulled(ollama)) == 2


def test_a_slow_pull_that_moves_is_not_given_up(ollama, box, monkeypatch):
    clock = iter(range(0, 10**6, 100))
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    slow = [{"status": "pulling", "digest": "sha256:1", "completed": done, "total": 99} for done in range(10)]
    ollama.streams = [[*slow, {"status": "success"}]]
    models.pull(box, "qwen3:8b")
    assert len(pulled(ollama)) == 1


def test_a_modelfile_is_created_once_and_again_when_its_text_changes(ollama, tmp_path, monkeypatch):
    made: list[str] = []

    def create(_: object, model: Any) -> None:
        made.append(model["modelfile"])
        ollama.names.add("house:latest")

    monkeypatch.setattr(models, "create", create)
    for text in ("FROM tiny", "FROM tiny", "FROM tiny\nSYSTEM 中文"):
        house = (Model(name="house", source="tiny", modelfile=text),)
        models.models(boxes.release(tmp_path, boxes.spec(ollama__models=house)))
    assert made == ["FROM tiny", "FROM tiny\nSYSTEM 中文"]


@dataclass
class Bucket:
    """Files by path; `asked`: path and `Range` of each request; `owners`: of what went into Ollama's store."""

    files: dict[str, bytes]
    port: int = 0
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    owners: dict[Path, tuple[str, ...]] = field(default_factory=dict)

    def handle(self, _: str, path: str, headers: Mapping[str, str], __: bytes) -> tuple[int, dict[str, str], bytes]:
        wanted = headers.get("range")
        self.asked.append((path, wanted))
        if path not in self.files:
            return 404, {}, b"NoSuchKey"
        content, start = self.files[path], int(wanted[6:-1]) if wanted else 0
        return 206 if wanted else 200, {}, content[start:]


CONFIG, WEIGHTS = b"{}", random.Random(1).randbytes(200_000)
SOURCE = "bucket.example.com/library/qwen3:8b"


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


@pytest.fixture
def bucket(ollama: Ollama, box: Box, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """A model's files as `ops mirror` lays them down, which Ollama does not take from there."""
    root, store = "/bucket.example.com/v2/library/qwen3", box.data / "ollama/models/blobs"
    store.mkdir(parents=True)
    blobs = {digest(content): content for content in (CONFIG, WEIGHTS)}
    entries = [{"digest": name, "size": len(content)} for name, content in blobs.items()]
    manifest = json.dumps({"schemaVersion": 2, "config": entries[0], "layers": [entries[1], entries[1]]})
    files = {f"{root}/blobs/{name}": content for name, content in blobs.items()}
    made = Bucket({**files, f"{root}/manifests/8b": manifest.encode()})
    ollama.wants = [store / name.replace(":", "-") for name in blobs]
    monkeypatch.setattr(shutil, "chown", lambda path, *to: made.owners.update({path: to}))
    with serving(made.handle) as made.port:
        monkeypatch.setattr(layers, "REGISTRY", f"http://127.0.0.1:{made.port}/{{}}/v2/{{}}")
        yield made


def test_what_ollama_cannot_pull_from_a_bucket_is_put_into_its_store(ollama, box, bucket):
    ollama.wants[1].with_name(f"{ollama.wants[1].name}-partial-0").touch()
    models.pull(box, SOURCE)
    assert sorted(ollama.wants[0].parent.iterdir()) == sorted(ollama.wants)
    assert [path.read_bytes() for path in ollama.wants] == [CONFIG, WEIGHTS]
    assert [bucket.owners[box.data / "layers" / path.name] for path in ollama.wants] == [("ollama", "ollama")] * 2
    assert pulled(ollama) == [SOURCE, SOURCE]
    assert len(bucket.asked) == 3


def test_layers_that_are_there_already_are_not_fetched_again(ollama, box, bucket):
    ollama.wants[1].write_bytes(WEIGHTS)
    models.pull(box, SOURCE)
    assert not any(digest(WEIGHTS) in path for path, _ in bucket.asked)


def test_a_layer_that_was_cut_goes_on_where_it_ended(ollama, box, bucket):
    part = box.data / "layers" / ollama.wants[1].name
    part.parent.mkdir()
    part.write_bytes(WEIGHTS[:150_000])
    models.pull(box, SOURCE)
    assert [wanted for path, wanted in bucket.asked if digest(WEIGHTS) in path] == ["bytes=150000-"]
    assert ollama.wants[1].read_bytes() == WEIGHTS


def test_a_layer_with_other_bytes_never_gets_into_the_store(ollama, box, bucket):
    path = next(path for path in bucket.files if digest(WEIGHTS) in path)
    bucket.files[path] = WEIGHTS[::-1]
    with pytest.raises(StepError, match=r"SHA-256 is [0-9a-f]{64}, expected"):
        models.pull(box, SOURCE)
    assert not ollama.wants[1].exists()
    assert pulled(ollama) == [SOURCE]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda manifest: {"manifests": [manifest]}, "not the manifest of a model"),
        (lambda manifest: {**manifest, "config": {"digest": "sha256:../../../../etc/x"}}, "etc/x is no SHA-256"),
    ],
)
def test_what_is_no_models_manifest_is_refused(box, bucket, change, reason):
    path = next(path for path in bucket.files if "/manifests/" in path)
    bucket.files[path] = json.dumps(change(json.loads(bucket.files[path]))).encode()
    with pytest.raises(StepError, match=reason):
        models.pull(box, SOURCE)


def test_a_pull_that_fails_with_all_layers_in_place_is_given_up(ollama, box, bucket):
    ollama.wants.append(box.data / "never")
    with pytest.raises(StepError, match=r"no Location header in response \(6 attempts\)"):
        models.pull(box, SOURCE)
    assert len([path for path, _ in bucket.asked if "/blobs/" in path]) == 2
