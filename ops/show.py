"""A deployment for people: its tree, its outputs, what the box will run, and warnings."""

import io
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.rule import Rule
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from ops.compare import shown
from ops.values import SECRET_TEXT, UNKNOWN

Document = Mapping[str, Any]
PLAIN_WIDTH: Final = 100
NAME_WIDTH: Final = 32  # at most; longer ones are folded
TYPE_WIDTH: Final = 20
NEARLY_FULL: Final = 0.9  # of the limit on user-data; what is over it is refused before it gets here

# What decides how a resource behaves and what it costs; the rest is in the JSON.
DECISIVE: Final[Mapping[str, tuple[str, ...]]] = {
    "alicloud:cms/alarm:Alarm": ("metric", "period", "escalationsCritical", "escalationsWarn"),
    "alicloud:cms/alarmContact:AlarmContact": ("channelsMail",),
    "alicloud:cms/alarmContactGroup:AlarmContactGroup": ("contacts",),
    "alicloud:ecs/autoSnapshotPolicy:AutoSnapshotPolicy": ("repeatWeekdays", "timePoints", "retentionDays"),
    "alicloud:ecs/command:Command": ("type", "timeout"),
    "alicloud:ecs/ecsAutoSnapshotPolicyAttachment:EcsAutoSnapshotPolicyAttachment": ("diskId",),
    "alicloud:ecs/ecsDisk:EcsDisk": ("size", "category", "performanceLevel", "encrypted", "kmsKeyId", "snapshotId"),
    "alicloud:ecs/ecsDiskAttachment:EcsDiskAttachment": ("diskId", "instanceId"),
    "alicloud:ecs/ecsInvocation:EcsInvocation": ("commandId", "instanceIds"),
    "alicloud:ecs/eipAddress:EipAddress": ("bandwidth", "internetChargeType", "paymentType"),
    "alicloud:ecs/eipAssociation:EipAssociation": ("allocationId", "instanceId"),
    "alicloud:ecs/instance:Instance": (
        "instanceType",
        "availabilityZone",
        "imageId",
        "instanceChargeType",
        "period",
        "spotStrategy",
        "spotPriceLimit",
        "systemDiskSize",
        "systemDiskCategory",
        "systemDiskEncrypted",
        "httpTokens",
        "status",
    ),
    "alicloud:ecs/ramRoleAttachment:RamRoleAttachment": ("ramRoleName", "instanceId"),
    "alicloud:ecs/securityGroup:SecurityGroup": ("innerAccessPolicy",),
    "alicloud:ecs/securityGroupRule:SecurityGroupRule": ("ipProtocol", "portRange", "cidrIp"),
    "alicloud:oos/secretParameter:SecretParameter": ("secretParameterName", "value"),
    "alicloud:ram/role:Role": ("roleName",),
    "alicloud:ram/policy:Policy": ("policyName",),
    "alicloud:ram/rolePolicyAttachment:RolePolicyAttachment": ("policyName", "roleName"),
    "alicloud:vpc/network:Network": ("cidrBlock",),
    "alicloud:vpc/switch:Switch": ("cidrBlock", "zoneId"),
}
_BADGES: Final = (("protect", "protected"), ("retainOnDelete", "kept on destroy"))


class Pieces:
    """Short texts in a row, parted by commas; a line ends between two of them, not within one."""

    def __init__(self, pieces: Iterable[Text]) -> None:
        self._pieces = list(pieces)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        line = Text()
        for index, piece in enumerate(self._pieces):
            shown = piece + ("," if index < len(self._pieces) - 1 else "")
            if line and line.cell_len + 1 + shown.cell_len > options.max_width:
                yield line
                line = Text()
            line = Text(" ").join([line, shown]) if line else shown
        yield line


def emit(content: RenderableType) -> None:
    """Print in colours on a terminal, elsewhere as plain text of 100 columns."""
    if sys.stdout.isatty():
        Console(highlight=False).print(content)
    else:
        print(plain(content))


def plain(content: RenderableType) -> str:
    """Text of 100 columns, without colours and without blanks at the ends of lines."""
    console = Console(width=PLAIN_WIDTH, highlight=False, color_system=None, force_terminal=False, file=io.StringIO())
    with console.capture() as captured:
        console.print(content)
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def deployment(stack: str, document: Document) -> RenderableType:
    """All of a document, top-down in the order in which a reviewer asks."""
    return Group(
        _headline(stack, document),
        tree(document["resources"]),
        section("Outputs", _outputs(document["outputs"])),
        section("The box", _box(document["box"])),
        *([section("Policies", policies(document["policies"]))] if document["policies"] else ()),
        *([section("Warnings", _warnings(document["warnings"]))] if document["warnings"] else ()),
    )


def section(title: str, content: RenderableType) -> RenderableType:
    """A titled block."""
    rule = Rule(Text(title, style="bold"), align="left", style="dim", characters="─")
    return Padding(Group(rule, content), (1, 0, 0, 0))


def short_type(token: str) -> str:
    """`Disk` of `alicloud:ecs/ecsDisk:EcsDisk`."""
    return token.rsplit(":", 1)[-1].removeprefix("Ecs")


def tree(resources: Sequence[Document]) -> RenderableType:
    """Components with their children, in the order of their declaration."""
    branches: dict[str, Tree] = {}
    root = Tree("", guide_style="dim", hide_root=True)
    longest = max((len(resource["name"]) for resource in resources), default=0)
    for resource in resources:
        above = branches.get(resource["parent"], root)
        branches[resource["urn"]] = above.add(_label(resource, min(longest, NAME_WIDTH)))
    return root


def _label(resource: Document, name_width: int) -> RenderableType:
    token = resource["type"]
    if not token.startswith("alicloud:"):
        return Text.assemble((short_type(token), "bold"), " ", (resource["name"], "dim"))
    return table([resource], name_width)


def table(resources: Iterable[Document], name_width: int = NAME_WIDTH) -> Table:
    """One row a resource: name, type, decisive properties."""
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(width=name_width, style="cyan", overflow="fold")
    rows.add_column(width=TYPE_WIDTH, style="dim", overflow="ellipsis", no_wrap=True)
    rows.add_column(overflow="fold")
    for resource in resources:
        rows.add_row(resource["name"], short_type(resource["type"]), _properties(resource))
    return rows


def _properties(resource: Document) -> Pieces:
    inputs, dependencies = resource["inputs"], resource["options"]["propertyDependencies"]
    names = DECISIVE.get(resource["type"], ())
    pieces = [
        Text.assemble((f"{name} ", "dim"), _value(inputs[name], dependencies.get(name, ())))
        for name in names
        if inputs.get(name) is not None
    ]
    options = resource["options"]
    pieces += [Text(words, style="magenta") for option, words in _BADGES if options[option]]
    if options["ignoreChanges"]:
        pieces.append(Text(f"keeps {', '.join(options['ignoreChanges'])}", style="magenta"))
    return Pieces(pieces)


def _value(value: Any, sources: Iterable[str]) -> Text:
    if value == SECRET_TEXT:
        return Text(SECRET_TEXT, style="yellow")
    if value in (UNKNOWN.value, [UNKNOWN.value]):
        origin = ", ".join(urn.rsplit("::", 1)[-1] for urn in sources)
        return Text(f"of {origin}" if origin else UNKNOWN.value, style="italic")
    return Text(shown(value))


def _headline(stack: str, document: Document) -> RenderableType:
    resources = document["resources"]
    number = sum(resource["type"].startswith("alicloud:") for resource in resources)
    text = Text.assemble(
        (f"{document['box']['spec']['name']}", "bold"),
        f"  stack {stack}, {document['box']['spec']['region']}: {number} resources to create on an empty state",
    )
    return Padding(text, (0, 0, 1, 0))


def _outputs(outputs: Mapping[str, Any]) -> RenderableType:
    rows = Table.grid(padding=(0, 2, 0, 0))
    for name, value in outputs.items():
        text = UNKNOWN.value if UNKNOWN.value in str(value) else shown(value)
        known_after = " (known after `pulumi up`)" if text == UNKNOWN.value else ""
        rows.add_row(Text(name, style="cyan"), _value(text, ()) + Text(known_after, style="dim"))
    return rows


def _box(box: Document) -> RenderableType:
    rows = Table.grid(padding=(0, 2, 0, 0))
    rows.add_column(style="cyan", no_wrap=True)
    rows.add_column(overflow="fold")
    rows.add_row("runs", ", ".join(f"{name} {version}" for name, version in box["versions"].items()))
    rows.add_row("on", _machine(box))
    rows.add_row("models", _models(box))
    rows.add_row("downloads", _downloads(box["downloads"]))
    disk = box["dataDisk"]
    rows.add_row("data disk", f"{_gib(disk['bytes'])}, the known models take {_gb(disk['modelBytes'])}")
    rows.add_row("user-data", _user_data(box["userData"]))
    return rows


def _machine(box: Document) -> str:
    gpu, memory = box["gpu"], box["gpuMemoryBytes"]
    if gpu is None:
        return f"{box['instanceType']}, without a GPU: models run on its CPU"
    room = f", {_gib(memory)} of memory each" if memory else ", memory not in the catalog"
    return f"{box['instanceType']}: {gpu['count']} x {gpu['name']}{room}, driver {gpu['minimum_driver']} or newer"


def _models(box: Document) -> RenderableType:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column()
    for model in box["models"]:
        size = _gb(model["bytes"]) if model["bytes"] else "size unknown"
        context = f"{model['contextLength']} tokens" + (f" x {box['parallel']}" if box["parallel"] > 1 else "")
        needs = f"{_gib(model['gpuBytes'])} with {context}" if model["gpuBytes"] else ""
        table.add_row(Text(model["name"], style="bold"), size, needs, _verdict(box, model))
    return table


def _verdict(box: Document, model: Document) -> Text:
    if model["role"] == "embedding":
        return Text("embeddings", style="dim")
    if model["fits"] is None:
        return Text("not checked" if box["gpu"] else "on the CPU", style="yellow")
    return Text(f"fits: {model['fits']}", style="green")


def _downloads(downloads: Document) -> str:
    named = {"Open WebUI": "Open WebUI", "Ollama": "Ollama", "models": "models"}
    parts = ", ".join(f"{name} {_gb(downloads[key])}" for key, name in named.items() if downloads[key])
    more = "" if downloads["complete"] else " and what has no known size"
    minutes = max(1, round(downloads["seconds"] / 60))
    return f"{_gb(downloads['total'])}{more} ({parts}), at least {minutes} min at the address's bandwidth"


def _user_data(size: Document) -> Text:
    used, limit = size["bytes"], size["limit"]
    if used is None:
        return Text("none")
    return Text(
        f"{used / 1024:.1f} KiB of {limit // 1024} KiB", style="yellow" if used > NEARLY_FULL * limit else "green"
    )


def _warnings(warnings: Iterable[str]) -> RenderableType:
    rows = Table.grid(padding=(0, 1, 0, 0))
    rows.add_column()
    rows.add_column(overflow="fold")
    for line in warnings:
        rows.add_row(Text("!", style="bold yellow"), line)
    return rows


def policies(findings: Iterable[Document]) -> RenderableType:
    """One row a broken rule: whether it stops `pulumi up`, the resource, what and how to mend it."""
    rows = Table.grid(padding=(0, 1, 0, 0))
    rows.add_column()
    rows.add_column(overflow="fold")
    for finding in findings:
        mandatory = finding["level"] == "mandatory" and not finding["allowed"]
        mark = Text("✗", style="bold red") if mandatory else Text("·", style="dim")
        leave = f" (allowed until {finding['until']}: {finding['allowed']})" if finding["allowed"] else ""
        who = finding["resource"] or "the stack"
        line = Text.assemble((who, "cyan"), f" {finding['message']}{leave} ", (f"[{finding['rule']}]", "dim"))
        rows.add_row(mark, line)
    return rows


def _gb(size: int) -> str:
    return f"{size / 1000**3:.1f} GB"


def _gib(size: int) -> str:
    gib = size / 1024**3
    return f"{gib:.0f} GiB" if gib >= 100 or gib.is_integer() else f"{gib:.1f} GiB"
