"""The product's main job, for real: `pulumi up` on the sandbox, everything a person does first, again, and gone."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import websockets

from rehearsal.service import Service, eventually
from sandbox import engine, host, parts, session
from sandbox.engine import REPOSITORY, EngineError
from sandbox.lifecycle import leftovers
from sandbox.parts.models import SENTENCES
from sandbox.services.origins import BACKEND_MODEL
from sandbox.session import Session
from tests.sandbox.browser import BrowserError, Page, browsing

NAME = "goodpath"
REPORT = Path(os.environ.get("REPORT", "report"))
pytestmark = [
    pytest.mark.sandbox,
    # The Automation API leaves event loops and sockets to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def current() -> Iterator[Session]:
    host.prepare(print)
    session.down(NAME)
    made, cli = parts.build(), engine.find_cli() or engine.build_cli(print)
    try:
        with session.opened(NAME, made, cli) as opened:
            yield opened
    finally:
        session.down(NAME)


@pytest.fixture(scope="module")
def outputs(current: Session) -> dict[str, str]:
    try:
        return dict(current.engine.up().outputs)
    except EngineError:
        for log in session.directory(NAME).glob("cloud/invocations/*.log"):  # gone with the sandbox
            print(f"--- {log.name}\n{log.read_text()}")
        if current.instance_id is not None:
            print(current.region.logs(current.instance_id, 400))
        raise


@pytest.fixture(scope="module")
def service(current: Session, outputs: dict[str, str]) -> Service:
    made = Service(outputs["address"], current.region.ca_file)
    assert made.sign_in(outputs["adminEmail"], outputs["adminPassword"])["role"] == "admin"
    return made


def test_up_ends_when_the_box_is_ready_and_says_the_address(current, outputs):
    assert outputs["address"].startswith("https://203.0.113.")
    ready = current.status()["ready"]
    assert ready["ok"]
    assert ready["release"] == outputs["release"]
    assert ready["certificate"]["public"], ready["certificate"]


def test_independent_steps_of_the_boot_overlap(current, outputs):
    steps = current.status()["ready"]["steps"]
    pairs = {
        frozenset((one, other))
        for one in steps
        for other in steps
        if steps[one]["start"] < steps[other]["start"] < steps[one]["end"]
    }
    assert frozenset(("packages", "fetch-ollama")) in pairs
    assert frozenset(("image", "ollama")) in pairs
    assert len(pairs) >= 6, steps


def test_the_certificate_is_for_the_bare_address_and_http_leads_to_https(current, outputs):
    trust = ssl.create_default_context(cafile=str(current.region.ca_file))
    assert httpx.get(outputs["address"], verify=trust).status_code == 200
    moved = httpx.get(outputs["address"].replace("https", "http"))
    assert moved.status_code in (301, 308)
    assert moved.headers["location"].startswith("https://")


@pytest.fixture(scope="module")
def page(current: Session, outputs: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """The sign-in page, in a browser that trusts the region's authority as others do the public ones."""
    chromium, home = host.browser(print), tmp_path_factory.mktemp("browser")
    with browsing(chromium, home, current.region.ca_file) as opened:
        opened.open(outputs["address"])
        yield opened


def test_the_page_loads_in_a_browser_that_checks_the_certificate(page):
    page.wait_for("the form", "document.querySelector('#password') !== null")
    page.picture(REPORT / "sign-in.png")
    assert "Sign in to Open WebUI" in page.text()


def test_a_person_signs_in_on_the_page_and_is_answered_in_a_chat(outputs, page):
    page.type("#email", outputs["adminEmail"])
    page.type("#password", outputs["adminPassword"])
    page.press_enter()
    page.click("Okay, Let's Go!")  # the release notes, at the first sign-in
    page.wait_for("the notes' end", "!document.body.innerText.includes('Release Notes')")
    page.type("#chat-input", "Who are you?")
    page.press_enter()
    page.wait_for("the answer", f"document.body.innerText.includes({json.dumps(SENTENCES['tiny'])})")
    page.picture(REPORT / "chat.png")
    assert "Who are you?" in page.text()


def test_a_browser_that_does_not_know_the_authority_shows_no_page(outputs, tmp_path):
    with browsing(host.browser(print), tmp_path) as stranger, pytest.raises(BrowserError, match="ERR_CERT_AUTHORITY"):
        stranger.open(outputs["address"])


def test_a_stranger_cannot_sign_up(current, outputs):
    stranger = Service(outputs["address"], current.region.ca_file)
    who = {"name": "Eve", "email": "eve@example.com", "password": "correct horse battery"}
    with stranger.client() as client:
        assert client.post("/api/v1/auths/signup", json=who).status_code == 403
        assert client.get("/api/models").status_code in (401, 403)
    assert not stranger.call("GET", "/api/config").get("onboarding")


def test_the_preloaded_model_answers_word_by_word(service):
    assert {"tiny:latest", "house-style:latest"} <= service.models()
    words, events = service.chat("tiny:latest", "Say hello.", max_tokens=24)
    assert words.strip()
    assert events > 3


def test_a_model_made_from_a_modelfile_answers(service):
    assert service.chat("house-style:latest", "Who are you?", max_tokens=8)[0].strip()


def test_an_openai_compatible_backend_answers(service):
    assert BACKEND_MODEL in service.models()
    assert "blue" in service.chat(BACKEND_MODEL, "blue")[0]


def test_a_second_model_is_downloaded_from_the_ui(service):
    last = {}
    with service.client() as client, client.stream("POST", "/ollama/api/pull/0", json={"model": "tiny2"}) as answer:
        assert answer.status_code == 200
        for line in answer.iter_lines():
            if line:
                last = json.loads(line)
                assert "error" not in last
    assert last.get("status") == "success"
    eventually("the new model in the list", 30, lambda: "tiny2:latest" in service.models() or None)
    assert service.chat("tiny2:latest", "hello", max_tokens=8)[0].strip()


def test_a_document_is_uploaded_and_retrieved_by_the_local_embedding_model(service):
    text = "The vault code of the northern lighthouse is 7391. Ships pass it at dusk."
    stored = service.upload("lighthouse.txt", text)
    eventually("the document's index", 60, lambda: service.indexed(stored) or None)
    assert any("7391" in passage for passage in service.passages(stored, "lighthouse vault code"))
    files = [{"type": "file", "id": stored}]
    assert service.chat("tiny:latest", "What is the vault code?", max_tokens=8, files=files)[0].strip()


def test_a_websocket_connects(service):
    trust = ssl.create_default_context(cafile=str(service.ca_file))
    url = f"{service.address.replace('https', 'wss')}/ws/socket.io/?EIO=4&transport=websocket"

    async def greet(origin: str) -> str:
        async with websockets.connect(url, ssl=trust, origin=websockets.Origin(origin)) as socket:
            return str(await socket.recv())

    assert asyncio.run(greet(service.address)).startswith("0{")
    with pytest.raises(websockets.InvalidStatus):
        asyncio.run(greet("https://evil.example"))


def ops(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ops", "sandbox", *arguments, "--name", NAME]
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)


def test_the_commands_find_the_sandbox_as_it_is(current, outputs):
    said = ops("status", "--json")
    assert said.returncode == 0, said.stderr
    status = json.loads(said.stdout)
    assert status["machines"][0]["instanceId"] == current.instance_id
    assert status["box"]["ready"]["address"] == outputs["address"]
    assert ops("open").stdout.startswith(outputs["address"])


def test_a_second_up_changes_nothing(current, service):
    assert set(current.engine.up().changes) == {"same"}


def test_destroy_leaves_nothing_behind(current, service):
    current.engine.destroy()
    assert current.engine.resources() in ([], None) or all(
        resource["type"] == "pulumi:pulumi:Stack" for resource in current.engine.resources()
    )
    assert current.region.machines() == []
    session.down(NAME)
    assert leftovers(NAME) == []
