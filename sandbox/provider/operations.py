"""What is kept and run: OOS secret parameters, Cloud Assistant commands, timers in a ROS stack."""

import base64
import binascii
import re
import uuid

from sandbox.hardware import CommandResult, HardwareError
from sandbox.provider.cloud import Cloud, now
from sandbox.provider.errors import CloudError, HalfMadeError
from sandbox.provider.kind import Change, Kind, apply, check_tags, existing, only
from sandbox.provider.network import INSTANCE
from sandbox.provider.store import new_id
from sandbox.provider.values import Props

SECRET = "alicloud:oos/secretParameter:SecretParameter"  # noqa: S105 - a type token
COMMAND = "alicloud:ecs/command:Command"
INVOCATION = "alicloud:ecs/ecsInvocation:EcsInvocation"
ROS_STACK = "alicloud:ros/stack:Stack"

_COMMAND_BYTES = 24 * 1024  # Base64 (facts/alibaba-cloud.md section 8)
_TAIL = 4000  # characters
_FAILED = "Failed to reach target status. Last status: Failed."


def _check_secret(props: Props) -> None:
    name = props["secretParameterName"]
    if re.fullmatch(r"[A-Za-z0-9/_-]{2,180}", name) is None or name.lower().startswith(
        ("aliyun", "acs", "alibaba", "alicloud", "oos/")
    ):
        raise CloudError("InvalidParameter", f"The parameter name {name!r} is not valid.")
    if not 1 <= len(props["value"]) <= 4096:
        raise CloudError("InvalidParameter", f"The value of {name!r} is not 1 to 4096 characters long.")


def _create_secret(cloud: Cloud, props: Props) -> str:
    name = str(props["secretParameterName"])
    with cloud.call("CreateSecretParameter", props, subject=name) as inventory:
        check_tags(props)
        _check_secret(props)
        if inventory.get(SECRET, name) is not None:
            raise CloudError("EntityAlreadyExists.Parameter", f"The parameter {name!r} already exists.")
        inventory.put(SECRET, name, {"type": "Secret", "createTime": now(), **props})
        _store_secret(cloud, props)
    return name


def _update_secret(cloud: Cloud, change: Change) -> None:
    with cloud.call("UpdateSecretParameter", change.inputs, subject=change.id) as inventory:
        check_tags(change.inputs)
        _check_secret(change.inputs)
        apply(inventory, SECRET, change)
        _store_secret(cloud, change.inputs)


def _store_secret(cloud: Cloud, props: Props) -> None:
    if cloud.hardware is not None:
        cloud.hardware.put_secret(props["secretParameterName"], props["value"])


def _delete_secret(cloud: Cloud, name: str, _state: Props) -> None:
    with cloud.call("DeleteSecretParameter", {}, subject=name) as inventory:
        inventory.remove(SECRET, name)
        if cloud.hardware is not None:
            cloud.hardware.delete_secret(name)


def _create_command(cloud: Cloud, props: Props) -> str:
    with cloud.call("CreateCommand", props, subject=str(props["name"])) as inventory:
        content = props["commandContent"]
        if len(content) > _COMMAND_BYTES:
            raise CloudError("CmdContent.ExceedLimit", f"{len(content)} bytes of Base64 is over {_COMMAND_BYTES}.")
        try:
            base64.b64decode(content, validate=True)
        except binascii.Error as error:
            raise CloudError("CmdContent.DecodeError", "The command's content is not Base64.") from error
        id_ = new_id("c", cloud.region_id)
        outputs = {"enableParameter": False, "timeout": 60, **props}
        inventory.put(COMMAND, id_, outputs)
    try:
        with cloud.call("DescribeCommands", {}, subject=id_):
            pass
    except CloudError as error:  # facts/engine.md, trap 5
        raise HalfMadeError(id_, outputs, str(error)) from error
    return id_


def _delete_command(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteCommand", {}, subject=id_) as inventory:
        inventory.remove(COMMAND, id_)


def _invoke(cloud: Cloud, props: Props) -> str:
    with cloud.call("InvokeCommand", props, subject=props["commandId"]) as inventory:
        command = existing(inventory, COMMAND, props["commandId"])
        for instance_id in props["instanceIds"]:
            status = existing(inventory, INSTANCE, instance_id)["status"]
            if status != "Running":
                raise CloudError("InvalidInstance.NotRunning", f"{instance_id} is {status}, not Running.")
        id_ = new_id("t", cloud.region_id)
        inventory.put(INVOCATION, id_, {"repeatMode": "Once", "status": "Running", **props})
    status = "Success" if _run(cloud, id_, command, props["instanceIds"]) else "Failed"
    with cloud.call("DescribeInvocations", {}, subject=id_) as inventory:
        record = existing(inventory, INVOCATION, id_)
        record["status"] = status
    if status == "Failed":
        raise HalfMadeError(id_, record, _FAILED)
    return id_


def _run(cloud: Cloud, id_: str, command: Props, instance_ids: list[str]) -> bool:
    """Run the command on each machine; whether all succeeded. What they printed is kept in `invocations/`."""
    if cloud.hardware is None:
        return True
    content = base64.b64decode(command["commandContent"])
    good = True
    for instance_id in instance_ids:
        try:
            result = cloud.hardware.run_command(instance_id, content, command["timeout"])
        except HardwareError as problem:  # no agent answers: the cloud gives the invocation up
            result = CommandResult(exit_code=-1, output=str(problem))
        directory = cloud.directory / "invocations"
        directory.mkdir(exist_ok=True)
        (directory / f"{id_}.{instance_id}.log").write_text(result.output)
        (directory / f"{id_}.{instance_id}.status").write_text(str(result.exit_code))
        cloud.report(f"{id_} on {instance_id}: exit status {result.exit_code}\n{result.output[-_TAIL:]}")
        good = good and result.exit_code == 0
    return good


def get_invocations(cloud: Cloud, request: Props) -> Props:
    """Runs of a command with their exit status; without what they printed, as the real data source gives them."""
    with cloud.call("DescribeInvocations", request) as inventory:
        runs = inventory.where(INVOCATION, commandId=request["commandId"])
    found = []
    for id_, run in runs.items():
        paths = {one: cloud.directory / "invocations" / f"{id_}.{one}.status" for one in run["instanceIds"]}
        instances = [
            {"instanceId": one, "exitCode": int(path.read_text()), "output": ""}
            for one, path in paths.items()
            if path.exists()
        ]
        found.append({"id": id_, "invocationStatus": run["status"], "invokeInstances": instances})
    return {"ids": list(runs), "invocations": found}


def _stop_invocation(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("StopInvocation", {}, subject=id_) as inventory:
        existing(inventory, INVOCATION, id_)  # no not-found tolerance (provider.md section 4)
        inventory.remove(INVOCATION, id_)


def _create_timers(cloud: Cloud, props: Props) -> str:
    name = str(props["stackName"])
    with cloud.call("CreateStack", props, subject=name) as inventory:
        check_tags(props)
        if inventory.where(ROS_STACK, stackName=name):
            raise CloudError("StackExists", f"The stack {name!r} already exists.")
        id_ = str(uuid.uuid4())
        inventory.put(ROS_STACK, id_, {"status": "CREATE_COMPLETE", "timeoutInMinutes": 60, **props})
    return id_


def _update_timers(cloud: Cloud, change: Change) -> None:
    """A template alone is not sent (source: resource_alicloud_ros_stack.go); beside one of these it is."""
    if "tags" in change.changed:
        with cloud.call("TagResources", change.inputs, subject=change.id) as inventory:
            check_tags(change.inputs)
            apply(inventory, ROS_STACK, only(change, {"tags"}))
    sent = {"disableRollback", "parameters", "ramRoleName", "stackPolicyBody", "timeoutInMinutes"}
    if change.changed & sent:
        with cloud.call("UpdateStack", change.inputs, subject=change.id) as inventory:
            apply(inventory, ROS_STACK, change)


def _delete_timers(cloud: Cloud, id_: str, _state: Props) -> None:
    with cloud.call("DeleteStack", {}, subject=id_) as inventory:
        inventory.remove(ROS_STACK, id_)


KINDS = (
    Kind(
        token=SECRET,
        create=_create_secret,
        update=_update_secret,
        delete=_delete_secret,
        computed=("createTime",),
    ),
    Kind(token=COMMAND, create=_create_command, delete=_delete_command),
    Kind(token=INVOCATION, create=_invoke, delete=_stop_invocation, computed=("status",)),
    Kind(
        token=ROS_STACK,
        create=_create_timers,
        update=_update_timers,
        delete=_delete_timers,
        computed=("status",),
    ),
)
