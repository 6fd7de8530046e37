"""Commands on the box through Cloud Assistant: RunCommand, then its result."""

import base64
import sys
import uuid
from dataclasses import dataclass
from typing import Any, Final

from ops import terminal
from ops.cloud.client import Cloud, dig
from ops.cloud.errors import CloudError, NotPossibleError, OpsError, option

# RunCommand: at most 24 KB in Base64.
CONTENT_LIMIT: Final = 24 * 1024
POLL_S = 1.0
# Beside the command's own time-out: the agent's delivery.
DELIVERY_S = 60
_ENDED: Final = ("Success", "Failed", "Error", "Timeout", "Cancelled", "Stopped", "Aborted", "Invalid", "Terminated")


@dataclass(frozen=True)
class Result:
    """`output` is standard output and standard error together; `exit_code` is None where the command never ran.

    `failure` is why it did not, as Cloud Assistant tells it.
    """

    output: str
    exit_code: int | None
    status: str
    dropped: int
    failure: str | None = None


def require_agent(cloud: Cloud, instance_id: str) -> None:
    """Raises NotPossibleError where the agent on the box does not answer."""
    body = cloud.call("ecs", "DescribeCloudAssistantStatus", RegionId=cloud.region, InstanceId=[instance_id]).body
    path = ("InstanceCloudAssistantStatusSet", "InstanceCloudAssistantStatus")
    entries = dig(body, *path, default=[])
    state = dig(entries[0], "CloudAssistantStatus", default="false") if entries else "false"
    if str(state).lower() != "true":
        raise NotPossibleError(
            f"Cloud Assistant's agent on {instance_id} does not answer\n"
            "    why: the instance is stopped, still booting, or its agent is down\n"
            f"    fix: python -m ops status{option(cloud.stack)}; wait a minute after a start"
        )


def run(cloud: Cloud, instance_id: str, script: str, *, what: str, timeout_s: int = 60) -> Result:
    """Run a shell script as root and wait for its end. Raises CloudError, OpsError where it does not end in time."""
    content = base64.b64encode(script.encode()).decode()
    if len(content) > CONTENT_LIMIT:
        raise NotPossibleError(
            f"the command has {len(content)} bytes in Base64, Cloud Assistant takes {CONTENT_LIMIT}\n"
            "    fix: shorten it, or fetch a script from the box"
        )
    started = cloud.call(
        "ecs",
        "RunCommand",
        RegionId=cloud.region,
        InstanceId=[instance_id],
        Type="RunShellScript",
        CommandContent=content,
        ContentEncoding="Base64",
        KeepCommand=False,
        Timeout=timeout_s,
        ClientToken=str(uuid.uuid4()),  # a lost answer is asked for again: the command must not run twice
        Name="open-webui-ops",
    )
    invocation = dig(started.body, "InvokeId")
    if not invocation:
        raise OpsError("ecs:RunCommand gave no InvokeId: the command may run, its result cannot be asked for")
    try:
        result = terminal.wait_for(
            what, lambda: _poll(cloud, instance_id, str(invocation)), timeout_s=timeout_s + DELIVERY_S, every_s=POLL_S
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_stop(cloud, instance_id, str(invocation))) from None
    except OpsError:
        print(_stop(cloud, instance_id, str(invocation)), file=sys.stderr)
        raise
    if result.failure:
        raise OpsError(f"Cloud Assistant: {result.failure}")
    return result


def _stop(cloud: Cloud, instance_id: str, invocation: str) -> str:
    """Stop what runs on the box, and say whether that was accepted. It must not hide why it is to be stopped."""
    try:
        cloud.call("ecs", "StopInvocation", RegionId=cloud.region, InvokeId=invocation, InstanceId=[instance_id])
    except CloudError as error:
        return f"the command {invocation} may go on on {instance_id}, it could not be stopped: {error.line}"
    return f"the command {invocation} on {instance_id} was stopped"


def _poll(cloud: Cloud, instance_id: str, invocation: str) -> tuple[Result | None, str]:
    body = cloud.call(
        "ecs",
        "DescribeInvocationResults",
        RegionId=cloud.region,
        InvokeId=invocation,
        InstanceId=instance_id,
        ContentEncoding="Base64",
    ).body
    results: list[Any] = dig(body, "Invocation", "InvocationResults", "InvocationResult", default=[])
    if not results:
        return None, "not yet delivered"
    result = results[0]
    status = str(result.get("InvocationStatus") or "Pending")
    if status not in _ENDED:
        return None, status.lower()
    code = result.get("ExitCode")
    failure = None
    if result.get("ErrorCode") and code is None:
        failure = f"{result['ErrorCode']}: {result.get('ErrorInfo') or 'no reason given'}"
    output = base64.b64decode(result.get("Output") or "").decode(errors="replace")
    dropped = int(result.get("Dropped") or 0)
    return Result(output, None if code is None else int(code), status, dropped, failure), status
