"""Rules between the sections of the config: what the cloud, the provider or the software would refuse later.

Each rule names, as parameters, the sections it needs; it is skipped while one of them is itself wrong. So all
problems are reported at once, and none is reported twice.
"""

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from pydantic import SecretStr

from infra import advice, catalog, cron, sizing
from infra.problems import Problem, did_you_mean
from infra.sections import (
    Billing,
    BillingMode,
    DataDisk,
    DiskCategory,
    Instance,
    ModelChoice,
    Network,
    Ollama,
    OpenWebUi,
    Schedule,
    SystemDisk,
)

# bcrypt reads 72 bytes; Open WebUI then makes no admin at all and says so in its log only.
MAX_PASSWORD_BYTES = 72
MIN_PASSWORD_BYTES = 12
MAX_TAGS = 20  # per resource, of which three are the program's
OWN_TAGS = ("project", "stack", "managed-by")
DOCKER_DEFAULT = IPv4Network("172.17.0.0/16")
# GiB per performance level (RunInstances); PL0 starts at 1.
LEVEL_MINIMUM = {"PL0": 1, "PL1": 20, "PL2": 461, "PL3": 1261}

Rule = Callable[..., Iterator[Problem]]


def problems(**given: Any) -> Iterator[Problem]:
    """What the rules find in the sections at hand."""
    for rule in RULES:
        wanted = inspect.signature(rule).parameters
        if all(name in given for name in wanted):
            yield from rule(**{name: given[name] for name in wanted})


def warnings(**given: Any) -> Iterator[str]:
    """What is allowed but should be known."""
    for rule in advice.ADVICE:
        yield from rule(**{name: given[name] for name in inspect.signature(rule).parameters})


def secret_keys(values: Mapping[str, Any]) -> Iterator[str]:
    """Config keys that the (not yet checked) section openWebui refers to as secrets."""
    section = values.get("openWebui")
    if not isinstance(section, Mapping):
        return
    backends = section.get("openaiBackends")
    for backend in backends if isinstance(backends, list | tuple) else ():
        if isinstance(backend, Mapping) and isinstance(key := backend.get("keyConfig"), str):
            yield key
    environment = section.get("secretEnvironment")
    if isinstance(environment, Mapping):
        yield from (key for key in environment.values() if isinstance(key, str))


def unknown_key(key: str, known: list[str]) -> Problem:
    """A top-level key that nothing reads."""
    return _problem(key, None, "no such key", f"{did_you_mean(key, known)}known keys: {', '.join(known)}")


def _problem(path: str, value: object, why: str, fix: str) -> Problem:
    return Problem(key=f"open-webui:{path}", value=value, why=why, fix=fix)


def zone_lies_in_region(region: str, instance: Instance) -> Iterator[Problem]:
    if not re.fullmatch(rf"{re.escape(region)}-?[a-z0-9]", instance.zone):
        why = f"it is not a zone of {region} (alicloud:region)"
        yield _problem("instance.zone", instance.zone, why, f"take one of that region, as in {region}-a or {region}a")


def vswitch_lies_in_vpc(network: Network) -> Iterator[Problem]:
    vpc, vswitch = network.vpc_cidr, network.vswitch_cidr
    if vpc is None or vswitch is None:
        return
    if not vswitch.subnet_of(vpc):
        yield _problem("network.vswitchCidr", str(vswitch), f"it is outside {vpc}", "take a part of vpcCidr")
    if vpc.overlaps(DOCKER_DEFAULT):
        why = f"it overlaps {DOCKER_DEFAULT}, which Docker uses on the box"
        yield _problem("network.vpcCidr", str(vpc), why, "take another range, as in 10.20.0.0/16")


def gpu_is_drivable(instance: Instance) -> Iterator[Problem]:
    if catalog.is_vgpu(instance.type):
        why = "a vGPU family: its GRID driver (470 or 535) is older than the 550 that Ollama needs"
        yield _problem("instance.type", instance.type, why, "take a whole GPU, as in ecs.gn7i-c8g1.2xlarge")
    known = catalog.instance_type(instance.type)
    family = instance.image.family if instance.image else None
    if known and known.gpu and known.gpu.volta and family and "open_source_gpu" in family:
        why = f"{known.gpu.name} (Volta) runs with the proprietary kernel module only"
        fix = "use acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda, or leave image out"
        yield _problem("instance.image.family", family, why, fix)


def disks_suit_the_type(instance: Instance, data_disk: DataDisk) -> Iterator[Problem]:
    known = catalog.instance_type(instance.type)
    for path, disk in (("instance.systemDisk", instance.system_disk), ("dataDisk", data_disk)):
        if known and disk.category not in known.disk_categories:
            why = f"{instance.type} does not take it"
            yield _problem(f"{path}.category", disk.category, why, f"one of {', '.join(known.disk_categories)}")
        yield from _level(path, disk)


def _level(path: str, disk: SystemDisk | DataDisk) -> Iterator[Problem]:
    level = disk.performance_level
    if level is None:
        return
    if disk.category is not DiskCategory.ESSD:
        why = f"{disk.category} has no performance levels"
        yield _problem(f"{path}.performanceLevel", level, why, "remove it, or use cloud_essd")
    elif disk.size_gib < LEVEL_MINIMUM[level]:
        why = f"{level} starts at {LEVEL_MINIMUM[level]} GiB, the disk has {disk.size_gib}"
        yield _problem(f"{path}.performanceLevel", level, why, "take a lower level or a larger disk")


def system_disk_holds_the_image(instance: Instance) -> Iterator[Problem]:
    least, because = sizing.least_system_disk(instance)
    if instance.system_disk.size_gib < least:
        size = instance.system_disk.size_gib
        yield _problem("instance.systemDisk.sizeGib", size, because, f"set at least {least}")


def data_disk_holds_the_models(
    models: tuple[ModelChoice, ...], ollama: Ollama, data_disk: DataDisk
) -> Iterator[Problem]:
    least = sizing.least_data_disk(models, ollama)
    if data_disk.size_gib < least:
        why = f"the listed models and {sizing.DATA_RESERVE_GIB} GiB for chats and uploads need {least} GiB"
        yield _problem("dataDisk.sizeGib", data_disk.size_gib, why, f"set at least {least}, or list fewer models")


def models_are_told_apart(models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[Problem]:
    seen: set[str] = set()
    for index, model in enumerate((*models, ollama.embedding_model)):
        path = f"models[{index}]" if index < len(models) else "ollama.embeddingModel"
        if model.name in seen:
            yield _problem(path, model.name, "the name stands twice", "list each model once")
        seen.add(model.name)


def models_fit_the_gpu(instance: Instance, models: tuple[ModelChoice, ...], ollama: Ollama) -> Iterator[Problem]:
    known = catalog.instance_type(instance.type)
    if known is None or known.gpu is None:
        return
    context = sizing.context_length(known, models, ollama)
    for index, choice in enumerate(models):
        model = sizing.known_model(choice)
        if model is None:
            continue
        how = catalog.fit(model, known.gpu, known.gpus, context, ollama.parallel, ollama.kv_cache_type)
        if how is catalog.Fit.NONE:
            need = catalog.needed_bytes(model, context, ollama.parallel, ollama.kv_cache_type)
            room = (known.gpu.usable_bytes - catalog.OVERHEAD_BYTES) * known.gpus
            why = (
                f"with {ollama.parallel} x {context} tokens of context it needs {need / catalog.GIB:.1f} GiB of GPU "
                f"memory, {known.gpus} x {known.gpu.name} has {room / catalog.GIB:.1f} GiB free"
            )
            fix = "take a smaller model, a larger GPU, or a lower ollama.contextLength or ollama.parallel"
            yield _problem(f"models[{index}]", choice.name, why, fix)


def billing_goes_with_the_rest(instance: Instance, billing: Billing, schedule: Schedule | None) -> Iterator[Problem]:
    if billing.mode is not BillingMode.SUBSCRIPTION:
        return
    if instance.spot is not None:
        why = "a subscription is never spot: the provider would drop spot without a word"
        yield _problem("instance.spot", instance.spot.model_dump(), why, "remove spot, or bill payAsYouGo")
    if schedule is not None:
        why = "a subscribed instance costs the same while it is stopped"
        yield _problem("schedule", None, why, "remove schedule, or bill payAsYouGo")


def schedule_can_be_kept(schedule: Schedule | None) -> Iterator[Problem]:
    for key, time in (("stop", schedule.stop), ("start", schedule.start)) if schedule else ():
        try:
            cron.oos_expression(time)
        except ValueError as error:
            yield _problem(f"schedule.{key}", time, str(error), "write it as in 0 20 * * 1-5 or 30 7 1 * *")


def tags_leave_room(tags: dict[str, str]) -> Iterator[Problem]:
    for key in OWN_TAGS:
        if key in tags:
            yield _problem(f"tags.{key}", tags[key], "the program sets this tag itself", "choose another key")
    if len(tags) > MAX_TAGS - len(OWN_TAGS):
        why = f"a resource has at most {MAX_TAGS} tags, {len(OWN_TAGS)} of them are the program's"
        yield _problem("tags", len(tags), why, f"keep {MAX_TAGS - len(OWN_TAGS)}")


def secrets_are_there(open_webui: OpenWebUi, secrets: dict[str, SecretStr]) -> Iterator[Problem]:
    wanted = {
        **{f"openWebui.secretEnvironment.{name}": key for name, key in open_webui.secret_environment.items()},
        **{
            f"openWebui.openaiBackends[{index}].keyConfig": backend.key_config
            for index, backend in enumerate(open_webui.openai_backends)
            if backend.key_config is not None
        },
    }
    for path, key in wanted.items():
        if key not in secrets:
            fix = f"pulumi config set --secret open-webui:{key}"
            yield _problem(path, key, "there is no config key of that name", fix)
        elif not 1 <= len(secrets[key].get_secret_value()) <= 4096:
            why = "a secret parameter has 1 to 4096 characters"
            yield _problem(key, None, why, f"pulumi config set --secret open-webui:{key}")


def password_is_usable(secrets: dict[str, SecretStr]) -> Iterator[Problem]:
    if "adminPassword" not in secrets:
        why, fix = "it is not a text", "pulumi config set --secret open-webui:adminPassword"
        yield _problem("adminPassword", None, why, fix)
        return
    password = secrets["adminPassword"].get_secret_value()
    length = len(password.encode())
    fix = f"choose one of {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes, or remove it: one is then generated"
    if length > MAX_PASSWORD_BYTES:
        why = f"it has {length} bytes; over {MAX_PASSWORD_BYTES} Open WebUI makes no admin, and a stranger could"
        yield _problem("adminPassword", None, why, fix)
    if length < MIN_PASSWORD_BYTES:
        yield _problem("adminPassword", None, f"it has only {length} bytes", fix)
    if any(ord(letter) < 32 for letter in password):
        yield _problem("adminPassword", None, "it holds a control character (a line's end?)", fix)


RULES: tuple[Rule, ...] = (
    zone_lies_in_region,
    vswitch_lies_in_vpc,
    gpu_is_drivable,
    disks_suit_the_type,
    system_disk_holds_the_image,
    data_disk_holds_the_models,
    models_are_told_apart,
    models_fit_the_gpu,
    billing_goes_with_the_rest,
    schedule_can_be_kept,
    tags_leave_room,
    secrets_are_there,
    password_is_usable,
)
