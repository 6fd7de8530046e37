"""One way to call any action of the services that the commands use, with the documented names and shapes.

`Cloud.call("ecs", "DescribeImages", RegionId=…)` builds the SDK's own request model, which knows every parameter of
the action, and returns the answer as documented: a parameter that the model does not know is an error here, not a
silent loss. Credentials come from the SDKs' default chain, endpoints from the SDKs, or from the environment:
`ALIBABA_CLOUD_ENDPOINT_ECS=https://ecs.ap-southeast-1.aliyuncs.com` (also VPC, BSS, OOS, STS).
"""

import importlib
import logging
import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from ops.cloud import credentials
from ops.cloud.errors import NETWORK, NO_FIELD, CloudError, NotPossibleError, innermost

PACKAGES: Final = {
    "ecs": "alibabacloud_ecs20140526",
    "vpc": "alibabacloud_vpc20160428",
    "bss": "alibabacloud_bssopenapi20171214",
    "oos": "alibabacloud_oos20190601",
    "sts": "alibabacloud_sts20150401",
}
# The two sites keep their accounts apart, and a region does not tell whose account it is.
BSS_SITES: Final = ("business.aliyuncs.com", "business.ap-southeast-1.aliyuncs.com")
CONNECT_MS, READ_MS = 5_000, 30_000
ATTEMPTS, FIRST_PAUSE_MS, LONGEST_PAUSE_MS = 5, 500, 10_000
PAGE: Final = 50
INSTALL: Final = "install them: .venv/bin/python -m pip install -r requirements-ops.txt"


@dataclass(frozen=True)
class Answer:
    """`body` as documented; `date` is the service's clock, an HTTP date."""

    body: Mapping[str, Any]
    date: str | None = None


@dataclass(frozen=True)
class Cloud:
    """The services of one region, each client made when it is first called; `stack` is what hints name."""

    region: str
    attempts: int = ATTEMPTS
    stack: str | None = None
    _clients: dict[tuple[str, str], Any] = field(default_factory=dict, repr=False, compare=False)

    def call(self, service: str, action: str, /, **parameters: Any) -> Answer:
        """Call an action; None means "not given". Throttling, server faults and lost connections are tried again.

        Raises CloudError, and NotPossibleError without SDKs or credentials.
        """
        given = {name: _documented(value) for name, value in parameters.items() if value is not None}
        if service != "bss" or endpoint("bss"):
            return self._call(service, action, given, endpoint(service))
        first = self._client("bss", None)._endpoint  # noqa: SLF001 - the SDK has no other word for it
        sites = sorted(BSS_SITES, key=lambda site: site != first)
        try:
            return self._call(service, action, given, sites[0])
        except CloudError as error:
            if not error.code.startswith("NotApplicable"):
                raise
        return self._call(service, action, given, sites[1])

    def pages(self, service: str, action: str, items: tuple[str, ...], /, **parameters: Any) -> Iterator[Any]:
        """Every item of all pages of an action that pages by `NextToken`; `items` is their path in the answer."""
        token: str | None = None
        while True:
            body = self.call(service, action, MaxResults=PAGE, NextToken=token, **parameters).body
            yield from dig(body, *items, default=[])
            token = body.get("NextToken") or dig(body, "Data", "NextToken")
            if not token:
                return

    def numbered_pages(self, service: str, action: str, items: tuple[str, ...], /, **parameters: Any) -> Iterator[Any]:
        """The same of an action that pages by `PageNumber`."""
        number, seen = 1, 0
        while True:
            body = self.call(service, action, PageSize=PAGE, PageNumber=number, **parameters).body
            page = dig(body, *items, default=[])
            yield from page
            seen, number = seen + len(page), number + 1
            if not page or seen >= int(body.get("TotalCount") or 0):
                return

    def _call(self, service: str, action: str, parameters: dict[str, Any], address: str | None) -> Answer:
        client = self._client(service, address)
        runtime = load("darabonba.runtime").RuntimeOptions(connect_timeout=CONNECT_MS, read_timeout=READ_MS)
        request = _request(PACKAGES[service], action, parameters)
        method = getattr(client, _methods(type(client))[f"{action.lower()}withoptions"])
        arguments = (runtime,) if request is None else (request, runtime)
        try:
            answer = self._patiently(lambda: method(*arguments))
        except Exception as error:
            raise self._translated(f"{service}:{action}", error) from error
        body = answer.body.to_map()
        if body.get("Success") is False:  # BSS answers 200 and says it in the body
            code, message, request_id = (str(body.get(name) or "") for name in ("Code", "Message", "RequestId"))
            raise CloudError(f"{service}:{action}", code, message, request_id, self.stack)
        return Answer(body, (answer.headers or {}).get("date"))

    def _patiently(self, send: Callable[[], Any]) -> Any:
        """What a gateway answers, a page in place of JSON, is tried again as the SDK tries server faults in JSON."""
        for attempt in range(1, self.attempts):
            try:
                return send()
            except Exception as error:
                if _page(error) is None:
                    raise
                longest_ms = min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2**attempt)
                time.sleep(random.uniform(0, longest_ms) / 1000)  # noqa: S311 - a pause is no secret
        return send()

    def _translated(self, action: str, error: Exception) -> Exception:
        if isinstance(error, NotPossibleError):
            return error
        known = load("alibabacloud_tea_openapi.exceptions")
        if isinstance(error, known.AlibabaCloudException):
            said = dig(error.data, "Message") or dig(error.data, "message") or error.message
            request_id = "" if error.request_id in (None, "None") else str(error.request_id)
            return CloudError(action, str(error.code), str(said), request_id, stack=self.stack)
        if type(error).__name__ in ("UnretryableException", "RetryError"):
            page, host = _page(error), dig(getattr(getattr(error, "last_request", None), "headers", None), "host")
            why = innermost(error) if page is None else f"a page came in place of an answer: {page}"
            return CloudError(action, NETWORK, f"{why} ({host})" if host else why, stack=self.stack)
        return error

    def _client(self, service: str, address: str | None) -> Any:
        key = (service, address or "")
        if key not in self._clients:
            module = load(f"{PACKAGES[service]}.client")
            config = load("alibabacloud_tea_openapi.utils_models").Config(
                credential=self.credential, region_id=self.region, retry_options=_retry_options(self.attempts)
            )
            if address:
                scheme, _, host = address.rpartition("://")
                config.endpoint, config.protocol = host.rstrip("/"), scheme or "https"
            self._clients[key] = module.Client(config)
        return self._clients[key]

    @cached_property
    def credential(self) -> Any:
        """What the default chain found. Raises NotPossibleError."""
        logging.getLogger("credentials").disabled = True  # a traceback for every provider that has none
        found = load("alibabacloud_credentials.client").Client()
        try:
            found.get_credential()
        except load("alibabacloud_credentials.exceptions").CredentialException as error:
            raise credentials.refused(str(error)) from None
        return found


def endpoint(service: str) -> str | None:
    """The address that the environment gives to a service."""
    return os.environ.get(f"ALIBABA_CLOUD_ENDPOINT_{service.upper()}") or None


def dig(body: Any, *path: str, default: Any = None) -> Any:
    """The value at `path` of a documented answer, `default` where any part is missing: answers may be half empty."""
    for part in path:
        body = body.get(part) if isinstance(body, Mapping) else None
    return default if body is None else body


def needed(action: str, entry: Mapping[str, Any], name: str) -> str:
    """What an answer must hold to be of any use. Raises CloudError where it does not, or where it is empty."""
    if not entry.get(name):
        raise CloudError(action, NO_FIELD, f"the answer has no {name}")
    return str(entry[name])


def load(module: str) -> Any:
    """A module of requirements-ops.txt. Raises NotPossibleError where it is not installed."""
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise NotPossibleError(
            f"this command needs Alibaba Cloud's SDKs, and {error.name} is not installed\n    fix: {INSTALL}"
        ) from None


def _request(package: str, action: str, parameters: dict[str, Any]) -> Any:
    """The SDK's request model with these parameters, None for an action that takes none."""
    model = getattr(load(f"{package}.models"), f"{action}Request", None)
    if model is None and not parameters:
        return None
    if model is None:
        raise TypeError(f"{package} has no action {action} with parameters")
    request = model().from_map(parameters)
    if lost := _lost(parameters, request.to_map()):
        raise TypeError(f"{action} takes no {', '.join(lost)}")
    return request


def _lost(given: Any, known: Any, path: str = "") -> list[str]:
    if isinstance(given, Mapping):
        parts = [(f"{path}.{key}".lstrip("."), value, dig(known, key)) for key, value in given.items()]
        return [
            name
            for key, value, kept in parts
            for name in ([key] if kept is None and value is not None else _lost(value, kept, key))
        ]
    if isinstance(given, list):
        return [name for one, other in zip(given, known, strict=True) for name in _lost(one, other, path)]
    return []


def _documented(value: Any) -> Any:
    """Booleans as documented: the SDKs would send `True`, and a dry run must not depend on who reads that."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return [_documented(item) for item in value]
    return {key: _documented(item) for key, item in value.items()} if isinstance(value, dict) else value


def _methods(client: type) -> dict[str, str]:
    return {name.replace("_", ""): name for name in dir(client)}


def _retry_options(attempts: int) -> Any:
    """As the SDKs' guide advises: exponential pauses with jitter, and the service's own `x-acs-retry-after`."""
    retry = load("darabonba.policy.retry")
    backoff = {"policy": "FullJitter", "period": FIRST_PAUSE_MS, "cap": LONGEST_PAUSE_MS}
    condition = retry.RetryCondition(
        max_attempts=attempts,
        backoff=backoff,
        max_delay=LONGEST_PAUSE_MS,
        exception=["RetryError", "ThrottlingException", "ServerException"],  # lost connections, throttling, HTTP 5xx
        error_code=["Throttling", "Throttling.User", "Throttling.Api", "Throttling.Custom", "ServiceUnavailable"],
    )
    return retry.RetryOptions(retryable=True, retry_condition=[condition])


def _page(error: Exception) -> str | None:
    """The title of what came in place of JSON; None for any other error. The SDK has no class of its own for it."""
    text = str(getattr(error, "inner_exception", error))
    if "Failed to parse the value as json format" not in text:
        return None
    title = re.search(r"<title>\s*(.*?)\s*</title>", text, re.IGNORECASE | re.DOTALL)
    return title[1] if title else "nothing that can be read"
