import json

import pytest
from owbox import metrics
from owbox.base import TransientError

from tests import boxes

ROWS = "1024, 24564, 37, 61\n2048, 24564, [N/A], 62\n"


@pytest.fixture
def box(tmp_path, monkeypatch):
    monkeypatch.setattr(metrics, "which", lambda _: True)
    monkeypatch.setattr(metrics, "run", lambda *_, **__: ROWS)
    monkeypatch.setattr(metrics, "fetch_json", lambda _: {"models": [{"name": "qwen3:8b", "size": 5}]})
    return boxes.release(tmp_path)


def exported(box, *, up: bool = True) -> dict[str, float]:
    """Series -> value, as Prometheus reads the text."""
    metrics.export(box, {"ready": int(up)})
    lines = (box.run / "metrics/metrics").read_text().splitlines()
    return {series: float(value) for series, _, value in (line.rpartition(" ") for line in lines)}


def gate(box, **found: object) -> None:
    (box.run / "ready.json").write_text(json.dumps(found))


@pytest.mark.parametrize("up", [True, False])
def test_it_says_whether_people_can_chat(box, up):
    assert exported(box, up=up)["open_webui_ready{}"] == up


def test_the_steps_and_the_speed_are_those_of_the_last_gate(box):
    gate(box, ok=True, steps={"image": {"seconds": 3.5}}, tokensPerSecond=42.5, model="qwen3:8b")
    found = exported(box)
    assert found['open_webui_step_seconds{step="image"}'] == 3.5
    assert found['open_webui_tokens_per_second{model="qwen3:8b"}'] == 42.5


def test_a_gate_that_failed_has_measured_no_speed(box):
    gate(box, ok=False, reason="no space left")
    assert not any("tokens" in series for series in exported(box))


def test_each_gpu_is_told_in_bytes_and_what_it_does_not_tell_is_left_out(box):
    found = exported(box)
    assert found['open_webui_gpu_memory_used{gpu="1"}'] == 2 << 30
    assert found['open_webui_gpu_temperature_gpu{gpu="0"}'] == 61
    assert 'open_webui_gpu_utilization_gpu{gpu="1"}' not in found


def test_a_machine_without_gpu_asks_for_none(tmp_path, box):
    assert not any("gpu" in series for series in exported(boxes.release(tmp_path, boxes.spec(gpu=None))))


TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 010B12C6:2CAA 00000000:0000 0A 00000000:00000000 00:00000000 00000000   990        0 1
   1: 010B12C6:2CAA 020B12C6:D431 01 00000000:00000000 00:00000000 00000000   990        0 2
   2: 010B12C6:2CAA 020B12C6:D432 01 00000000:00000000 00:00000000 00000000   990        0 3
   3: 010B12C6:01BB 020B12C6:D433 01 00000000:00000000 00:00000000 00000000   990        0 4
"""


def test_the_requests_that_ollama_has_open_are_counted(box):
    (box.root / "proc/net").mkdir(parents=True)
    (box.root / "proc/net/tcp").write_text(TCP)
    assert exported(box)["open_webui_ollama_connections{}"] == 2


def refuse(*_: object, **__: object) -> None:
    raise TransientError("no answer")


@pytest.mark.parametrize("name", ["run", "fetch_json"])
def test_what_cannot_be_measured_leaves_the_rest(box, monkeypatch, name):
    monkeypatch.setattr(metrics, name, refuse)
    found = exported(box, up=False)
    assert found["open_webui_ready{}"] == 0
    assert any("gpu" in series for series in found) == (name == "fetch_json")
