"""Group 4. Processes killed in the middle of an answer: each comes back by itself."""

import threading
import time

import httpx

from rehearsal.box import MODEL, Box
from rehearsal.scenario import Figures, Group, UnmetError, expect, scenario

LONG = 700  # tokens: longer than it takes to kill a process


def killed_while_answering(box: Box, kill: str, within_s: float) -> Figures:
    """Kill during a streamed chat; then a chat must be answered within the limit, with no hand laid on the box."""
    service = box.service()
    first, over = threading.Event(), threading.Event()

    def listen() -> None:
        try:
            for _ in service.stream(MODEL, "Tell me a long story.", max_tokens=LONG):
                first.set()
        except (httpx.HTTPError, UnmetError):
            pass  # the stream that is cut is the point
        finally:
            over.set()

    threading.Thread(target=listen, daemon=True).start()
    expect(first.wait(30), "the chat to be interrupted did not begin")
    restarts = box.run("systemctl show -P NRestarts 'owbox-*.service' docker.service")
    box.run(kill)
    began = time.monotonic()
    expect(over.wait(60), "the interrupted chat hangs instead of ending")
    seconds = box.answers(within_s)
    expect(time.monotonic() - began < within_s + 60, "too late")
    expect(box.run("systemctl show -P NRestarts 'owbox-*.service' docker.service") != restarts, "nothing was restarted")
    failed = box.run("systemctl list-units --failed --plain --no-legend 'owbox-*'").strip()
    expect(not failed, f"failed units: {failed}")
    return {"seconds to the next answer": seconds, "limit": within_s}


@scenario("Ollama killed in the middle of an answer is back within 30 s", Group.PROCESSES, quick=True)
def ollama(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-ollama.service."""
    return killed_while_answering(box, "systemctl kill -s KILL owbox-ollama", 30)


@scenario("the model's own process killed in the middle of an answer is back within 30 s", Group.PROCESSES)
def runner(box: Box) -> Figures:
    """Broken by: a wrapper around Ollama that ends with its child (KillMode, exec)."""
    service = box.service()
    stream = service.stream(MODEL, "Tell me a long story.", max_tokens=LONG)
    next(stream)
    pids = box.run("pgrep -f llama-server").split()
    box.run(f"kill -9 {' '.join(pids)}")
    stream.close()  # type: ignore[attr-defined]  # a generator, declared by what it yields
    return {"seconds to the next answer": box.answers(30)}


@scenario("Open WebUI killed in the middle of an answer is back within 60 s", Group.PROCESSES, quick=True)
def open_webui(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-open-webui.service, or its container's name left taken."""
    return killed_while_answering(box, "docker kill -s KILL open-webui", 60)


@scenario("Caddy killed in the middle of an answer is back within 30 s", Group.PROCESSES, quick=True)
def caddy(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-caddy.service."""
    return killed_while_answering(box, "systemctl kill -s KILL owbox-caddy", 30)


@scenario("Docker killed in the middle of an answer is back, with Open WebUI, within 90 s", Group.PROCESSES)
def docker(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-open-webui.service (its client dies with the daemon)."""
    return killed_while_answering(box, "systemctl kill -s KILL docker", 90)


@scenario("containerd killed in the middle of an answer is back, with Open WebUI, within 90 s", Group.PROCESSES)
def containerd(box: Box) -> Figures:
    """Broken by: an Open WebUI unit whose start is limited more tightly than containerd's own restart takes."""
    service = box.service()
    stream = service.stream(MODEL, "Tell me a long story.", max_tokens=LONG)
    next(stream)
    box.run("systemctl kill -s KILL containerd")
    stream.close()  # type: ignore[attr-defined]  # a generator, declared by what it yields
    return {"seconds to the next answer": box.answers(90)}
