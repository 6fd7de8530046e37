"""RAM: what the instance may do, and who else."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from policy.model import UNKNOWN, Demands, Level, Resource, ResourceRule, Stack, StackRule

ROLE: Final = frozenset({"alicloud:ram/role:Role", "alicloud:resourcemanager/role:Role"})
WHOLE_POLICY: Final = frozenset({"alicloud:ram/policy:Policy", "alicloud:resourcemanager/policy:Policy"})
POLICY: Final = WHOLE_POLICY | {"alicloud:resourcemanager/policyVersion:PolicyVersion"}
# The one resource of these that attaches to a role, a group or a user alike; `principalType` says to which.
ANY_ATTACHMENT: Final = "alicloud:resourcemanager/policyAttachment:PolicyAttachment"
ATTACHMENTS: Final = frozenset(
    {
        "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment",
        "alicloud:ram/userPolicyAttachment:UserPolicyAttachment",
        "alicloud:ram/groupPolicyAttachment:GroupPolicyAttachment",
        ANY_ATTACHMENT,
    }
)
LONG_LIVED: Final = frozenset(
    {
        "alicloud:ram/user:User",
        "alicloud:ram/accessKey:AccessKey",
        "alicloud:ram/loginProfile:LoginProfile",
        "alicloud:ram/userPolicyAttachment:UserPolicyAttachment",
        ANY_ATTACHMENT,
    }
)
# Modules whose `roleName` is a RAM role; others have accounts and roles of their own. `ramRoleName` is one anywhere.
ROLE_MODULES: Final = ("alicloud:ecs/", "alicloud:ess/", "alicloud:ram/")
# The instance, and the timers that stop and start it.
TRUSTED: Final = (["ecs.aliyuncs.com"], ["oos.aliyuncs.com"])
UNSCOPED: Final = {"cms:PutCustomMetric"}  # the cloud knows no resources for these


def _statements(resource: Resource, *documents: str) -> Iterator[Mapping[str, Any]]:
    """What the resource's documents allow, be `Statement` a list or one object; and the deprecated `statements`."""
    for text in (resource.inputs.get(key) for key in documents):
        if isinstance(text, str) and text != UNKNOWN:
            found = json.loads(text).get("Statement", ())
            yield from (one for one in ([found] if isinstance(found, Mapping) else found) if _allows(one))
    for one in _several(resource.inputs.get("statements")):
        if one != UNKNOWN and _allows(one):
            yield {"Action": one.get("actions"), "Resource": one.get("resources")}


def _allows(statement: Mapping[str, Any]) -> bool:
    return bool(statement.get("Effect", statement.get("effect")) != "Deny")


def _several(value: Any) -> Sequence[Any]:
    """A value that may stand alone, as a list; nothing of one that is not known yet."""
    if value == UNKNOWN:
        return ()
    return value if isinstance(value, Sequence) and not isinstance(value, str) else [value] if value else ()


def _narrow(policy: Resource, _: Demands) -> Iterator[str]:
    for statement in _statements(policy, "policyDocument", "document"):
        actions = _several(statement.get("Action"))
        if not statement.get("Action"):
            yield "allows all actions but some (NotAction); name each action"
        for action in actions:
            if re.search(r"[*?]", action):
                yield f"allows {action}; name each action"
        if actions and set(actions) <= UNSCOPED:
            continue
        if not statement.get("Resource"):
            yield "allows all resources but some (NotResource, or no Resource); name each resource"
        for resource in _several(statement.get("Resource")):
            # The end names the thing: acs:oos:region:*:secretparameter/name; only what is before may be left open.
            if resource != UNKNOWN and re.search(r"[*?][^:/]*$", resource):
                yield f"allows {resource}; end the resource with a whole name"


def _no_system_policy(attachment: Resource, _: Demands) -> Iterator[str]:
    if attachment.inputs.get("policyType") == "System":
        yield f"attaches {attachment.inputs.get('policyName')}, written for everything; attach a policy of its own"


def _trust(role: Resource, _: Demands) -> Iterator[str]:
    """By a document, or by the deprecated `services` and `ramUsers`."""
    trusted = [one.get("Principal") for one in _statements(role, "assumeRolePolicyDocument", "document")]
    if services := _several(role.inputs.get("services")):
        trusted.append({"Service": services})
    if users := _several(role.inputs.get("ramUsers")):
        trusted.append({"RAM": users})
    for principal in trusted:
        only = principal if isinstance(principal, Mapping) and principal.keys() == {"Service"} else {}
        if list(_several(only.get("Service"))) not in TRUSTED:
            yield f"may be taken on by {json.dumps(principal)}; trust one service, {TRUSTED[0][0]} or {TRUSTED[1][0]}"


def _own(stack: Stack) -> Iterator[tuple[str | None, str]]:
    """Names are compared: an attachment holds nothing else of what it attaches."""
    roles = {name for one in stack.resources if one.type in ROLE for name in _named(one, "roleName", "name")}
    policies = {
        name for one in stack.resources if one.type in WHOLE_POLICY for name in _named(one, "policyName", "name")
    }
    for resource in stack.resources:
        if resource.type in ROLE:
            continue
        keys = ("ramRoleName", "roleName") if resource.type.startswith(ROLE_MODULES) else ("ramRoleName",)
        for name in _named(resource, *keys):
            if name not in roles:
                yield resource.urn, f"takes the role {name}, which the stack does not declare; declare one of its own"
        if resource.type in ATTACHMENTS and resource.inputs.get("policyType") == "Custom":
            for name in _named(resource, "policyName"):
                if name not in policies:
                    yield (
                        resource.urn,
                        f"attaches the policy {name}, which the stack does not declare; declare one of its own",
                    )


def _named(resource: Resource, *keys: str) -> Iterator[str]:
    """The values of these keys, as far as there are any and they are known."""
    yield from (value for key in keys if (value := resource.inputs.get(key)) and value != UNKNOWN)


def _long_lived(resource: Resource, _: Demands) -> Iterator[str]:
    if resource.type == ANY_ATTACHMENT:
        if resource.inputs.get("principalType") == "IMSUser":
            yield "attaches a policy to a user, whose credentials do not end; attach it to a role"
        return
    yield f"is a {resource.type.rsplit(':', 1)[-1]}: a credential that does not end; use a role"


RULES: Final = (
    ResourceRule(
        id="policy-is-narrow",
        level=Level.MANDATORY,
        title="A RAM policy names its actions and resources",
        why="Whoever takes over the application gets what the instance's role may do.",
        covers=("KICS e8e62026", "Prowler ram_policy_no_administrative_privileges", "CIS 1.15"),
        beyond="`service:*`, NotAction, NotResource, `*` or `?` at a resource's end; the lists look for `*:*`",
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
    StackRule(
        id="own-roles-and-policies",
        level=Level.MANDATORY,
        title="A role that is taken on, and a policy that is attached, is one that the stack declares",
        why="What one that exists already allows, no rule here has looked at: the instance's scope would be anybody's.",
        beyond="no list looks at the scope of an instance's role",
        check=_own,
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
