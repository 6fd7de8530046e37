"""What a stack's config may say but its owner should know: one line each, naming the key."""

from collections.abc import Callable, Iterator
from ipaddress import IPv4Network

from infra import catalog, sizing
from infra.fields import IMAGE_REFERENCE
from infra.sections import (
    Access,
    Alarms,
    Billing,
    BillingMode,
    DataDisk,
    Instance,
    MirrorPreset,
    Mirrors,
    ModelChoice,
    Ollama,
    OpenWebUi,
    PublicAddress,
    Schedule,
)
from provisioning.spec import TlsMode
from provisioning.versions import OPEN_WEBUI_SECURITY_FLOOR

SLOW_INBOUND_MBPS = 10


def _line(key: str, text: str) -> str:
    return f"open-webui:{key}: {text}"


def is_mainland(region: str) -> bool:
    """Regions behind the border: ICP filing applies, and the international hubs are slow or out of reach."""
    return region.startswith("cn-") and region != "cn-hongkong"


def of_the_instance(instance: Instance) -> Iterator[str]:
    known = catalog.instance_type(instance.type)
    if known is None:
        unchecked = "GPU, memory, driver, disk categories and whether the models fit were not checked"
        yield _line("instance.type", f"{instance.type} is not in the catalog: {unchecked}")
    elif known.gpu is None:
        yield _line("instance.type", f"{instance.type} has no GPU: good for a smoke test, slow with any real model")
    if catalog.is_bare_metal(instance.type):
        yield _line("instance.type", "bare metal: the image looked up by family may not boot on it, set image.id")
    if instance.spot is not None:
        yield _line(
            "instance.spot",
            "the cloud may take the instance back with 5 minutes' notice; data disk and address stay",
        )


def of_the_models(models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[str]:
    for index, choice in enumerate(models):
        known = sizing.known_model(choice)
        if known is None:
            yield _line(
                f"models[{index}]",
                f"{choice.name} is not in the catalog: neither its memory nor its disk use was checked",
            )
        elif known.kind is catalog.ModelKind.EMBEDDING:
            yield _line(f"models[{index}]", f"{choice.name} answers no chat, and people find it in their list")
    if sizing.known_model(ollama.embedding_model) is None:
        name = ollama.embedding_model.name
        yield _line(
            "ollama.embeddingModel", f"{name} is not in the catalog: neither its memory nor its disk use was checked"
        )


def of_the_access(region: str, access: Access) -> Iterator[str]:
    if IPv4Network("0.0.0.0/0") in access.allowed_networks:
        yield _line("access.allowedNetworks", "the whole internet may open the page; only the password keeps it out")
    if not access.tls.by_authority:
        yield _line("access.tls.mode", "internal: browsers warn until they trust the box's own authority")
    if access.tls.mode is TlsMode.DOMAIN and is_mainland(region):
        yield _line("access.tls.domain", "a mainland server answers for a domain only after its ICP filing")


def of_the_address(public_address: PublicAddress) -> Iterator[str]:
    if public_address.bandwidth_mbps <= SLOW_INBOUND_MBPS:
        yield _line(
            "publicAddress.bandwidthMbps",
            "at 10 Mbit/s or less the cloud also caps inbound at 10: downloads take hours",
        )


def of_the_versions(open_webui: OpenWebUi) -> Iterator[str]:
    match = IMAGE_REFERENCE.fullmatch(open_webui.image)
    tag = match["tag"] if match else ""
    numbers = tuple(int(part) for part in tag.removeprefix("v").split("-")[0].split(".") if part.isdigit())
    if len(numbers) == len(OPEN_WEBUI_SECURITY_FLOOR) and numbers < OPEN_WEBUI_SECURITY_FLOOR:
        floor = ".".join(map(str, OPEN_WEBUI_SECURITY_FLOOR))
        how = f"docker buildx imagetools inspect ghcr.io/open-webui/open-webui:v{floor}"
        yield _line("openWebui.image", f"{tag} lacks the security fixes of v{floor}; set its tag and digest ({how})")
    if open_webui.plugins:
        yield _line("openWebui.plugins", "tools and functions run Python on the server, with all that it can reach")


def of_the_billing(
    instance: Instance, billing: Billing, data_disk: DataDisk, schedule: Schedule | None
) -> Iterator[str]:
    if billing.mode is BillingMode.SUBSCRIPTION:
        yield _line(
            "billing.mode",
            "destroy turns the subscription into pay-as-you-go, then deletes it; the refund follows the cloud's rules",
        )
    if instance.protect and (billing.mode is BillingMode.SUBSCRIPTION or instance.spot is not None):
        kind = "subscribed" if billing.mode is BillingMode.SUBSCRIPTION else "spot"
        yield _line(
            "instance.protect",
            f"a {kind} instance has no deletion protection of the cloud's; Pulumi's protect holds",
        )
    if schedule is not None:
        yield _line("schedule", "a stopped GPU goes back to the pool: in the morning the zone may have none in stock")
    if data_disk.snapshots is None:
        yield _line("dataDisk.snapshots", "no snapshots: nothing brings back a deleted chat or a lost disk")
    else:
        days = data_disk.snapshots.keep_days
        yield _line(
            "dataDisk.snapshots",
            f"snapshots outlive the disk and `pulumi destroy`, and are billed for {days} days or until deleted",
        )


def of_the_alarms(alarms: Alarms | None) -> Iterator[str]:
    if alarms is not None:
        yield _line(
            "alarms.contacts",
            "each address is mailed a link by CloudMonitor and hears of nothing until its owner has opened it",
        )


def of_the_secrets(plain_secrets: tuple[str, ...]) -> Iterator[str]:
    for key in plain_secrets:
        yield _line(key, f"a secret in clear in the stack file: pulumi config set --secret open-webui:{key}")


def of_the_mirrors(region: str, mirrors: Mirrors) -> Iterator[str]:
    if is_mainland(region) and mirrors.preset is MirrorPreset.INTERNATIONAL:
        yield _line("mirrors.preset", f"{region} reaches ghcr.io and github.com slowly or not at all; use mainland")


ADVICE: tuple[Callable[..., Iterator[str]], ...] = (
    of_the_instance,
    of_the_models,
    of_the_access,
    of_the_address,
    of_the_versions,
    of_the_billing,
    of_the_alarms,
    of_the_secrets,
    of_the_mirrors,
)
