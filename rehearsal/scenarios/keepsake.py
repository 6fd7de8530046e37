"""What people leave in the service, and whether it is still there."""

import json
import uuid
from dataclasses import dataclass

from rehearsal.box import MODEL, Box
from rehearsal.scenario import expect
from rehearsal.service import eventually

TEXT = "The vault code of the northern lighthouse is 7391. Ships pass it at dusk."


@dataclass(frozen=True)
class Keepsake:
    """A person, a chat, a document, and the key that signs sessions."""

    person: str
    chat_id: str
    words: str
    file_id: str
    token: str
    secret_key: str

    @classmethod
    def leave(cls, box: Box) -> "Keepsake":
        """Use the service as people do."""
        service = box.service()
        person = f"{uuid.uuid4().hex[:8]}@example.com"
        account = {"name": "Ada", "email": person, "password": "correct horse battery", "role": "user"}
        service.call("POST", "/api/v1/auths/add", json=account)
        words, _ = service.chat(MODEL, "Say hello.", max_tokens=8)
        body = {"chat": {"title": person, "models": [MODEL], "messages": [{"role": "assistant", "content": words}]}}
        chat = service.call("POST", "/api/v1/chats/new", json=body)
        stored = service.upload("lighthouse.txt", TEXT)
        kept = cls(person, chat["id"], words, stored, service.token, _key(box))
        eventually("the document's index", 60, lambda: kept.indexed(box) or None)
        return kept

    def check(self, box: Box) -> None:
        """All of it is still there, and who was signed in still is."""
        service = box.service()
        people = {person["email"] for person in service.call("GET", "/api/v1/users/all")["users"]}
        expect(self.person in people, f"{self.person} is gone; there are {people}")
        chat = service.call("GET", f"/api/v1/chats/{self.chat_id}")
        expect(self.words in json.dumps(chat, ensure_ascii=False), "the chat's words are gone")
        service.token = self.token
        expect(service.call("GET", "/api/v1/auths/")["role"] == "admin", "the session from before is not valid")
        expect(_key(box) == self.secret_key, "the key that signs sessions is another one")
        expect(self.indexed(box), "the document is not found")

    def indexed(self, box: Box) -> bool:
        """Whether the document is found by its content."""
        service = box.service()
        return service.indexed(self.file_id) and any(
            "7391" in text for text in service.passages(self.file_id, "lighthouse vault code")
        )


def _key(box: Box) -> str:
    return box.run("sha256sum </srv/open-webui/secret-key")
