"""Open WebUI as its users reach it: over HTTPS at the public address, with the certificate checked."""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx

from rehearsal.scenario import UnmetError, expect

T = TypeVar("T")
BACK_S = 120  # until a service that is away counts as gone


def eventually(what: str, seconds: float, attempt: Callable[[], T | None]) -> T:
    """The first answer that is not None; polls, and fails by name when the time is over."""
    deadline = time.monotonic() + seconds
    while (found := attempt()) is None:
        expect(time.monotonic() < deadline, f"{what}: not within {seconds} s")
        time.sleep(0.2)
    return found


@dataclass
class Service:
    """One deployment. `token` is set by signing in."""

    address: str
    ca_file: Path
    token: str = field(default="", repr=False)

    def client(self) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        return httpx.Client(base_url=self.address, verify=trust, headers=headers, timeout=120)

    def call(self, method: str, path: str, **arguments: Any) -> Any:
        with self.client() as client:
            answer = client.request(method, path, **arguments)
        expect(answer.status_code == HTTPStatus.OK, f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def sign_in(self, email: str, password: str) -> dict[str, Any]:
        found: dict[str, Any] = self.call("POST", "/api/v1/auths/signin", json={"email": email, "password": password})
        self.token = found["token"]
        return found

    def models(self) -> set[str]:
        return {model["id"] for model in self.call("GET", "/api/models")["data"]}

    def upload(self, name: str, text: str) -> str:
        """A document; its id."""
        stored = self.call("POST", "/api/v1/files/", files={"file": (name, text.encode(), "text/plain")})
        return str(stored["id"])

    def indexed(self, file_id: str) -> bool:
        """Whether people can ask about a document yet. `UnmetError` where it could not be read."""
        state = self.call("GET", f"/api/v1/files/{file_id}/process/status", params={"stream": "false"})
        expect(state["status"] != "failed", f"the document could not be read: {state}")
        return bool(state["status"] == "completed")

    def passages(self, file_id: str, question: str) -> list[str]:
        """What of a document the embedding model finds for a question."""
        query = {"collection_names": [f"file-{file_id}"], "query": question, "k": 2}
        found = self.call("POST", "/api/v1/retrieval/query/collection", json=query)
        return [text for texts in found["documents"] for text in texts]

    def chat(self, model: str, text: str, **more: Any) -> tuple[str, int]:
        """A streamed answer: its words, and in how many events they came."""
        words = list(self.stream(model, text, **more))
        return "".join(words), len(words)

    def stream(self, model: str, text: str, **more: Any) -> Iterator[str]:
        """The words of a streamed answer, as they come."""
        for event in self.events(model, text, **more):
            delta = event["choices"][0].get("delta", {})
            yield delta.get("content") or delta.get("reasoning_content") or ""

    def events(self, model: str, text: str, **more: Any) -> Iterator[dict[str, Any]]:
        """The events of a streamed answer that are part of it. `UnmetError` where one tells an error."""
        body = {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, **more}
        with self.client() as client, client.stream("POST", "/api/chat/completions", json=body) as answer:
            if answer.status_code != HTTPStatus.OK:
                raise UnmetError(f"chat: {answer.status_code} {answer.read()[:300]!r}")
            for line in answer.iter_lines():
                if line.startswith("data: {"):
                    event = json.loads(line[6:])
                    expect("error" not in event, f"chat: {event}")
                    if event.get("choices"):
                        yield event


class Chatter:
    """Somebody who chats all the time, in a thread; `away_s` is the longest time without an answer, in seconds.

    A time in which every chat was answered counts as none.
    """

    def __init__(self, service: Service, model: str) -> None:
        self._service, self._model = service, model
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._chat, daemon=True)
        self.answered = 0
        self.away_s = 0.0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _chat(self) -> None:
        last, broken = time.monotonic(), False
        while not self._over.is_set() or (broken and time.monotonic() < last + BACK_S):
            try:
                self._service.chat(self._model, "Say hello.", max_tokens=8)
            except (httpx.HTTPError, UnmetError, ValueError):
                broken = True
                time.sleep(0.2)
                continue
            if broken:
                self.away_s = max(self.away_s, round(time.monotonic() - last, 1))
            self.answered += 1
            last, broken = time.monotonic(), False
        if broken:
            self.away_s = float("inf")
