"""RAM role, policy, their attachment, and the role of an instance."""

import json
import re

from sandbox.provider.cloud import ACCOUNT, Cloud, now
from sandbox.provider.errors import CloudError
from sandbox.provider.kind import Change, Kind, apply, check_tags, existing, modify
from sandbox.provider.network import INSTANCE
from sandbox.provider.store import Inventory
from sandbox.provider.values import Props

ROLE = "alicloud:ram/role:Role"
POLICY = "alicloud:ram/policy:Policy"
GRANT = "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment"
INSTANCE_ROLE = "alicloud:ecs/ramRoleAttachment:RamRoleAttachment"

_POLICY_BYTES = 6144


def _create_role(cloud: Cloud, props: Props) -> str:
    name = props.get("roleName") or props["name"]
    with cloud.call("CreateRole", props, subject=name) as inventory:
        check_tags(props)
        if re.fullmatch(r"[A-Za-z0-9.-]{1,64}", name) is None:
            raise CloudError(
                "InvalidParameter.RoleName.InvalidChars", f"The role name {name!r} takes letters, digits, . and -."
            )
        if inventory.get(ROLE, name) is not None:
            raise CloudError("EntityAlreadyExists.Role", f"The role {name!r} already exists.")
        trust = props.get("assumeRolePolicyDocument") or props.get("document")
        if trust is None:
            raise CloudError("MissingParameter", "At least one of 'assume_role_policy_document' must be set.")
        made = {"arn": f"acs:ram::{ACCOUNT}:role/{name.lower()}", "roleId": f"3{ACCOUNT}", "createTime": now()}
        defaults = {"maxSessionDuration": 3600, "roleName": name, "assumeRolePolicyDocument": trust}
        inventory.put(ROLE, name, {**made, **defaults, **props})
        return str(name)


def _delete_role(cloud: Cloud, name: str, state: Props) -> None:
    with cloud.call("DeleteRole", state, subject=name) as inventory:
        grants = list(inventory.where(GRANT, roleName=name))
        if grants and not state.get("force"):
            raise CloudError("DeleteConflict.Role.Policy", f"The role {name!r} still has {', '.join(grants)}.")
        users = list(inventory.where(INSTANCE_ROLE, ramRoleName=name))
        if users:  # the code is inferred
            raise CloudError("DeleteConflict.Role.Instance", f"The role {name!r} is used by {', '.join(users)}.")
        for grant in grants:
            inventory.remove(GRANT, grant)
        inventory.remove(ROLE, name)


def _create_policy(cloud: Cloud, props: Props) -> str:
    name = props.get("policyName") or props["name"]
    with cloud.call("CreatePolicy", props, subject=name) as inventory:
        check_tags(props)
        _check_policy(name, props)
        if inventory.get(POLICY, name) is not None:
            raise CloudError("EntityAlreadyExists.Policy", f"The policy {name!r} already exists.")
        made = {"type": "Custom", "defaultVersion": "v1", "versionId": "v1", "attachmentCount": 0}
        inventory.put(POLICY, name, {**made, "createTime": now(), "policyName": name, **props})
        return str(name)


def _check_policy(name: str, props: Props) -> None:
    if re.fullmatch(r"[A-Za-z0-9-]{1,128}", name) is None:
        raise CloudError("InvalidParameter.PolicyName.InvalidChars", f"{name!r} takes letters, digits and -.")
    document = props.get("policyDocument") or props.get("document")
    if document is None:
        raise CloudError("MissingParameter", "One of 'policy_document' must be specified.")
    if len(document.encode()) > _POLICY_BYTES:
        raise CloudError("LimitExceeded.Policy.Document", f"The document is longer than {_POLICY_BYTES} bytes.")
    statements = json.loads(document).get("Statement")
    if not statements:
        raise CloudError("MalformedPolicyDocument", f"The document of {name!r} has no Statement.")


def _update_policy(cloud: Cloud, change: Change) -> None:
    with cloud.call("CreatePolicyVersion", change.inputs, subject=change.id) as inventory:
        check_tags(change.inputs)
        _check_policy(change.id, change.inputs)
        apply(inventory, POLICY, change)
        for role in {grant["roleName"] for grant in inventory.where(GRANT, policyName=change.id).values()}:
            _renew_credentials(cloud, inventory, role)


def _delete_policy(cloud: Cloud, name: str, state: Props) -> None:
    with cloud.call("DeletePolicy", state, subject=name) as inventory:
        grants = list(inventory.where(GRANT, policyName=name))
        if grants and not state.get("force"):
            raise CloudError("DeleteConflict.Policy.Role", f"The policy {name!r} is in {', '.join(grants)}.")
        for grant in grants:
            inventory.remove(GRANT, grant)
        inventory.remove(POLICY, name)


def _create_grant(cloud: Cloud, props: Props) -> str:
    role, policy = props["roleName"], props["policyName"]
    id_ = f"role:{policy}:{props['policyType']}:{role}"
    with cloud.call("AttachPolicyToRole", props, subject=id_) as inventory:
        if inventory.get(ROLE, role) is None:
            raise CloudError("EntityNotExist.Role", f"The role {role!r} does not exist.")
        if props["policyType"] == "Custom" and inventory.get(POLICY, policy) is None:
            raise CloudError("EntityNotExist.Policy", f"The policy {policy!r} does not exist.")
        if inventory.get(GRANT, id_) is not None:
            raise CloudError("EntityAlreadyExists.Role.Policy", f"{policy!r} is already attached to {role!r}.")
        inventory.put(GRANT, id_, props)
        _renew_credentials(cloud, inventory, role)
    return id_


def _delete_grant(cloud: Cloud, id_: str, state: Props) -> None:
    with cloud.call("DetachPolicyFromRole", state, subject=id_) as inventory:
        inventory.remove(GRANT, id_)
        _renew_credentials(cloud, inventory, state["roleName"])


def _create_instance_role(cloud: Cloud, props: Props) -> str:
    role, instance_id = props["ramRoleName"], props["instanceId"]
    id_ = f"{instance_id}:{role}"
    with cloud.call("AttachInstanceRamRole", props, subject=id_) as inventory:
        check_instance_role(inventory, role)
        instance = existing(inventory, INSTANCE, instance_id)
        if instance.get("roleName") not in (None, "", role):  # one role an instance; the code is inferred
            raise CloudError("OperationDenied.RoleAttached", f"{instance_id} has role {instance['roleName']!r}.")
        instance["roleName"] = role
        inventory.put(INSTANCE_ROLE, id_, props)
        policy = effective_policy(inventory, role)
        if cloud.hardware is not None:
            cloud.hardware.attach_role(role, policy, instance_id)
    return id_


def _delete_instance_role(cloud: Cloud, id_: str, state: Props) -> None:
    with cloud.call("DetachInstanceRamRole", state, subject=id_) as inventory:
        instance = inventory.get(INSTANCE, state["instanceId"])
        inventory.remove(INSTANCE_ROLE, id_)
        if instance is None:
            return
        instance["roleName"] = ""
        if cloud.hardware is not None:
            cloud.hardware.detach_role(state["instanceId"])


def check_instance_role(inventory: Inventory, role: str) -> None:
    """Refuse a role that is not there, or that ECS may not take."""
    record = inventory.get(ROLE, role)
    if record is None:
        raise CloudError("EntityNotExist.Role", f"The role {role!r} does not exist.")
    if "ecs.aliyuncs.com" not in record["assumeRolePolicyDocument"]:
        raise CloudError("InvalidRamRole.NotEcsRole", f"The role {role!r} does not trust ecs.aliyuncs.com.")


def effective_policy(inventory: Inventory, role: str) -> str:
    """Merge the custom policies of a role into one document."""
    documents = [
        json.loads(policy.get("policyDocument") or policy["document"])
        for grant in inventory.where(GRANT, roleName=role).values()
        if (policy := inventory.get(POLICY, grant["policyName"])) is not None
    ]
    statements = [statement for document in documents for statement in document["Statement"]]
    return json.dumps({"Version": "1", "Statement": statements})


def _renew_credentials(cloud: Cloud, inventory: Inventory, role: str) -> None:
    """Give the machines with the role what it may do now."""
    if cloud.hardware is None:
        return
    for instance_id in inventory.where(INSTANCE, roleName=role):
        cloud.hardware.attach_role(role, effective_policy(inventory, role), instance_id)


KINDS = (
    Kind(
        token=ROLE,
        create=_create_role,
        update=modify("UpdateRole", ROLE),
        delete=_delete_role,
        computed=("arn", "roleId", "createTime"),
    ),
    Kind(
        token=POLICY,
        create=_create_policy,
        update=_update_policy,
        delete=_delete_policy,
        computed=("type", "defaultVersion", "versionId", "attachmentCount", "createTime"),
    ),
    Kind(token=GRANT, create=_create_grant, delete=_delete_grant),
    Kind(
        token=INSTANCE_ROLE,
        create=_create_instance_role,
        update=lambda _cloud, _change: None,  # source: "Cannot update", and no error
        delete=_delete_instance_role,
    ),
)
