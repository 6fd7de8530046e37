"""The provider's end in the middle of its work: what has begun is waited for, nothing else begins."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from pulumi.runtime.proto import provider_pb2, provider_pb2_grpc

from sandbox.hardware import CommandResult
from sandbox.provider import network, operations
from sandbox.provider.cloud import Cloud
from sandbox.provider.server import serve
from sandbox.provider.values import Props, to_struct
from tests.region import SCRIPT, RecordingHardware

DEADLINE_S = 30


class Slow(RecordingHardware):
    """Its commands go on until they are interrupted, and then until they are `let_go`."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.let_go = threading.Event(), threading.Event()
        self.over = False

    def run_command(self, instance_id: str, content: bytes, timeout_s: int) -> CommandResult:
        super().run_command(instance_id, content, timeout_s)
        self.begun.set()
        assert self.interrupted.wait(DEADLINE_S)
        assert self.let_go.wait(DEADLINE_S)
        self.over = True
        return CommandResult(exit_code=-2, output="interrupted")


@contextmanager
def engine(port: int) -> Iterator[Any]:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield provider_pb2_grpc.ResourceProviderStub(channel)


def create(engine: Any, token: str, **props: Any) -> provider_pb2.CreateResponse:
    made: provider_pb2.CreateResponse = engine.Create(
        provider_pb2.CreateRequest(urn=f"urn:pulumi:dev::web::{token}::it", properties=to_struct(props))
    )
    return made


def invoke(engine: Any) -> provider_pb2.CreateResponse:
    return create(engine, operations.INVOCATION, commandId="c-1", instanceIds=["i-1"])


@pytest.fixture
def hardware() -> Slow:
    return Slow()


@pytest.fixture
def cloud(tmp_path: Path, hardware: Slow) -> Cloud:
    """A region with a machine and a command."""
    made = Cloud(directory=tmp_path, hardware=hardware)
    command: Props = {"commandContent": SCRIPT, "timeout": 600}
    with made.store.transaction() as inventory:
        inventory.put(network.INSTANCE, "i-1", {"status": "Running"})
        inventory.put(operations.COMMAND, "c-1", command)
    return made


def test_the_end_of_the_server_waits_for_a_command_that_is_under_way(cloud: Cloud, hardware: Slow) -> None:
    with ThreadPoolExecutor(1) as pool:
        with serve(cloud) as port, engine(port) as talking:
            running: Future[Any] = pool.submit(invoke, talking)
            assert hardware.begun.wait(DEADLINE_S)
            threading.Timer(0.2, hardware.let_go.set).start()
        assert hardware.over
        with pytest.raises(grpc.RpcError):
            running.result(DEADLINE_S)
    (held,) = cloud.store.snapshot().all(operations.INVOCATION).values()
    assert held["status"] == "Failed"


def test_after_an_interrupt_what_runs_ends_and_nothing_new_begins(cloud: Cloud, hardware: Slow) -> None:
    with serve(cloud) as port, engine(port) as talking, ThreadPoolExecutor(1) as pool:
        running: Future[Any] = pool.submit(invoke, talking)
        assert hardware.begun.wait(DEADLINE_S)
        cloud.interrupted.set()
        with pytest.raises(grpc.RpcError, match="interrupted: not begun"):
            create(talking, network.VPC, vpcName="web")
        hardware.let_go.set()
        with pytest.raises(grpc.RpcError, match="Failed to reach target status"):
            running.result(DEADLINE_S)
    assert not cloud.store.snapshot().all(network.VPC)


def test_a_region_is_served_again_after_an_interrupt(cloud: Cloud) -> None:
    cloud.interrupted.set()
    with serve(cloud):
        pass
    with serve(cloud) as port, engine(port) as talking:
        assert create(talking, network.VPC, vpcName="web").id
