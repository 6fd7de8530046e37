"""Runs a Pulumi program without engine, account or network, and keeps everything that it declares.

The real `__main__.py` runs against a monitor of our own. Where pulumi's `MockMonitor` sees a resource's inputs only,
this one keeps the whole registration, and it refuses what a real engine or cloud would not answer.
"""

import asyncio
import contextvars
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from google.protobuf import empty_pb2, struct_pb2
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import mocks
from pulumi.runtime import settings as pulumi_settings
from pulumi.runtime import stack as pulumi_stack
from pulumi.runtime.proto import resource_pb2

from infra import effects
from ops import resource_types, values

P = ParamSpec("P")
T = TypeVar("T")

STACK_TYPE = "pulumi:pulumi:Stack"


class RecordingError(Exception):
    """The program declares or asks something that the stand-in does not know, or declares it twice."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """A resource's options, as the engine would get them. `depends_on` holds URNs, from properties or explicit."""

    protect: bool
    retain_on_delete: bool
    delete_before_replace: bool | None
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    additional_secret_outputs: tuple[str, ...]
    aliases: tuple[str, ...]
    custom_timeouts: Mapping[str, str]
    depends_on: tuple[str, ...]
    deleted_with: str | None
    replace_with: tuple[str, ...]
    provider: str | None


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One registration. `inputs` are the provider's (camelCase), secrets and unknowns marked as in `ops.values`.

    `parent` is a URN (the stack's for a top-level resource); `property_dependencies` tells which input waits for
    which resources; `outputs` are a component's registered outputs.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    outputs: dict[str, Any]
    options: Options
    property_dependencies: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class LogEntry:
    """A line of `pulumi.log`; `level` is `warning` or `error`."""

    level: str
    message: str


@dataclass(frozen=True, kw_only=True)
class Recording:
    """Everything that a program declared, in the order of its declarations."""

    project: str
    stack: str
    preview: bool
    resources: tuple[Resource, ...]
    outputs: dict[str, Any]
    log: tuple[LogEntry, ...]


class _InOrder(ThreadPoolExecutor):
    """Runs each call of the monitor at once, in the caller's thread: the same program gives the same recording."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 (as an executor does; asyncio raises it where it is awaited)
            future.set_exception(error)
        return future


class _LogKeeper(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.entries: list[LogEntry] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.entries.append(LogEntry(record.levelname.lower(), record.getMessage()))


class _NoMocks(mocks.Mocks):
    """`MockMonitor` wants one; ours answers from its tables instead."""

    def call(self, args: mocks.MockCallArgs) -> Any:
        raise RecordingError(f"the program calls {args.token}, which the recorder does not answer")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        raise RecordingError(f"the program reads {args.typ} {args.name!r}, which the recorder does not answer")


class RecordingMonitor(mocks.MockMonitor):
    """The engine's side of the protocol. Every property of a registration is kept, in `requests`, by URN."""

    def __init__(self, *, preview: bool, answers: Mapping[str, resource_types.Answer]) -> None:
        super().__init__(_NoMocks())
        self._preview = preview
        self._answers = answers
        self.requests: dict[str, resource_pb2.RegisterResourceRequest] = {}
        self.outputs: dict[str, dict[str, Any]] = {}

    def make_urn(self, parent: str, type_: str, name: str) -> str:
        """URN with the whole chain of parent types, as the engine makes it."""
        parent_type = parent.split("::")[2] if parent else STACK_TYPE
        qualified = type_ if parent_type == STACK_TYPE else f"{parent_type}${type_}"
        head = f"urn:pulumi:{pulumi_settings.get_stack()}::{pulumi_settings.get_project()}"
        return f"{head}::{qualified}::{name}"

    def RegisterResource(  # noqa: N802 (the protocol's name)
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        if urn in self.requests:
            raise RecordingError(f"two resources of type {request.type} are called {request.name!r}: {urn}")
        self.requests[urn] = request
        state = struct_pb2.Struct()
        state.CopyFrom(request.object)
        if not request.custom:
            return resource_pb2.RegisterResourceResponse(urn=urn, object=state)
        if request.type not in effects.known_types():
            raise RecordingError(
                f"{request.name!r} is of the type {request.type}, which infra/effects.py does not know"
            )
        if self._preview:  # an empty id, and outputs that are not there, are unknown to the program
            return resource_pb2.RegisterResourceResponse(urn=urn, object=state)
        if (computed := resource_types.COMPUTED.get(request.type)) is not None:
            state.update(computed(request.name, values.from_struct(request.object)))
        return resource_pb2.RegisterResourceResponse(urn=urn, id=f"{request.name}-id", object=state)

    def RegisterResourceOutputs(  # noqa: N802 (the protocol's name)
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> empty_pb2.Empty:
        self.outputs[request.urn] = values.from_struct(request.outputs)
        return empty_pb2.Empty()

    def Invoke(  # noqa: N802 (the protocol's name)
        self, request: resource_pb2.ResourceInvokeRequest
    ) -> resource_pb2.ResourceInvokeResponse:
        answer = self._answers.get(request.tok)
        if answer is None:
            raise RecordingError(f"the program asks {request.tok}, which ops/resource_types.py does not answer")
        response = resource_pb2.ResourceInvokeResponse()
        getattr(response, "return").update(answer(values.from_struct(request.args)))
        return response

    def recorded(self) -> tuple[Resource, ...]:
        """All registrations but the stack's own."""
        return tuple(
            _resource(urn, request, self.outputs.get(urn, {}))
            for urn, request in self.requests.items()
            if request.type != STACK_TYPE
        )


def _resource(urn: str, request: resource_pb2.RegisterResourceRequest, outputs: dict[str, Any]) -> Resource:
    timeouts = request.customTimeouts
    return Resource(
        urn=urn,
        type=request.type,
        name=request.name,
        parent=request.parent,
        custom=request.custom,
        inputs=values.from_struct(request.object),
        outputs=outputs,
        property_dependencies={
            key: tuple(sorted(item.urns)) for key, item in sorted(request.propertyDependencies.items())
        },
        options=Options(
            protect=request.protect,
            retain_on_delete=request.retainOnDelete,
            delete_before_replace=request.deleteBeforeReplace if request.deleteBeforeReplaceDefined else None,
            ignore_changes=tuple(request.ignoreChanges),
            replace_on_changes=tuple(request.replaceOnChanges),
            additional_secret_outputs=tuple(request.additionalSecretOutputs),
            aliases=(*request.aliasURNs, *(alias.urn or alias.spec.name for alias in request.aliases)),
            custom_timeouts={
                step: text for step in ("create", "update", "delete", "read") if (text := str(getattr(timeouts, step)))
            },
            depends_on=tuple(sorted(request.dependencies)),
            deleted_with=request.deletedWith or None,
            replace_with=tuple(sorted(request.replace_with)),
            provider=request.provider or None,
        ),
    )


def record(
    program: Callable[[], object],
    *,
    project: str,
    stack: str,
    config: Mapping[str, str],
    secret_keys: Iterable[str] = (),
    preview: bool = True,
    answers: Mapping[str, resource_types.Answer] | None = None,
) -> Recording:
    """Run `program` as one preview (unknown ids) or update (every id known) of a stack that does not exist yet.

    `config` holds full keys (`alicloud:region`) and texts, structured values as JSON. `answers` replaces answers of
    data sources. Each call has an event loop and runtime state of its own; what the program raises is raised here,
    and `RecordingError` where it declares something twice or unknown.
    """

    def run() -> Recording:
        monitor = RecordingMonitor(preview=preview, answers={**resource_types.ANSWERS, **(answers or {})})
        keeper = _LogKeeper()
        logger = logging.Logger("pulumi program")  # noqa: LOG001 (not shared: its lines belong to this recording)
        logger.addHandler(keeper)
        pulumi_settings.configure(
            pulumi_settings.Settings(
                project,
                stack,
                monitor,
                mocks.MockEngine(logger),
                dry_run=preview,
                organization="organization",
            )
        )
        pulumi_config.set_all_config(dict(config), list(secret_keys))
        _drain(program)
        root = monitor.make_urn("", STACK_TYPE, f"{project}-{stack}")
        return Recording(
            project=project,
            stack=stack,
            preview=preview,
            resources=monitor.recorded(),
            outputs=monitor.outputs.get(root, {}),
            log=tuple(keeper.entries),
        )

    return contextvars.copy_context().run(run)


def _drain(program: Callable[[], object]) -> None:
    """Run the program inside a stack until every registration has landed. What it returns is nobody's."""

    def run() -> None:
        program()

    loop = asyncio.new_event_loop()
    executor = _InOrder(max_workers=1)
    loop.set_default_executor(executor)
    # The first failure is raised below; asyncio would print it again for each output that depended on it.
    loop.set_exception_handler(lambda _loop, _context: None)
    asyncio.set_event_loop(loop)
    try:
        loop.run_until_complete(pulumi_stack.run_in_stack(run))
    finally:
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        asyncio.set_event_loop(None)
        loop.close()
