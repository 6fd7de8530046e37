"""Commands on the box through Cloud Assistant: RunCommand, then its result."""

import base64
import uuid
from dataclasses import dataclass
from typing import Any, Final

from ops import terminal
from ops.cloud.client import Cloud, dig
from ops.cloud.errors import NotPossibleError, OpsError

# RunCommand: at most 24 KB in Base64.
CONTENT_LIMIT: Final = 24 * 1024
POLL_S = 1.0
# Beside the command's own time-out: the agent's delivery.
DELIVERY_S = 60
_ENDED: Final = ("Success", "Failed", "Error", "Timeout", "Cancelled", "Stopped", "Aborted", "Invalid", "Terminated")


@dataclass(frozen=True)
class Result:
    """`output` is standard output and standard error together; `exit_code` is None where the command never ran."""

    output: str
    exit_code: int | None
    status: str
    dropped: int


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
            "    fix: python -m ops status; wait a minute after a start"
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
    invocation = str(started.body["InvokeId"])
    try:
        return terminal.wait_for(
            what, lambda: _poll(cloud, instance_id, invocation), timeout_s=timeout_s + DELIVERY_S, every_s=POLL_S
        )
    except (KeyboardInterrupt, OpsError):
        cloud.call("ecs", "StopInvocation", RegionId=cloud.region, InvokeId=invocation, InstanceId=[instance_id])
        raise


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
    if result.get("ErrorCode") and result.get("ExitCode") is None:
        raise OpsError(f"Cloud Assistant: {result['ErrorCode']}: {result.get('ErrorInfo') or 'no reason given'}")
    code = result.get("ExitCode")
    output = base64.b64decode(result.get("Output") or "").decode(errors="replace")
    return Result(output, None if code is None else int(code), status, int(result.get("Dropped") or 0)), status
