"""The processes that outlive `pulumi up`.

`python -m sandbox.supervisor services STATE` answers as everything that boxes call;
`python -m sandbox.supervisor machine STATE INSTANCE` is the power of one machine.
"""

import asyncio
import os
import secrets
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from aiohttp import web

from sandbox.hardware import HardwareError
from sandbox.machine import run_machine
from sandbox.network import FRONT, METADATA, RESOLVER, inside, listen, namespace_path, region_namespace
from sandbox.process import read_process
from sandbox.services import acme
from sandbox.services.authority import Authority
from sandbox.services.faults import FaultPlan
from sandbox.services.front import Front
from sandbox.services.metadata import Metadata
from sandbox.services.names import Lookup, NameService
from sandbox.services.origins import PEBBLE_PORT, REGISTRY_PORT, Origins, Releases, origins
from sandbox.services.rpc import Endpoints
from sandbox.state import Sources, Store, write, write_bytes

CHILD_DEADLINE_S = 30.0


class Services:
    """The services of one region, all listening in its namespace."""

    def __init__(self, store: Store) -> None:
        region = store.read_region()
        if region is None:
            raise HardwareError(f"{store.directory}: no sandbox there")
        self._store = store
        self._sources: Sources = region.sources
        self._namespace = region_namespace(region.name)
        self._authority = Authority(store.authority)
        self._key = _session_key(store.authority / "session.key")

    async def serve(self) -> None:
        """Serve until SIGTERM. A server that ends by itself ends all, so that nobody talks to half a region."""
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        self._store.log.mkdir(parents=True, exist_ok=True)
        async with AsyncExitStack() as stack:
            inner = await stack.enter_async_context(self._inner_session())
            outer = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False, trust_env=True))
            metrics = self._store.log / "metrics.jsonl"
            releases = Releases(self._sources, self._store.releases)
            internet = origins(releases, inner, outer, Endpoints(self._store, self._key, metrics))
            await self._serve_names(internet)
            faults = FaultPlan(self._store.faults)
            front = Front(internet, faults, self._store.log / "front.jsonl").application()
            await self._serve_http(stack, front, FRONT, 80)
            await self._serve_http(stack, front, FRONT, 443, self._authority.server_context())
            await self._serve_http(stack, Metadata(self._store, self._key, faults).application(), METADATA, 80)
            children = [await self._start_registry(), await self._start_pebble()]
            try:
                await self._await_answer(inner, f"http://127.0.0.1:{REGISTRY_PORT}/v2/")
                await self._await_answer(inner, f"https://127.0.0.1:{PEBBLE_PORT}/dir")
                root = await self._await_answer(inner, f"https://127.0.0.1:{acme.MANAGEMENT_PORT}/roots/0")
                write_bytes(self._store.acme_root, root, mode=0o644)
                write(self._store.services, read_process(os.getpid()))
                waiting = [asyncio.ensure_future(child.wait()) for child in children]
                await asyncio.wait([*waiting, asyncio.ensure_future(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
            finally:
                for child in children:
                    if child.returncode is None:
                        child.kill()
                        await child.wait()

    def _inner_session(self) -> aiohttp.ClientSession:
        def connect(address: aiohttp.AddrInfoType) -> socket.socket:
            with inside(self._namespace):
                return socket.socket(address[0], address[1], address[2])

        trust = ssl.create_default_context(cafile=str(self._authority.certificate_file))
        trust.check_hostname = False  # Pebble's certificate is for localhost, it is asked by its address
        connector = aiohttp.TCPConnector(ssl=trust, socket_factory=connect, limit=0)
        return aiohttp.ClientSession(connector=connector, auto_decompress=False)

    async def _serve_http(
        self,
        stack: AsyncExitStack,
        application: web.Application,
        address: str,
        port: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.SockSite(runner, listen(self._namespace, address, port, socket.SOCK_STREAM), ssl_context=tls).start()

    async def _serve_names(self, internet: Origins) -> None:
        def for_machines(name: str) -> str | None:
            return FRONT if internet.find(name) is not None else None

        def for_acme(_: str) -> str | None:
            addresses = self._store.all_addresses()
            return addresses[-1].address if addresses else None

        await self._serve_dns(for_machines, 53, "names.jsonl")
        await self._serve_dns(for_acme, acme.ACME_RESOLVER_PORT, "acme-names.jsonl")

    async def _serve_dns(self, lookup: Lookup, port: int, log: str) -> None:
        path = self._store.log / log
        await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: NameService(lookup, path), sock=listen(self._namespace, RESOLVER, port, socket.SOCK_DGRAM)
        )

    async def _start_registry(self) -> asyncio.subprocess.Process:
        config = self._store.directory / "registry.yml"
        config.write_text(
            "version: 0.1\n"
            f"storage: {{filesystem: {{rootdirectory: {self._sources.registry_storage}}},"
            " maintenance: {readonly: {enabled: true}}}\n"
            f"http: {{addr: '127.0.0.1:{REGISTRY_PORT}'}}\n"
            "log: {level: warn}\n"
        )
        return await self._start(self._sources.registry, ["serve", str(config)], {})

    async def _start_pebble(self) -> asyncio.subprocess.Process:
        arguments = acme.configure(self._store.acme, self._authority)
        return await self._start(self._sources.pebble, arguments, acme.ENVIRONMENT)

    async def _start(self, program: Path, arguments: list[str], env: dict[str, str]) -> asyncio.subprocess.Process:
        with (self._store.log / f"{program.name}.log").open("ab") as log:
            return await asyncio.create_subprocess_exec(
                "nsenter",
                f"--net={namespace_path(self._namespace)}",
                str(program),
                *arguments,
                stdout=log,
                stderr=log,
                env=os.environ | env,
            )

    async def _await_answer(self, session: aiohttp.ClientSession, url: str) -> bytes:
        async with asyncio.timeout(CHILD_DEADLINE_S):
            while True:
                try:
                    async with session.get(url) as answer:
                        answer.raise_for_status()
                        return await answer.read()
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)


def _session_key(path: Path) -> bytes:
    if not path.exists():
        write_bytes(path, secrets.token_bytes(32))
    return path.read_bytes()


def main(arguments: list[str]) -> None:
    """Run as one of the two processes."""
    commands: dict[str, Callable[..., None]] = {
        "services": lambda store: asyncio.run(Services(store).serve()),
        "machine": run_machine,
    }
    command, directory, *rest = arguments
    commands[command](Store(Path(directory)), *rest)


if __name__ == "__main__":
    main(sys.argv[1:])
