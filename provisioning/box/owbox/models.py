"""Models: pulled, copied or created through Ollama until it has all that the spec lists."""

import hashlib
import json
import subprocess
import time
from typing import Any

from owbox import layers
from owbox.base import (
    OLLAMA,
    TRANSIENT,
    Box,
    HttpError,
    StepError,
    TransientError,
    fetch_json,
    full,
    noted,
    request,
    retry,
    say,
    wait_for,
    write,
)

HOPELESS = ("file does not exist", "invalid model name", "no space left", "not found")
START_S = 330
STALL_S = 300  # without progress; Ollama itself retries stalled parts for ever
EVERY_S = 15


def present() -> dict[str, Any]:
    return {model["name"]: model for model in fetch_json(f"{OLLAMA}/api/tags")["models"]}


class Progress:
    """Bytes fetched, told at intervals; `moved` since the last attempt tells a slow pull from a dead one."""

    def __init__(self, name: str) -> None:
        self.name, self.most, self.told, self.layers = name, 0, 0.0, dict[str, tuple[int, int]]()
        self.seen, self.since = "", time.monotonic()

    def line(self, line: Any) -> None:
        if digest := line.get("digest"):
            self.layers[digest] = (line.get("completed", 0), line.get("total", 0))
        seen, now = f"{line.get('status')} {sum(completed for completed, _ in self.layers.values())}", time.monotonic()
        if seen != self.seen:
            self.seen, self.since = seen, now
        elif now - self.since > STALL_S:  # Ollama goes on saying the same, and never gives up by itself
            raise TransientError(f"nothing arrived for {STALL_S} s")
        if time.monotonic() - self.told > EVERY_S:
            self.told = time.monotonic()
            done, total = (sum(layer[i] for layer in self.layers.values()) >> 20 for i in (0, 1))
            say(f"{self.name}: {line.get('status')} ({done} of {total} MiB)")

    def moved(self) -> bool:
        done = sum(completed for completed, _ in self.layers.values())
        moved, self.most = done > self.most, max(done, self.most)
        return moved


def pull_once(name: str, progress: Progress) -> None:
    """One pull. Errors arrive as a line inside an answer that began with 200; only `success` ends well."""
    try:
        with request(f"{OLLAMA}/api/pull", {"model": name}, timeout=STALL_S) as answer:
            for raw in answer:
                line = json.loads(raw)
                if reason := line.get("error"):
                    raise TransientError(reason)
                progress.line(line)
                if line.get("status") == "success":
                    return
    except HttpError as error:
        if error.status == 400:
            raise StepError(f"{name}: {error}") from error
        raise
    raise TransientError("the pull ended without success")


def pull(box: Box, name: str) -> None:
    progress = Progress(name)

    def attempt() -> None:
        while True:
            try:
                return pull_once(name, progress)
            except (TransientError, OSError) as error:
                if layers.NO_REDIRECT in str(error) and layers.bring(box, name):
                    continue
                if any(words in str(error) for words in HOPELESS):
                    raise StepError(f"model {name}: {error}") from error
                if not progress.moved():
                    raise
                say(f"{name}: {error}; resuming")

    say(f"pulling {name}")
    retry(f"model {name}", attempt)


def create(box: Box, model: Any) -> None:
    """From a Modelfile, read by Ollama's own client: the API has no field for the file as a whole."""
    path = box.run / "Modelfile"
    write(path, model["modelfile"])
    program = box.program("ollama") / "bin/ollama"
    environment = {"OLLAMA_HOST": OLLAMA, "HOME": str(box.data / "ollama"), "NO_COLOR": "1", "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [program, "create", model["name"], "-f", path],
        capture_output=True, text=True, check=False, user="ollama", group="ollama", extra_groups=[], env=environment,
    )  # fmt: skip
    if done.returncode:
        raise StepError(f"Modelfile of {model['name']}: {done.stderr.strip()[-500:]}")


def models(box: Box) -> None:
    """In the spec's order, the embedding model last. What is there is not asked for again."""
    wanted = listed(box)
    wait_for("Ollama to answer", START_S, lambda: [present()])  # its first start may have failed; it is started again
    memory = box.data / "modelfiles.json"
    made = noted(memory)
    for model in wanted:
        name, source, text = model["name"], model["source"], model["modelfile"]
        origin = model["origin"] or source
        # What it is made of, whichever mirror that comes from.
        mark = hashlib.sha256(f"{origin} {(text or '').replace(source, origin)}".encode()).hexdigest()
        itself = not text and full(origin) == full(name)  # the one of this name, whoever pulled it
        have = present()
        if full(name) in have and made.get(name, mark if itself else "") == mark:
            continue
        if full(source) not in have or full(source) == full(name):
            pull(box, source)
        if text:
            create(box, model)
        elif full(source) != full(name):
            with request(f"{OLLAMA}/api/copy", {"source": source, "destination": name}, timeout=60):
                pass
            remove(source)  # the same layers under the mirror's name: people would see it twice
        made[name] = mark
        write(memory, json.dumps(made))
        say(f"{name} is there")


def listed(box: Box) -> list[Any]:
    spec = box.spec["ollama"]
    return [*spec["models"], spec["embedding_model"]]


def prune(box: Box) -> None:
    """Remove what is no longer listed, where the stack asks for it. Once the release serves: the way back needs it."""
    if not box.spec["ollama"]["prune"]:
        return
    keep = {full(model[key]) for model in listed(box) for key in ("name", "source")}
    try:
        for name in present().keys() - keep:
            say(f"removing {name}, which is no longer listed")
            remove(name)
    except TRANSIENT as error:
        say(f"models that are no longer listed stay for now: {error}")


def remove(name: str) -> None:
    with request(f"{OLLAMA}/api/delete", {"model": name}, method="DELETE", timeout=60):
        pass
