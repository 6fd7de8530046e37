"""The pictures in docs/pictures are what the commands print today: `UPDATE_PICTURES=1 pytest` draws them anew."""

import os
from datetime import UTC, datetime

import pytest

from ops import artifacts, status
from ops.artifacts import Source
from tests.openapi import boxes, constants, mirrors, pictures
from tests.openapi.operator import Operator

COMMANDS = {
    "quote": ["quote"],
    "quote-spot": ["quote", "--stack", "dev"],
    "quote-compare": ["quote", "--compare"],
    "doctor": ["doctor"],
    "write-zone": ["doctor", "--write-zone"],
    "status": ["status"],
    "logs": ["logs", "--unit", "open-webui"],
    "exec": ["exec", "--yes", "--", "nvidia-smi", "-L"],
    "stop": ["stop", "--yes"],
    "start": ["start", "--yes"],
    "restart": ["restart", "--yes"],
    "open": ["open"],
    "password": ["password", "--yes"],
    "models": ["models", "qwen3"],
    "mirror": ["mirror", mirrors.BUCKET, "--yes"],
}


@pytest.fixture(autouse=True)
def _a_quiet_day(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    operator.deploy()
    operator.region.run = answering
    monkeypatch.setattr(status, "now", lambda: datetime(2026, 11, 24, 2, 0, tzinfo=UTC))
    answers = [
        Source("Ollama 0.32.7", ("https://github.com/…",), (None,)),
        Source("Caddy 2.11.7", ("https://github.com/…",), (None,)),
        Source("Open WebUI v0.11.4", ("https://ghcr.io/…",), ("ConnectTimeout",)),
    ]
    monkeypatch.setattr(artifacts, "probe", lambda _: answers)
    monkeypatch.setattr("webbrowser.open", lambda _: True)


def answering(script: str) -> tuple[str, int]:
    if script.startswith("nvidia-smi"):
        return "GPU 0: NVIDIA A10 (UUID: GPU-7d9c1ef3-0000-0000-0000-000000000000)\n", 0
    return boxes.healthy(script)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_picture_is_what_the_command_prints(operator: Operator, monkeypatch: pytest.MonkeyPatch, name: str):
    if name == "quote-spot":
        operator.write_stack(instance__spot={"maxHourlyPrice": 0.3}, dataDisk__snapshots={"hours": [3]})
    if name == "start":
        operator.region.status = "Stopped"
    if name in ("doctor", "write-zone"):
        operator.region.stock = {constants.ZONE: "WithoutStock", constants.OTHER_ZONE: "WithStock"}
        operator.region.tags = None
    with mirrors.hubs(monkeypatch), mirrors.bucket_of(operator, monkeypatch):
        svg = pictures.picture(operator, monkeypatch, name, *COMMANDS[name])
    file = pictures.file_of(name)
    if os.environ.get("UPDATE_PICTURES"):
        file.write_text(svg, encoding="utf-8")
    same = file.read_text(encoding="utf-8") == svg
    assert same, "the output has changed: UPDATE_PICTURES=1 pytest tests/test_ops_pictures.py, and look at the pictures"


def test_no_picture_is_left_over_or_loads_anything():
    drawn = sorted(file.stem for file in pictures.FOLDER.glob("*.svg"))
    assert drawn == sorted(COMMANDS)
    for file in pictures.FOLDER.glob("*.svg"):
        text = file.read_text(encoding="utf-8")
        assert "url(http" not in text
        assert len(text) < 100_000
