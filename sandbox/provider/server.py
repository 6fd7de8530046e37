"""The provider as the engine talks to it: gRPC, in this process (`PULUMI_DEBUG_PROVIDERS=alicloud:PORT`)."""

# ruff: noqa: N802, ARG002 - names and arguments are the protocol's

import random
import string
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NoReturn, TypeVar

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime.proto import (
    ResourceProviderServicer,
    engine_pb2,
    engine_pb2_grpc,
    plugin_pb2,
    provider_pb2,
    provider_pb2_grpc,
    status_pb2,
)

from sandbox.provider import address, identity, instance, monitoring, network, operations, storage
from sandbox.provider.checks import check
from sandbox.provider.cloud import Cloud
from sandbox.provider.diff import changed, replacing
from sandbox.provider.errors import CloudError, HalfMadeError
from sandbox.provider.functions import FUNCTIONS
from sandbox.provider.kind import Change, Kind
from sandbox.provider.values import UNKNOWN, Props, from_struct, to_struct

_VERSION = "4.0.0"
_THREADS = 32  # the engine's parallel operations, some of which wait for a machine
_MESSAGE_BYTES = 400 * 1024 * 1024  # as the engine's own servers

KINDS: dict[str, Kind] = {
    kind.token: kind
    for module in (network, identity, storage, address, operations, monitoring, instance)
    for kind in module.KINDS
}
# facts/provider.md section 1: only a non-deprecated `name` is made up by the bridge.
_AUTONAMED = frozenset({operations.COMMAND, monitoring.ALARM})

T = TypeVar("T")


class Provider(ResourceProviderServicer):
    """One region, as `alicloud`. `show_output` sends what commands print to the engine's diagnostics, too."""

    def __init__(self, cloud: Cloud, *, show_output: bool = False) -> None:
        self._cloud = cloud
        self._engine: engine_pb2_grpc.EngineStub | None = None
        if show_output:
            cloud.report = self._log

    # The engine's housekeeping.

    def Attach(self, request: plugin_pb2.PluginAttach, context: grpc.ServicerContext) -> empty_pb2.Empty:
        self._engine = engine_pb2_grpc.EngineStub(grpc.insecure_channel(request.address))
        return empty_pb2.Empty()

    def Handshake(
        self, request: provider_pb2.ProviderHandshakeRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ProviderHandshakeResponse:
        return provider_pb2.ProviderHandshakeResponse()

    def GetPluginInfo(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> plugin_pb2.PluginInfo:
        return plugin_pb2.PluginInfo(version=_VERSION)

    def GetSchema(
        self, request: provider_pb2.GetSchemaRequest, context: grpc.ServicerContext
    ) -> provider_pb2.GetSchemaResponse:
        return provider_pb2.GetSchemaResponse(schema="{}")

    def CheckConfig(
        self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext
    ) -> provider_pb2.CheckResponse:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        return provider_pb2.DiffResponse(changes=provider_pb2.DiffResponse.DIFF_NONE)

    def Configure(
        self, request: provider_pb2.ConfigureRequest, context: grpc.ServicerContext
    ) -> provider_pb2.ConfigureResponse:
        region = request.variables.get("alicloud:config:region")
        if region:
            self._cloud.region_id = region
        # Without acceptSecrets the engine keeps a property secret by the name of the input that was.
        return provider_pb2.ConfigureResponse(supportsPreview=True)

    def Cancel(self, request: empty_pb2.Empty, context: grpc.ServicerContext) -> empty_pb2.Empty:
        # Comes at the end of every operation, too; who interrupts one says so to the cloud.
        return empty_pb2.Empty()

    # The resources.

    def Check(self, request: provider_pb2.CheckRequest, context: grpc.ServicerContext) -> provider_pb2.CheckResponse:
        token = _token(request.urn)
        _kind(token, context)
        inputs = from_struct(request.news)
        if token in _AUTONAMED and not inputs.get("name"):
            old = from_struct(request.olds).get("name")
            inputs["name"] = old or _autoname(request.urn, request.randomSeed)
        failures = [
            provider_pb2.CheckFailure(property=refusal.property, reason=refusal.reason)
            for refusal in check(token, inputs)
        ]
        return provider_pb2.CheckResponse(inputs=to_struct(inputs), failures=failures)

    def Diff(self, request: provider_pb2.DiffRequest, context: grpc.ServicerContext) -> provider_pb2.DiffResponse:
        token = _token(request.urn)
        news = from_struct(request.news)
        names = changed(token, from_struct(request.olds), from_struct(request.old_inputs), news, request.ignoreChanges)
        replaces = replacing(token, names)
        kinds = provider_pb2.PropertyDiff
        return provider_pb2.DiffResponse(
            changes=provider_pb2.DiffResponse.DIFF_SOME if names else provider_pb2.DiffResponse.DIFF_NONE,
            diffs=sorted(names),
            replaces=sorted(replaces),
            detailedDiff={
                name: kinds(kind=kinds.UPDATE_REPLACE if name in replaces else kinds.UPDATE, inputDiff=True)
                for name in names
            },
            hasDetailedDiff=True,
        )

    def Create(self, request: provider_pb2.CreateRequest, context: grpc.ServicerContext) -> provider_pb2.CreateResponse:
        kind = _kind(_token(request.urn), context)
        inputs = from_struct(request.properties)
        if request.preview:
            outputs = {**dict.fromkeys(kind.computed, UNKNOWN), **inputs}
            return provider_pb2.CreateResponse(properties=to_struct(outputs))
        id_ = self._answer(context, lambda: kind.create(self._cloud, inputs))
        return provider_pb2.CreateResponse(id=id_, properties=to_struct(self._outputs(kind, id_)))

    def Read(self, request: provider_pb2.ReadRequest, context: grpc.ServicerContext) -> provider_pb2.ReadResponse:
        kind = _kind(_token(request.urn), context)
        if kind.observe is not None:
            kind.observe(self._cloud, request.id)
        outputs = self._cloud.store.snapshot().get(kind.token, request.id)
        if outputs is None:
            return provider_pb2.ReadResponse()
        old = from_struct(request.inputs)
        inputs = {name: outputs.get(name, value) for name, value in old.items()}
        return provider_pb2.ReadResponse(
            id=request.id, properties=to_struct(outputs), inputs=to_struct(inputs or outputs)
        )

    def Update(self, request: provider_pb2.UpdateRequest, context: grpc.ServicerContext) -> provider_pb2.UpdateResponse:
        kind = _kind(_token(request.urn), context)
        state, inputs = from_struct(request.olds), from_struct(request.news)
        if request.preview:
            return provider_pb2.UpdateResponse(properties=to_struct({**state, **inputs}))
        names = changed(kind.token, state, from_struct(request.old_inputs), inputs, request.ignoreChanges)
        change = Change(id=request.id, state=state, inputs=inputs, changed=names)

        def update() -> None:
            if kind.update is None:
                raise CloudError("NotSupported", "doesn't support update")  # SDKv2 resource.go:983
            if not names:
                return  # an init error alone: no call (facts/engine.md, trap 1)
            try:
                kind.update(self._cloud, change)
            except CloudError as error:
                # SDKv2 keeps every old value after a failed update, and the bridge an init error.
                raise HalfMadeError(request.id, state, str(error)) from error

        self._answer(context, update)
        return provider_pb2.UpdateResponse(properties=to_struct(self._outputs(kind, request.id)))

    def Delete(self, request: provider_pb2.DeleteRequest, context: grpc.ServicerContext) -> empty_pb2.Empty:
        kind = _kind(_token(request.urn), context)
        self._answer(context, lambda: kind.delete(self._cloud, request.id, from_struct(request.properties)))
        return empty_pb2.Empty()

    def Invoke(self, request: provider_pb2.InvokeRequest, context: grpc.ServicerContext) -> provider_pb2.InvokeResponse:
        function = FUNCTIONS.get(request.tok)
        if function is None:
            _abort(context, f"{request.tok}: the sandbox does not stand in for this function (functions.py)")
        arguments = from_struct(request.args)
        response = provider_pb2.InvokeResponse()
        # The field's name is a keyword.
        found = self._answer(context, lambda: function(self._cloud, arguments))
        getattr(response, "return").CopyFrom(to_struct(found))
        return response

    def _answer(self, context: grpc.ServicerContext, action: Callable[[], T]) -> T:
        if self._cloud.interrupted.is_set():
            _abort(context, "interrupted: not begun")
        return _answer(context, action)

    def _outputs(self, kind: Kind, id_: str) -> Props:
        return self._cloud.store.snapshot().get(kind.token, id_) or {}

    def _log(self, text: str) -> None:
        if self._engine is not None:
            self._engine.Log(engine_pb2.LogRequest(severity=engine_pb2.INFO, message=text))


@contextmanager
def serve(cloud: Cloud, *, show_output: bool = False) -> Iterator[int]:
    """Serve the region on a free port of the loopback interface, which is handed out, until the block ends: then
    with every handler that had begun, so that nothing is made any more.
    """
    options = [
        ("grpc.max_receive_message_length", _MESSAGE_BYTES),
        ("grpc.max_send_message_length", _MESSAGE_BYTES),
    ]
    handlers = ThreadPoolExecutor(max_workers=_THREADS)
    server = grpc.server(handlers, options=options)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(Provider(cloud, show_output=show_output), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield port
    finally:
        cloud.interrupted.set()
        server.stop(grace=None).wait()
        handlers.shutdown()  # the server waits for its calls' ends, not for those who answer them
        cloud.interrupted.clear()


def _token(urn: str) -> str:
    """The type of a resource out of its URN: `urn:pulumi:STACK::PROJECT::PARENT$TYPE::NAME`."""
    return urn.split("::")[2].rsplit("$", 1)[-1]


def _kind(token: str, context: grpc.ServicerContext) -> Kind:
    if token not in KINDS:
        _abort(context, f"{token}: the sandbox does not stand in for this type of resource (sandbox/provider)")
    return KINDS[token]


def _autoname(urn: str, seed: bytes) -> str:
    letters = random.Random(seed).choices(string.hexdigits[:16], k=7)  # noqa: S311 - a name, not a secret
    return f"{urn.rsplit('::', 1)[-1]}-{''.join(letters)}"


def _answer(context: grpc.ServicerContext, action: Callable[[], T]) -> T:
    """Run an action; turn its errors into what the engine understands."""
    try:
        return action()
    except CloudError as error:
        _abort(context, str(error))
    except HalfMadeError as error:
        detail = provider_pb2.ErrorResourceInitFailed(
            id=error.resource_id, properties=to_struct(error.outputs), reasons=[error.reason]
        )
        status = status_pb2.Status(code=grpc.StatusCode.UNKNOWN.value[0], message=error.reason)
        status.details.add().Pack(detail)
        context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
        _abort(context, error.reason)
    except Exception:  # noqa: BLE001 - what gRPC says of it tells nothing; this is a fault of the sandbox
        _abort(context, f"the sandbox's provider failed:\n{traceback.format_exc()}")


def _abort(context: grpc.ServicerContext, message: str) -> NoReturn:
    context.abort(grpc.StatusCode.UNKNOWN, message)
    raise AssertionError  # abort raises; this tells the type checker
