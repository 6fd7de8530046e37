"""docs/ram/*.json and docs/permissions.md, from the table in actions.py."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from infra.identity import role_policy
from scripts.docs import actions
from scripts.docs.actions import Extra, Row, Scope

PROJECT = "open-webui"
LIMIT = 6144  # characters of a custom policy (help page "Limitations" of RAM, 2025-12)
ATTACHED = 5  # custom policies of a role, before a quota is raised (same page)
Statement = dict[str, Any]


def documents() -> dict[str, str]:
    """File name in docs/ram -> JSON text, indented for people."""
    policies = {
        "previewer": policy(previewer()),
        "deployer": policy(deployer()),
        "operator": policy(operator()),
        "instance-role": instance_role(),
    }
    return {f"{name}.json": json.dumps(content, indent=2) + "\n" for name, content in policies.items()}


def policy(statements: Iterable[Statement]) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def previewer() -> Iterator[Statement]:
    """Look at everything the program makes; secrets only under the project's name."""
    rows = [row for row in actions.TABLE if row.scope is not Scope.NAMED]
    looks = (*(row.read for row in rows), *(extra.actions for extra in actions.PREVIEWER))
    yield _allow(looks, actions.ANY)
    for names in _distinct(row.names for row in actions.TABLE if row.scope is Scope.NAMED):
        yield _allow((row.read for row in actions.TABLE if row.names == names), names)


def deployer() -> Iterator[Statement]:
    """Make and change; attach it together with previewer."""
    yield _allow((row.make for row in actions.TABLE if row.scope is not Scope.REGION), actions.ANY)
    yield _allow((row.change for row in actions.TABLE if row.scope is Scope.TAGGED), actions.ANY, tagged=True)
    # A command has no tags; the machine that it runs on has.
    yield _allow(("ecs:InvokeCommand",), ("acs:ecs:*:*:command/*",))
    for names in _distinct(row.names for row in actions.TABLE if row.scope is not Scope.TAGGED):
        rows = [row for row in actions.TABLE if row.names == names]
        yield _allow((f"{row.make if row.scope is Scope.REGION else ''} {row.change}" for row in rows), names)
    yield from map(_extra, actions.DEPLOYER)


def operator() -> Iterator[Statement]:
    """What `python -m ops` calls around `pulumi up`."""
    yield from map(_extra, actions.OPERATOR)


def instance_role() -> dict[str, object]:
    """What infra/identity.py gives the instance of the stack `dev`, in any region, alarms and all."""
    names = tuple(f"{PROJECT}-dev/{what}" for what in ("admin-password", "data-disk"))
    return role_policy("*", names, reports_readiness=True)


def _extra(extra: Extra) -> Statement:
    statement = _allow((extra.actions,), extra.names, tagged=extra.tagged)
    if extra.service:
        statement["Condition"] = {"StringEquals": {"acs:Service": extra.service}}
    return statement


def _allow(lists: Iterable[str], names: tuple[str, ...], *, tagged: bool = False) -> Statement:
    statement: Statement = {
        "Effect": "Allow",
        "Action": sorted({action for text in lists for action in text.split()}),
        "Resource": [name.format(project=PROJECT) for name in names],
    }
    if tagged:
        statement["Condition"] = {"StringEquals": {"acs:ResourceTag/project": PROJECT}}
    return statement


def _distinct(groups: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(groups))


HEAD = f"""\
# Permissions

<!-- Made by `make docs` from scripts/docs/actions.py and infra/identity.py. -->

Four policies, for four identities. Create each as a custom policy (RAM console → Policies → JSON) and attach it:

| policy | who | what |
|---|---|---|
| [ram/previewer.json](ram/previewer.json) | CI on pull requests; drift detection | looks, changes nothing |
| [ram/deployer.json](ram/deployer.json) | CI on merge, or you; **with** previewer | `pulumi up`, `pulumi destroy` |
| [ram/operator.json](ram/operator.json) | whoever runs `python -m ops …` | status, prices, start and stop, commands |
| [ram/instance-role.json](ram/instance-role.json) | the instance; the program makes it | its secrets, a metric |

They are written for the project name `{PROJECT}` (Pulumi.yaml) in every region. With another name, replace it in all.
None of them has been tried on a live account: a refusal names the missing action, and a report of it is welcome.

## How far each permission reaches

- **Tags.** What exists is changed only where it has the tag `project={PROJECT}`, which the program sets everywhere.
- **Names.** Roles, policies and secrets are reached only where their names begin with `{PROJECT}-`.
- **Neither.** Making a resource, looking at it, alarms and ROS stacks cannot be narrowed in these ways; Cloud Assistant
  commands only to `command/*`, snapshots by hand only to `snapshot/*`. Granting on a resource group instead of the
  account does not work: the program puts nothing into one.
- **Limits of this.** Who may tag can tag a stranger's resource and then change it; who may make a role and pass it on
  can give the instance more than it should have. Against mistakes this is enough. Against the deployer itself only an
  account of its own is.
- The previewer reads the stack's secrets, because a refresh compares them. Without drift detection, strike
  `oos:GetSecretParameter` and `kms:GetSecretValue`.
- **`doctor`** also tries the purchase, as a dry run (`ecs:RunInstances`, `vpc:CreateVpc`): that check asks whether the
  deployer could, and needs the deployer's policy. With the operator's alone it reports a missing permission.
  The runbooks' `aliyun` lines that change the machine itself need the deployer's policy, too.

A custom policy holds {LIMIT} characters without blanks; a test keeps each below that.
"""


def page() -> str:
    """docs/permissions.md."""
    return "\n".join([HEAD, *_types(), *_extras(), *_never(), ""])


def _types() -> Iterator[str]:
    yield "## By resource type\n"
    yield "Sources are files of terraform-provider-alicloud, which pulumi-alicloud carries.\n"
    yield "| type | for | look | make | change, delete | reaches | source |"
    yield "|---|---|---|---|---|---|---|"
    for row in actions.TABLE:
        cells = (
            f"`{row.type.rsplit(':', 1)[-1]}`", row.what, _code(row.read), _code(row.make), _code(row.change),
            _reach(row), row.source,
        )  # fmt: skip
        yield f"| {' | '.join(cells)} |"


def _reach(row: Row) -> str:
    names = ", ".join(f"`{name.format(project=PROJECT)}`" for name in row.names if name != "*")
    return f"{row.scope.value.replace('PROJECT', PROJECT)}{f': {names}' if names else ''}"


def _extras() -> Iterator[str]:
    for title, extras in (
        ("deployer, beside the table", actions.DEPLOYER),
        ("previewer, beside the table", actions.PREVIEWER),
        ("operator", actions.OPERATOR),
    ):
        yield f"\n## {title[0].upper()}{title[1:]}\n"
        yield "| for | actions | only | source |"
        yield "|---|---|---|---|"
        for extra in extras:
            yield f"| {extra.what} | {_code(extra.actions)} | {_only(extra)} | {extra.source} |"


def _never() -> Iterator[str]:
    yield "\n## Not granted\n"
    yield "What the provider can call for these types, and this program never makes it call.\n"
    yield "| actions | why not |"
    yield "|---|---|"
    for names, why in actions.NEVER.items():
        yield f"| {_code(names)} | {why} |"


def _only(extra: Extra) -> str:
    if extra.tagged:
        return f"with the tag `project={PROJECT}`"
    names = ", ".join(f"`{name.format(project=PROJECT)}`" for name in extra.names if name != "*")
    return " ".join(filter(None, (names, f"for {extra.service}" if extra.service else "")))


def _code(text: str) -> str:
    return "<br>".join(f"`{action}`" for action in text.split())
