"""The hosts that a box downloads from: which release is found where, and that every configured mirror is one."""

import asyncio
from http import HTTPStatus
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import make_mocked_request

from infra.box import HOSTS
from sandbox.services.origins import Origin, Origins, Releases, container_registry, github, origins, release_mirror
from sandbox.services.reply import Reply
from sandbox.services.rpc import Endpoints
from sandbox.state import Release, Sources, Store

OLLAMA = "/ollama/ollama/releases/download"
BLOB = f"/v2/open-webui/open-webui/blobs/sha256:{'0' * 64}"


@pytest.fixture
def releases(tmp_path: Path) -> Releases:
    """The parts' release pages, and one version more on Ollama's."""
    ollama, caddy = tmp_path / "ollama-linux-amd64.tar.zst", tmp_path / "caddy_2.0.0_linux_amd64.tar.gz"
    sources = Sources(
        root=tmp_path,
        apt_archives=tmp_path,
        ollama=Release(path=ollama, version="1.0.0"),
        caddy=Release(path=caddy, version="2.0.0"),
        registry_storage=tmp_path,
        registry=tmp_path,
        pebble=tmp_path,
    )
    page = tmp_path / "releases/ollama/ollama/1.0.1"
    page.mkdir(parents=True)
    for archive in (ollama, caddy, page / ollama.name):
        archive.touch()
    return Releases(sources, tmp_path / "releases")


def ask(origin: Origin, path: str) -> Reply:
    async def answer() -> Reply:
        return await origin(make_mocked_request("GET", path))

    return asyncio.run(answer())


@pytest.mark.parametrize(
    ("path", "found"),
    [
        (f"{OLLAMA}/v1.0.0/ollama-linux-amd64.tar.zst", "ollama-linux-amd64.tar.zst"),
        (f"{OLLAMA}/v1.0.1/ollama-linux-amd64.tar.zst", "releases/ollama/ollama/1.0.1/ollama-linux-amd64.tar.zst"),
        (f"{OLLAMA}/v1.0.2/ollama-linux-amd64.tar.zst", None),
        (f"{OLLAMA}/v1.0.0/ollama-linux-arm64.tgz", None),
        (
            "/caddyserver/caddy/releases/download/v2.0.0/caddy_2.0.0_linux_amd64.tar.gz",
            "caddy_2.0.0_linux_amd64.tar.gz",
        ),
        ("/somebody/else/releases/download/v1.0.0/ollama-linux-amd64.tar.zst", None),
        ("/ollama/ollama", None),
    ],
)
def test_a_release_is_found_by_its_version(releases: Releases, tmp_path: Path, path: str, found: str | None) -> None:
    assert releases.find(path) == (None if found is None else tmp_path / found)


def test_the_release_page_leads_elsewhere_and_a_mirror_of_it_does_not(releases: Releases) -> None:
    path = f"{OLLAMA}/v1.0.1/ollama-linux-amd64.tar.zst"
    assert ask(github(releases), path).headers["Location"].startswith("https://release-assets.")
    assert ask(release_mirror(releases), f"/https://github.com{path}").status == HTTPStatus.OK
    assert ask(release_mirror(releases), "/https://github.com/ollama/ollama").status == HTTPStatus.NOT_FOUND


def test_a_registry_asks_for_a_token_of_its_own_name(releases: Releases) -> None:
    async def refused() -> Reply:
        async with ClientSession() as session:
            return await container_registry(session, "http://127.0.0.1:1", "mirror.example", None)(
                make_mocked_request("GET", BLOB)
            )

    answer = asyncio.run(refused())
    assert answer.status == HTTPStatus.UNAUTHORIZED
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="https://mirror.example/token",service="mirror.example"'


def test_every_host_of_the_mirrors_presets_answers(releases: Releases, tmp_path: Path) -> None:
    async def made() -> Origins:
        async with ClientSession() as session:
            endpoints = Endpoints(Store(tmp_path), b"0" * 32, tmp_path / "metrics.jsonl")
            return origins(releases, session, session, endpoints)

    internet = asyncio.run(made())
    hosts = {host for bases, registry in HOSTS.values() for host in (*(base.split("/")[2] for base in bases), registry)}
    assert {"github.com", "ghcr.io"} < hosts
    assert [host for host in sorted(hosts) if internet.find(host) is None] == []
