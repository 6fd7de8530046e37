"""`ops start`, `stop` and `restart`: say what it means, ask, do it, and wait until it is so."""

from typing import Any, Final

from infra.settings import Settings
from ops import instance, stack_settings, terminal
from ops.cloud.client import Cloud
from ops.cloud.errors import NotPossibleError, OpsError
from ops.instance import Instance

WAIT_S: Final = 600.0
POLL_S: Final = 3.0
MEANING: Final = {
    "start": "starts the instance; billing of a pay-as-you-go machine begins again",
    "stop": "stops the instance: nobody can use the service until it is started again",
    "restart": "restarts the instance: the service is away for some minutes",
}
STOP_CHARGING: Final = (
    "its vCPUs and GPU are given back and no longer billed (disks and address are);\n"
    "    if the zone has none left, it cannot start again: --keep keeps and pays them"
)


def run(what: str, stack: str, *, keep: bool, yes: bool, as_json: bool) -> int:
    """Start, stop or restart the stack's instance; return the exit status."""

    def command() -> int:
        settings = stack_settings.load(stack)
        cloud = Cloud(settings.region, stack=settings.stack)
        document = power(what, settings, cloud, keep=keep, yes=yes)
        billed = what == "stop" and not keep and document["stoppedMode"] == "KeepCharging"
        terminal.emit(
            document,
            lambda shown: _text(shown, billed=billed),
            as_json=as_json,
            following=_following(document, stack, billed=billed),
        )
        return terminal.FINDINGS if billed else terminal.OK

    return terminal.guarded(command)


def power(what: str, settings: Settings, cloud: Cloud, *, keep: bool, yes: bool) -> dict[str, Any]:
    """The document of ops/schemas/power.json.

    Raises OpsError where the answer is no, or the machine does not get there in ten minutes.
    """
    found = instance.required(cloud, settings)
    if what == "restart" and found.status != "Running":
        fix = "start" if found.status == "Stopped" else "status"
        raise NotPossibleError(
            f"{found.id} is {found.status}: only a running machine can be restarted\n"
            f"    fix: python -m ops {fix} --stack {settings.stack}"
        )
    goal = "Stopped" if what == "stop" else "Running"
    changed = False
    if what == "restart" or found.status != goal:
        terminal.confirm(_announced(what, found, keep=keep), yes=yes)
        _ask_cloud(what, cloud, found, keep=keep)
        found, changed = _wait(what, goal, settings, cloud), True
    return {
        "stack": settings.stack,
        "instanceId": found.id,
        "status": found.status,
        "stoppedMode": found.stopped_mode,
        "changed": changed,
    }


def _announced(what: str, found: Instance, *, keep: bool) -> str:
    text = f"{found.id} ({found.facts.get('InstanceType')}, {found.status}): {MEANING[what]}"
    return f"{text};\n    {STOP_CHARGING}" if what == "stop" and _gives_back(found, keep=keep) else text


def _gives_back(found: Instance, *, keep: bool) -> bool:
    return not keep and found.facts.get("InstanceChargeType") == "PostPaid"


def _ask_cloud(what: str, cloud: Cloud, found: Instance, *, keep: bool) -> None:
    if what == "start":
        cloud.call("ecs", "StartInstance", InstanceId=found.id)
    elif what == "restart":
        cloud.call("ecs", "RebootInstance", InstanceId=found.id)
    else:
        mode = "StopCharging" if _gives_back(found, keep=keep) else None
        if keep and found.facts.get("InstanceChargeType") == "PostPaid":
            mode = "KeepCharging"
        cloud.call("ecs", "StopInstance", InstanceId=found.id, StoppedMode=mode)


def _wait(what: str, goal: str, settings: Settings, cloud: Cloud) -> Instance:
    left = what != "restart"

    def poll() -> tuple[Instance | None, str]:
        nonlocal left
        found = instance.find(cloud, settings)
        if found is None:
            raise OpsError("the instance is gone")
        left = left or found.status != goal  # a restart begins where it ends: wait until it has gone down
        return (found if left and found.status == goal else None), found.status

    try:
        return terminal.wait_for(what, poll, timeout_s=WAIT_S, every_s=POLL_S)
    except OpsError as error:
        raise OpsError(f"{error}\n    fix: python -m ops status --stack {settings.stack}") from error


def _text(document: terminal.Document, *, billed: bool) -> str:
    changed = "" if document["changed"] else " (nothing changed)"
    text = f"{document['instanceId']} is {document['status']}{changed}"
    why = ", and its vCPUs and GPU are still billed: it was stopped with KeepCharging, which only a new stop changes"
    return f"{text}{why}" if billed else text


def _following(document: terminal.Document, stack: str, *, billed: bool) -> str:
    if billed:
        return f"python -m ops start --stack {stack} && python -m ops stop --stack {stack}"
    return f"python -m ops {'start' if document['status'] == 'Stopped' else 'status'} --stack {stack}"
