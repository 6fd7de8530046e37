"""Group 7. Many people at once."""

import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import httpx

from rehearsal import inside
from rehearsal.box import MODEL, Box
from rehearsal.scenario import Figures, Group, UnmetError, expect, scenario
from rehearsal.scenarios.keepsake import TEXT
from rehearsal.service import Service, eventually

PASSWORD = "correct horse battery"  # noqa: S105  of people who are made up
DOCUMENTS = 400
FILES_FOR_PEOPLE = 3000  # of the 4,096 beside those of indices (services.open_webui)
QUEUE_FULL = ("503", "server busy", "maximum pending requests")  # Ollama's documented answer
# Peaks of resident memory, MiB: what was measured, and a quarter to a half as much again. Open WebUI's is 400 with
# nothing uploaded, and 2.6 more for each of the 204 indices of documents that it may keep (services.open_webui).
MOST_MIB = {"Open WebUI": (inside.OPEN_WEBUI, 1200), "Ollama": (inside.OLLAMA, 600), "Caddy": (inside.CADDY, 150)}


@dataclass
class Person:
    """Somebody who chats in a loop. `refused` counts the documented answer of a full queue."""

    service: Service
    uploads: bool
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    files: list[str] = field(default_factory=list)

    def chat_until(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            began = time.monotonic()
            try:
                words, _ = self.service.chat(MODEL, "Say hello.", max_tokens=12)
                expect(words.strip(), "an empty answer")
                self.seconds.append(time.monotonic() - began)
            except UnmetError as error:
                if not any(words in str(error) for words in QUEUE_FULL):
                    raise
                self.refused += 1
            if self.uploads:
                self.files.append(self.service.upload(f"note-{len(self.files)}.txt", TEXT))


def crowd(box: Box, people: int, uploading: int, seconds: float) -> Figures:
    """Let them in, let them chat, count."""
    admin = box.service()

    def enter(number: int) -> Person:
        email = f"person{number}-{time.time_ns()}@example.com"
        admin.call(
            "POST",
            "/api/v1/auths/add",
            json={"name": f"Person {number}", "email": email, "password": PASSWORD, "role": "user"},
        )
        service = Service(box.address, box.region.ca_file)
        service.sign_in(email, PASSWORD)
        return Person(service, uploads=number < uploading)

    with ThreadPoolExecutor(people) as pool:
        everybody = list(pool.map(enter, range(people)))
        inside.forget_peak(box)
        deadline = time.monotonic() + seconds
        running = [pool.submit(person.chat_until, deadline) for person in everybody]
        for future in running:
            try:
                future.result()
            except httpx.HTTPError as error:
                raise UnmetError(f"a chat broke off: {error!r}") from error
    peaks = {name: inside.peak_mib(box, unit) for name, (unit, _) in MOST_MIB.items()}
    times = sorted(second for person in everybody for second in person.seconds)
    expect(all(person.seconds for person in everybody), "somebody was never answered")
    for name, (_, most) in MOST_MIB.items():
        expect(0 < peaks[name] < most, f"{name} had {peaks[name]} MiB in memory; at most {most} are right")
    for person in everybody:
        for file_id in person.files:
            found = person.service.call("GET", f"/api/v1/files/{file_id}")
            expect(found["id"] == file_id, f"an uploaded document is gone: {file_id}")
    eventually("the last answer", 30, lambda: box.answers(30) or None)
    expect(not box.run("systemctl list-units --failed --plain --no-legend 'owbox-*'").strip(), "a unit failed")
    return {
        "people": people,
        "chats": len(times),
        "documents": sum(len(person.files) for person in everybody),
        "queue full": sum(person.refused for person in everybody),
        "median s": round(statistics.median(times), 2),
        "95 % s": round(times[int(len(times) * 0.95)], 2),
        **{f"{name}, peak MiB": peak for name, peak in peaks.items()},
    }


@scenario("ten people chat at once for ten seconds and everybody is answered", Group.LOAD, quick=True)
def ten(box: Box) -> Figures:
    """Broken by: a Caddy that waits a quarter of a second for an answer."""
    return crowd(box, 10, 2, 10)


@scenario(
    "fifty people chat at once for two minutes, five of them uploading: nothing is lost, memory is bounded",
    Group.LOAD,
    spoils=True,
)
def fifty(box: Box) -> Figures:
    """Broken by: a Caddy that waits a quarter of a second for an answer."""
    return crowd(box, 50, 5, 120)


@scenario(f"{DOCUMENTS} documents are uploaded and found, and do not pile up in memory", Group.LOAD, spoils=True)
def documents(box: Box) -> Figures:
    """Broken by: a container with Docker's own limit of open files: Chroma keeps an index for each five. Or without
    services.unlock_files: its indices hold most of a limit open that fits the memory, and people find none left.
    """
    service, most = box.service(), MOST_MIB["Open WebUI"][1]

    def upload(number: int) -> str:
        """One after the other: Open WebUI's SQLite refuses some that come at once, which is another matter."""
        file_id = service.upload(f"note-{number}.txt", f"{TEXT} Note {number}.")
        eventually(f"the index of document {number}", 30, lambda: service.indexed(file_id) or None)
        return file_id

    before = inside.peak_mib(box, inside.OPEN_WEBUI)
    ids = [upload(number) for number in range(DOCUMENTS)]
    peak = inside.peak_mib(box, inside.OPEN_WEBUI)
    expect(peak < most, f"Open WebUI had {peak} MiB in memory; at most {most} are right")
    left = inside.files_left(box, inside.OPEN_WEBUI)
    expect(left > FILES_FOR_PEOPLE, f"Open WebUI may open {left} files more: too few for many people")
    first = service.passages(ids[0], "lighthouse vault code")
    expect("Note 0." in str(first), f"the first document is not found any more: {first}")
    return {"documents": len(ids), "MiB before": before, "peak MiB": peak, "files left": left}


@scenario("a connection that nobody uses is given up by Caddy, before Open WebUI closes it", Group.LOAD, quick=True)
def idle(box: Box) -> Figures:
    """Broken by: Caddy's own two minutes: a question that is sent while Open WebUI closes its connection gets a 502.

    Which side closed is not a matter of time: it is the side that remembers the connection for a minute.
    """
    service = box.service()

    def used() -> set[str]:
        service.call("GET", "/api/config")
        return to_open_webui(box, "established", "caddy")

    ports = eventually("a connection from Caddy to Open WebUI", 30, lambda: used() or None)
    eventually("the end of it", 60, lambda: not ports & to_open_webui(box, "established") or None)
    others = ports - to_open_webui(box, "time-wait")
    expect(not others, f"Open WebUI closed {len(others)} of {len(ports)} connections")
    return {"connections": len(ports)}


def to_open_webui(box: Box, state: str, program: str = "") -> set[str]:
    """The ports from which connections in this state (a program's) go to the one that Open WebUI is published on."""
    found = box.run(f"ss -Htnp state {state} dst 127.0.0.1:8080")
    return set(re.findall(rf"127\.0\.0\.1:(\d+) +127.*{program}", found))
