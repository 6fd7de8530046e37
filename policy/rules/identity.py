"""RAM: what the instance may do, and who else."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from policy.model import UNKNOWN, Demands, Level, Resource, ResourceRule

ROLE: Final = frozenset({"alicloud:ram/role:Role"})
POLICY: Final = frozenset({"alicloud:ram/policy:Policy"})
ATTACHMENTS: Final = frozenset(
    {
        "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment",
        "alicloud:ram/userPolicyAttachment:UserPolicyAttachment",
        "alicloud:ram/groupPolicyAttachment:GroupPolicyAttachment",
    }
)
LONG_LIVED: Final = frozenset(
    {
        "alicloud:ram/user:User",
        "alicloud:ram/accessKey:AccessKey",
        "alicloud:ram/loginProfile:LoginProfile",
        "alicloud:ram/userPolicyAttachment:UserPolicyAttachment",
    }
)
# The instance, and the timers that stop and start it.
TRUSTED: Final = (["ecs.aliyuncs.com"], ["oos.aliyuncs.com"])
UNSCOPED: Final = {"cms:PutCustomMetric"}  # the cloud knows no resources for these


def _statements(text: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(text, str) and text != UNKNOWN:
        yield from json.loads(text).get("Statement", ())


def _several(value: Any) -> Sequence[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _narrow(policy: Resource, _: Demands) -> Iterator[str]:
    for statement in _statements(policy.inputs.get("policyDocument", policy.inputs.get("document"))):
        if statement.get("Effect") != "Allow":
            continue
        for action in _several(statement.get("Action")) or ["NotAction"]:
            if "*" in action or action == "NotAction":
                yield f"allows {action}; name each action"
        if set(_several(statement.get("Action"))) <= UNSCOPED:
            continue
        for resource in _several(statement.get("Resource")):
            # The end names the thing: acs:oos:region:*:secretparameter/name; only the account may be left open.
            if re.search(r"(^|[:/])\*$", resource):
                yield f"allows {resource}; end the resource with a name"


def _no_system_policy(attachment: Resource, _: Demands) -> Iterator[str]:
    if attachment.inputs.get("policyType") == "System":
        yield f"attaches {attachment.inputs.get('policyName')}, written for everything; attach a policy of its own"


def _trust(role: Resource, _: Demands) -> Iterator[str]:
    for statement in _statements(role.inputs.get("assumeRolePolicyDocument", role.inputs.get("document"))):
        principal = statement.get("Principal", {})
        if principal.keys() != {"Service"} or _several(principal["Service"]) not in TRUSTED:
            yield f"may be taken on by {json.dumps(principal)}; trust one service, {TRUSTED[0][0]} or {TRUSTED[1][0]}"


def _long_lived(resource: Resource, _: Demands) -> Iterator[str]:
    yield f"is a {resource.type.rsplit(':', 1)[-1]}: a credential that does not end; use a role"


RULES: Final = (
    ResourceRule(
        id="policy-is-narrow",
        level=Level.MANDATORY,
        title="A RAM policy names its actions and resources",
        why="Whoever takes over the application gets what the instance's role may do.",
        covers=("KICS e8e62026", "Prowler ram_policy_no_administrative_privileges", "CIS 1.15"),
        beyond="`service:*`, and `*` as the last part of a resource; the lists look for `*:*` only",
        types=POLICY,
        check=_narrow,
    ),
    ResourceRule(
        id="no-system-policy",
        level=Level.MANDATORY,
        title="No policy of the cloud's own is attached",
        why="AliyunOOSFullAccess and its like cover the whole account.",
        covers=("Prowler ram_policy_no_administrative_privileges", "CIS 1.15"),
        beyond="every system policy, not only AdministratorAccess",
        types=ATTACHMENTS,
        check=_no_system_policy,
    ),
    ResourceRule(
        id="role-trusts-one-service",
        level=Level.MANDATORY,
        title="A role trusts ECS or OOS, and nobody else",
        why="Another principal would read the secrets without being the instance.",
        beyond="no list has it",
        types=ROLE,
        check=_trust,
    ),
    ResourceRule(
        id="no-long-lived-credentials",
        level=Level.MANDATORY,
        title="No RAM user, access key, or policy attached to a user",
        why="The program needs none: people sign in to Open WebUI, the instance has a role.",
        covers=("KICS 66505003", "Prowler ram_policy_attached_only_to_group_or_roles", "CIS 1.16"),
        beyond="the users and keys themselves",
        types=LONG_LIVED,
        check=_long_lived,
    ),
)
