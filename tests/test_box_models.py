import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from owbox import models
from owbox.base import StepError, full

from provisioning.spec import Model
from tests import boxes


class Ollama(ThreadingHTTPServer):
    """As much of Ollama's API as the box uses. `streams`: the answers to coming pulls, then all succeed."""

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
        if lines and lines[-1].get("status") == "success":
            self.server.names.add(full(body["model"]))
        return self.answer(lines)


@pytest.fixture
def ollama(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ollama]:
    server = Ollama(("127.0.0.1", 0), Handler)
    server.names, server.streams, server.calls = set(), [], []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(models, "OLLAMA", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server
    server.shutdown()
    server.server_close()


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


def test_an_error_inside_an_answer_of_200_is_an_error_and_the_pull_is_tried_again(ollama):
    ollama.streams = [[{"status": "pulling"}, {"error": "max retries exceeded: unexpected EOF"}]]
    models.pull("qwen3:8b")
    assert pulled(ollama) == ["qwen3:8b", "qwen3:8b"]


def test_an_answer_that_ends_without_success_is_no_success(ollama):
    ollama.streams = [[{"status": "verifying"}]]
    models.pull("qwen3:8b")
    assert len(pulled(ollama)) == 2


def test_a_pull_that_moves_on_is_resumed_for_as_long_as_it_takes(ollama):
    ollama.streams = [
        [{"digest": "sha256:a", "completed": (n + 1) * 10, "total": 1000}, {"error": "unexpected EOF"}]
        for n in range(20)
    ]
    models.pull("qwen3:8b")
    assert len(pulled(ollama)) == 21


def test_a_pull_that_gets_nowhere_is_given_up_with_its_reason(ollama):
    ollama.streams = [[{"error": "connection refused"}]] * 20
    with pytest.raises(StepError, match=r"model qwen3:8b: connection refused \(6 attempts\)"):
        models.pull("qwen3:8b")


@pytest.mark.parametrize("reason", ["pull model manifest: file does not exist", "write: no space left on device"])
def test_what_no_attempt_can_mend_fails_at_once(ollama, reason):
    ollama.streams = [[{"error": reason}]] * 9
    with pytest.raises(StepError, match=reason):
        models.pull("nosuch")
    assert len(pulled(ollama)) == 1


def test_a_name_that_ollama_refuses_fails_at_once(ollama):
    with pytest.raises(StepError, match="invalid model name"):
        models.pull("bad name")


def test_a_model_from_a_mirror_gets_its_own_name_and_the_mirrors_is_not_shown(ollama, tmp_path):
    mirrored = (Model(name="qwen3:8b", source="modelscope.cn/Qwen/Qwen3-8B-GGUF"),)
    models.models(boxes.release(tmp_path, boxes.spec(ollama__models=mirrored)))
    assert ollama.names == {"qwen3:8b", "nomic-embed-text:latest"}


def test_models_that_are_no_longer_listed_stay(ollama, tmp_path):
    ollama.names.add("old:latest")
    models.models(boxes.release(tmp_path))
    assert "old:latest" in ollama.names


def test_models_that_are_no_longer_listed_go_where_the_stack_says_prune(ollama, tmp_path):
    ollama.names.add("old:latest")
    models.models(boxes.release(tmp_path, boxes.spec(ollama__prune=True)))
    assert ollama.names == {"qwen3:8b", "nomic-embed-text:latest"}


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
