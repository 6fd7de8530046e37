"""What the box asks of a GPU, on a real one: `make gpu OLLAMA=DIR`.

DIR holds an unpacked release of Ollama with CUDA (bin/, lib/). Ollama runs as its unit starts it: as an ordinary user,
without capabilities and new privileges. Root is needed to become that user, and no setting of the GPU is touched.
"""

import ctypes
import os
import pwd
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from owbox import base, metrics, packages, ready, services
from owbox.base import Box, StepError, fetch_json

from provisioning.spec import Model
from tests import boxes

pytestmark = pytest.mark.gpu

TREE = Path(os.environ.get("OLLAMA", "/nonexistent"))
ADDRESS = "127.0.0.1:11434"
NOBODY = pwd.getpwnam("nobody")
CONFINED = ["setpriv", "--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
USER = [f"--reuid={NOBODY.pw_uid}", f"--regid={NOBODY.pw_gid}", "--clear-groups"]
NO_WX = (
    "import ctypes, os, sys; assert not ctypes.CDLL(None).prctl(65, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)
# What becomes of the model: all of it on the GPU, but one layer of two, none.
MODELFILES = {"whole": "", "partly": "PARAMETER num_gpu 1", "beside": "PARAMETER num_gpu 0"}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    assert (TREE / "bin/ollama").exists(), "make gpu OLLAMA=DIR: an unpacked release of Ollama"
    root = tmp_path_factory.mktemp("machine")
    for folder in (root, *root.parents):
        if folder.owner() == "root" and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o055)
    made = boxes.release(root, boxes.spec(ollama__models=(Model(name="whole", source="whole"),)))
    (made.data / "ollama").mkdir()
    os.chown(made.data / "ollama", NOBODY.pw_uid, NOBODY.pw_gid)
    with pytest.MonkeyPatch.context() as patch:
        for module in (base, metrics, ready, services):
            if hasattr(module, "OLLAMA"):
                patch.setattr(module, "OLLAMA", f"http://{ADDRESS}")
        yield made


@contextmanager
def ollama(box: Box, **environment: str) -> Iterator[None]:
    """Ollama as the box starts it, until the block ends."""
    given = {**services.ollama(box).environment, **environment, "OLLAMA_HOST": ADDRESS}
    given["LD_LIBRARY_PATH"] = os.environ.get("LD_LIBRARY_PATH", "")
    command = [*CONFINED, *USER, str(TREE / "bin/ollama"), "serve"]
    with (
        (box.root / "ollama.log").open("a") as log,
        subprocess.Popen(command, env=given, stdout=log, stderr=log) as one,
    ):
        try:
            base.wait_for("Ollama", 60, lambda: fetch_json(f"http://{ADDRESS}/api/version"), every=0.1)
            yield
        finally:
            one.terminate()
            one.wait(30)


@pytest.fixture(scope="module")
def models(box: Box) -> None:
    weights = box.root / "tiny.gguf"
    if given := os.environ.get("GGUF"):
        shutil.copy(given, weights)
    else:
        from sandbox.parts.models import SENTENCES, write_chat_model  # noqa: PLC0415 - needs numpy and gguf

        write_chat_model(weights, SENTENCES["tiny"])
    weights.chmod(0o644)
    with ollama(box):
        for name, parameter in MODELFILES.items():
            file = box.root / f"{name}.Modelfile"
            file.write_text(f"FROM {weights}\n{parameter}\n")
            subprocess.run(
                [TREE / "bin/ollama", "create", name, "-f", file],
                env={"OLLAMA_HOST": ADDRESS, "HOME": str(box.root), "PATH": "/usr/bin:/bin"},
                check=True,
                capture_output=True,
            )


def test_the_driver_tells_name_version_and_memory():
    [(name, version, memory), *_] = packages.driver()
    assert name.startswith("NVIDIA")
    assert int(version.split(".")[0]) >= 550
    assert int(memory) > 1000


@pytest.mark.skipif(ctypes.CDLL(None).prctl(66, 0, 0, 0, 0) < 0, reason="a kernel without PR_SET_MDWE")
def test_nvidia_smi_works_as_confined_as_the_units_that_call_it():
    command = [
        *CONFINED,
        sys.executable,
        "-c",
        NO_WX,
        "nvidia-smi",
        "--query-compute-apps=pid",
        "--format=csv,noheader",
    ]
    subprocess.run(command, check=True, capture_output=True)


def test_a_model_on_the_gpu_is_proven_to_be_there(box, models):
    with ollama(box):
        found = ready.inference(box, "whole:latest")
        assert found["gpuBytes"] == found["bytes"] > 0
        assert found["tokensPerSecond"] > 0
        assert any("MiB" in line for line in found["gpuProcesses"])
        told = {line.split("{")[0] for line in (*metrics.gpus(box), *metrics.loaded(box))}
    assert {f"open_webui_{name}" for name in ("gpu_memory_used", "gpu_temperature_gpu", "model_bytes")} <= told


@pytest.mark.parametrize("name", ["partly", "beside"])
def test_a_model_that_is_not_wholly_on_the_gpu_is_refused(box, models, name):
    with ollama(box), pytest.raises(StepError, match=r"only \d+ of \d+ bytes are in GPU memory"):
        ready.inference(box, f"{name}:latest")


def test_an_ollama_that_fell_back_to_the_cpu_is_refused(box, models):
    with ollama(box, CUDA_VISIBLE_DEVICES="-1"), pytest.raises(StepError, match="only 0 of"):
        ready.inference(box, "whole:latest")


def test_the_gpu_is_let_go_when_ollama_ends(box, models):
    with ollama(box):
        ready.inference(box, "whole:latest")
        mine = processes()
        assert mine
    deadline = time.monotonic() + 30
    while processes() & mine:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def processes() -> set[str]:
    said = subprocess.run(
        ["nvidia-smi", "--query-compute-apps=pid", "--format=csv,noheader"], capture_output=True, text=True, check=True
    )
    return set(said.stdout.split())
