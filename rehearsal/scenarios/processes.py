"""Group 4. Processes killed in the middle of an answer: each comes back by itself."""

import threading

import httpx

from rehearsal import inside
from rehearsal.box import MODEL, Box
from rehearsal.scenario import Figures, Group, UnmetError, expect, scenario
from rehearsal.service import Service
from rehearsal.stand_in import put_before_ollama
from sandbox.services.faults import Fault, Kind
from sandbox.services.origins import BACKEND_MODEL, BACKENDS

# The tiny models are done in milliseconds, so a backend answers: it repeats what it is told, and is held in between.
LONG = " ".join(f"word{number}" for number in range(60))
PAUSE = Fault(host=BACKENDS[0], path="*/chat/completions", kind=Kind.DELAY, after_bytes=2000, delay_s=90)
ARRIVES_S = 1.0
PACE_S = 1.0  # between two of the 25 words of a model that is slow


class Answer:
    """An answer that is being streamed, in a thread."""

    def __init__(self, service: Service, model: str) -> None:
        self.begun, self.over = threading.Event(), threading.Event()
        self.broken = ""  # how it broke; empty: it ended as answers do
        self._service, self._model = service, model
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        try:
            finished = False
            for event in self._service.events(self._model, LONG):
                finished = finished or bool(event["choices"][0].get("finish_reason"))
                self.begun.set()
            if not finished:
                self.broken = "it ended without a reason"
        except (httpx.HTTPError, UnmetError) as error:
            self.broken = repr(error)
        finally:
            self.over.set()


def restarts(box: Box, unit: str) -> int:
    return int(box.run(f"systemctl show -P NRestarts {unit}"))


def killed(
    box: Box, kill: str, within_s: float, *units: str, model: str = BACKEND_MODEL, begun: bool = True
) -> Figures:
    """Kill in the middle of an answer; then a chat is answered within the limit, with no hand laid on the box.

    `units` are those that systemd must have started again. `begun` False: before the answer's first word, and somebody
    else may answer.
    """
    before = {unit: restarts(box, unit) for unit in units}
    box.fail(PAUSE)
    answer = Answer(box.service(), model)
    expect(not begun or answer.begun.wait(30), "the answer to be interrupted did not begin")
    over = answer.over.wait(ARRIVES_S)  # all that was said so far arrives
    expect(not over, f"the answer was over before anything was killed: the scenario shows nothing ({answer.broken})")
    box.run(kill)
    expect(answer.over.wait(60), "the interrupted answer hangs instead of ending")
    expect(not begun or answer.broken, "the interrupted answer arrived whole: the scenario shows nothing")
    box.fail()
    seconds = box.answers(within_s)
    for unit, number in before.items():
        expect(restarts(box, unit) > number, f"{unit} was not started again: it was not what was killed")
    failed = box.run("systemctl list-units --failed --plain --no-legend 'owbox-*'").strip()
    expect(not failed, f"failed units: {failed}")
    return {"seconds to the next answer": seconds, "limit": within_s, "the answer": answer.broken[:100] or "whole"}


@scenario("Ollama killed in the middle of an answer is back within 30 s", Group.PROCESSES, quick=True, spoils=True)
def ollama(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-ollama.service."""
    put_before_ollama(box, pace=PACE_S)
    return killed(box, "systemctl kill -s KILL owbox-ollama; rm /etc/rehearsal-pace", 30, "owbox-ollama", model=MODEL)


@scenario("the model's own process killed with a question before it is replaced within 30 s", Group.PROCESSES)
def runner(box: Box) -> Figures:
    """Broken by: a tidy-up that takes away what the running Ollama was installed from."""
    box.answers(30)
    before = inside.model_runners(box)
    expect(inside.freeze(before), "no model is in memory")
    figures = killed(box, "kill -KILL $(pgrep llama-server)", 30, model=MODEL, begun=False)
    after = inside.model_runners(box)
    expect(after and not set(after) & set(before), f"the model's processes before: {before}, after: {after}")
    return figures


@scenario("Open WebUI killed in the middle of an answer is back within 60 s", Group.PROCESSES, quick=True)
def open_webui(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-open-webui.service, or its container's name left taken."""
    return killed(box, "docker kill -s KILL open-webui", 60, "owbox-open-webui")


@scenario("Caddy killed in the middle of an answer is back within 30 s", Group.PROCESSES, quick=True)
def caddy(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-caddy.service."""
    return killed(box, "systemctl kill -s KILL owbox-caddy", 30, "owbox-caddy")


@scenario("Docker killed in the middle of an answer is back, with Open WebUI, within 90 s", Group.PROCESSES)
def docker(box: Box) -> Figures:
    """Broken by: Restart= taken from owbox-open-webui.service (its client dies with the daemon)."""
    return killed(box, "systemctl kill -s KILL docker", 90, "docker", "owbox-open-webui")
