"""Rules between the sections of the config: what the cloud, the provider or the software would refuse later.

Each rule names, as parameters, the sections it needs; it is skipped while one of them is itself wrong. So all
problems are reported at once, and none is reported twice.
"""

import inspect
import json
import re
from collections.abc import Callable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from pydantic import SecretStr

from infra import advice, catalog, cron, model_rules, provider_config, sizing
from infra.problems import UNSHOWN, Problem, did_you_mean
from infra.sections import (
    Billing,
    BillingMode,
    DataDisk,
    DiskCategory,
    Instance,
    Network,
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
ADMIN_PASSWORD = "adminPassword"  # noqa: S105 - the name of a config key

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


def unknown_key(key: str, value: object, known: list[str]) -> Problem:
    """A top-level key that nothing reads."""
    return _problem(key, value, "no such key", f"{did_you_mean(key, known)}known keys: {', '.join(known)}")


def _problem(path: str, value: object, why: str, fix: str) -> Problem:
    return Problem(key=f"open-webui:{path}", value=value, why=why, fix=fix)


def region_exists(region: str, skip_region_validation: bool) -> Iterator[Problem]:
    if region not in provider_config.REGIONS and not skip_region_validation:
        why = "the provider knows no such region"
        hint = did_you_mean(region, list(provider_config.REGIONS)) or "take one as in ap-southeast-1; "
        fix = f"{hint}for a new one set {provider_config.SKIP_REGION_VALIDATION}: true"
        yield Problem(key="alicloud:region", value=region, why=why, fix=fix)


def zone_lies_in_region(region: str, instance: Instance) -> Iterator[Problem]:
    # cn-hangzhou-i, but ap-southeast-1c
    start = region if region[-1].isdigit() else f"{region}-"
    if not re.fullmatch(rf"{re.escape(start)}[a-z]", instance.zone):
        why = f"it is not a zone of {region} (alicloud:region)"
        yield _problem("instance.zone", instance.zone, why, f"take one of that region, as in {start}a")


def vswitch_lies_in_vpc(network: Network) -> Iterator[Problem]:
    vpc, vswitch = network.vpc_cidr, network.vswitch_cidr
    if vpc is None or vswitch is None:
        return
    if not vswitch.subnet_of(vpc):
        yield _problem("network.vswitchCidr", str(vswitch), f"it is outside {vpc}", "take a part of vpcCidr")
    if vpc.overlaps(DOCKER_DEFAULT):
        why = f"it overlaps {DOCKER_DEFAULT}, which Docker uses on the box"
        yield _problem("network.vpcCidr", str(vpc), why, "take another range, as in 10.20.0.0/16")


def type_runs_x86_programs(instance: Instance) -> Iterator[Problem]:
    if catalog.is_arm(instance.type):
        why = "an Arm type: the image, Ollama and Caddy are those for x86-64"
        yield _problem(
            "instance.type", instance.type, why, "take an x86 type, as in ecs.gn7i-c8g1.2xlarge or ecs.g7.xlarge"
        )


def gpu_is_drivable(instance: Instance) -> Iterator[Problem]:
    if driver := catalog.grid_driver(instance.type):
        why = f"a vGPU family: its GRID driver ({driver}) is older than the 550 that Ollama needs"
        yield _problem("instance.type", instance.type, why, "take a whole GPU, as in ecs.gn7i-c8g1.2xlarge")
    if instance.image is None or not catalog.is_volta(instance.type):
        return
    for key, name in (("id", instance.image.id), ("family", instance.image.family)):
        if name and "open_source_gpu" in name:
            why = f"{instance.type} is Volta, which runs with the proprietary kernel module only"
            fix = "use acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda, or leave image out"
            yield _problem(f"instance.image.{key}", name, why, fix)


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


def billing_goes_with_the_rest(instance: Instance, billing: Billing, schedule: Schedule | None) -> Iterator[Problem]:
    if billing.mode is not BillingMode.SUBSCRIPTION:
        return
    if instance.spot is not None:
        why = "a subscription is never spot: the provider would drop spot without a word"
        value = instance.spot.model_dump(by_alias=True, exclude_none=True)
        yield _problem("instance.spot", value, why, "remove spot, or bill payAsYouGo")
    if schedule is not None:
        why = "a subscribed instance costs the same while it is stopped"
        yield _problem("schedule", UNSHOWN, why, "remove schedule, or bill payAsYouGo")


def schedule_can_be_kept(schedule: Schedule | None) -> Iterator[Problem]:
    if schedule is None:
        return
    sound = True
    for key, time in (("stop", schedule.stop), ("start", schedule.start)):
        try:
            cron.oos_expression(time)
        except ValueError as error:
            sound = False
            yield _problem(f"schedule.{key}", time, str(error), "write it as in 0 20 * * 1-5 or 30 7 1 * *")
    if sound and cron.meet(schedule.stop, schedule.start):
        why = f"schedule.stop ({schedule.stop}) comes at the same minute: chance says which of them is last"
        yield _problem("schedule.start", schedule.start, why, "give them different times, as in 0 20 and 30 7")


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
        if key == ADMIN_PASSWORD:
            why = "the administrator's password is for nobody else"
            yield _problem(path, UNSHOWN, why, "name a key of its own: pulumi config set --secret open-webui:NAME")
        elif key not in secrets:
            # What stands there may be the secret itself.
            fix = "give the secret a name, write that here, and pulumi config set --secret open-webui:NAME"
            yield _problem(path, UNSHOWN, "there is no config key of that name", fix)
        elif not 1 <= len(secrets[key].get_secret_value()) <= 4096:
            yield _problem(key, UNSHOWN, "a secret parameter has 1 to 4096 characters", _set_it(key))


def keys_are_texts_of_one_line(open_webui: OpenWebUi, secrets: dict[str, SecretStr]) -> Iterator[Problem]:
    """Of the services behind openaiBackends: a key goes into a header, and Open WebUI parts its list at `;`."""
    for key in sorted({backend.key_config for backend in open_webui.openai_backends if backend.key_config}):
        if key in secrets and key != ADMIN_PASSWORD:
            text = secrets[key].get_secret_value()
            yield from _as_one_line(key, text)
            if ";" in text or text != text.strip(" "):
                why = "it holds a semicolon, or begins or ends with a blank"
                yield _problem(key, UNSHOWN, why, _set_it(key))


def password_is_usable(secrets: dict[str, SecretStr]) -> Iterator[Problem]:
    if ADMIN_PASSWORD not in secrets:
        yield _problem(ADMIN_PASSWORD, UNSHOWN, "it is not a text", _set_it(ADMIN_PASSWORD))
        return
    password = secrets[ADMIN_PASSWORD].get_secret_value()
    length = len(password.encode())
    fix = f"choose one of {MIN_PASSWORD_BYTES} to {MAX_PASSWORD_BYTES} bytes, or remove it: one is then generated"
    if length > MAX_PASSWORD_BYTES:
        why = f"it has {length} bytes; over {MAX_PASSWORD_BYTES} Open WebUI makes no admin, and a stranger could"
        yield _problem(ADMIN_PASSWORD, UNSHOWN, why, fix)
    if length < MIN_PASSWORD_BYTES:
        yield _problem(ADMIN_PASSWORD, UNSHOWN, f"it has only {length} bytes", fix)
    elif not password.strip():
        yield _problem(ADMIN_PASSWORD, UNSHOWN, "it is nothing but blanks", fix)
    yield from _as_one_line(ADMIN_PASSWORD, password)


def _as_one_line(key: str, text: str) -> Iterator[Problem]:
    if any(ord(letter) < 32 for letter in text):
        yield _problem(key, UNSHOWN, "it holds a control character (a line's end?)", _set_it(key))
    if isinstance(_structure(text), list | dict):
        yield _problem(key, UNSHOWN, "it is a list or a mapping, not a text", _set_it(key))


def _structure(text: str) -> object:
    """What the engine made a text of: a list or a mapping in the stack file reaches the program as JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _set_it(key: str) -> str:
    return f"pulumi config set --secret open-webui:{key}"


RULES: tuple[Rule, ...] = (
    region_exists,
    zone_lies_in_region,
    vswitch_lies_in_vpc,
    type_runs_x86_programs,
    gpu_is_drivable,
    disks_suit_the_type,
    system_disk_holds_the_image,
    *model_rules.RULES,
    billing_goes_with_the_rest,
    schedule_can_be_kept,
    tags_leave_room,
    secrets_are_there,
    keys_are_texts_of_one_line,
    password_is_usable,
)
