"""The stack's config as one frozen value. The only module that reads Pulumi's config."""

import json
import secrets as random_secrets
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Final

import pulumi
from pydantic import Field, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from infra import fields, naming, provider_config, rules, sections, wellformed
from infra.problems import UNSHOWN, Problem, SettingsError, from_validation

NAMESPACE = "open-webui"
REGION = "alicloud:region"
ADMIN_PASSWORD = rules.ADMIN_PASSWORD
# The default of every key in Pulumi.yaml, where the engine wants one: no section is a text, and no password so short.
NOT_SET: Final = "not set"


class Settings(sections.Section):
    """One stack's config, checked as a whole. Two equal values give the same deployment, byte for byte."""

    project: str
    stack: str
    region: fields.RegionId = Field(alias=REGION, description="the region, as in ap-southeast-1")
    network: sections.Network = Field(
        default_factory=sections.default_network,
        description="{vpcCidr, vswitchCidr} or {existingVpcId, existingVswitchId}",
    )
    access: sections.Access = Field(description="allowedNetworks and tls")
    instance: sections.Instance = Field(description="type and zone at least")
    billing: sections.Billing = Field(default_factory=sections.Billing, description="mode and its period")
    public_address: sections.PublicAddress = Field(
        default_factory=sections.PublicAddress, description="bandwidthMbps and charge"
    )
    data_disk: sections.DataDisk = Field(default_factory=sections.DataDisk, description="category, sizeGib, …")
    models: Annotated[tuple[sections.Model, ...], Field(min_length=1, max_length=20)] = Field(
        (sections.ModelChoice(name="qwen3:8b"),),
        description="1 to 20 models, as in [qwen3:8b]; the first one is the default model",
    )
    ollama: sections.Ollama = Field(default_factory=sections.Ollama, description="settings of the model server")
    open_webui: sections.OpenWebUi = Field(
        default_factory=sections.OpenWebUi, alias="openWebui", description="settings of the application"
    )
    caddy: sections.Caddy | None = Field(None, description="version and sha256; absent: the program's pin")
    mirrors: sections.Mirrors = Field(default_factory=sections.Mirrors, description="preset and hosts")
    admin: sections.Admin = Field(description="email, and name if not Admin")
    alarms: sections.Alarms | None = Field(None, description="contacts, as in {contacts: [ops@example.com]}")
    schedule: sections.Schedule | None = Field(None, description="stop, start and timeZone")
    release: sections.Release = Field(default_factory=sections.Release, description="timeoutMinutes")
    tags: dict[fields.TagKey, fields.TagValue] = Field(
        default_factory=dict, description="at most 17 tags, as in {team: platform}"
    )
    # By config key. Never part of repr or of a dump; the components hand them on as secret outputs.
    secrets: dict[str, SecretStr] = Field(default_factory=dict, repr=False, exclude=True)
    plain_secrets: tuple[str, ...] = ()  # those of them that the stack file holds in clear
    password_is_generated: bool = False
    skip_region_validation: bool = False

    @property
    def name(self) -> str:
        """The physical name that every resource's name begins with."""
        return naming.base_name(self.project, self.stack)

    @property
    def all_tags(self) -> dict[str, str]:
        """The tags of every resource that can carry some."""
        return naming.all_tags(self.project, self.stack, self.tags)

    def warnings(self) -> tuple[str, ...]:
        """What is allowed but should be known, one line each."""
        return tuple(rules.warnings(**self._sections()))

    def _sections(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in type(self).model_fields}

    @classmethod
    def parse(
        cls, project: str, stack: str, values: Mapping[str, Any], secret: Collection[str] = frozenset()
    ) -> "Settings":
        """The settings in `values`: config keys without `open-webui:`, those of other namespaces whole.

        `secret` names the keys that the stack file holds encrypted. Raises SettingsError with every problem found.
        Where no admin password is given, one is made up; the stack's state keeps the first one.
        """
        problems: list[Problem] = []
        good: dict[str, Any] = {"project": project, "stack": stack}
        for name, field in _config_fields().items():
            alias = field.alias or name
            if found := list(_unusable(alias, values, secret)):
                problems += found
                continue
            try:
                good[name] = _field_value(name, field, values)
            except ValidationError as error:
                problems += from_validation(error, cls, NAMESPACE, prefix=alias)
            except KeyError:
                problems.append(_missing(field))
        good["skip_region_validation"] = str(values.get(provider_config.SKIP_REGION_VALIDATION)).lower() == "true"
        named = set(rules.secret_keys(values)) | {ADMIN_PASSWORD}
        problems += provider_config.problems(values, NAMESPACE, secret)
        problems += _unknown({key: values[key] for key in values.keys() - named if ":" not in key}, secret)
        texts = {key: text for key in sorted(named) if isinstance(text := values.get(key), str)}
        broken = [
            problem for key in texts for problem in wellformed.problems(texts[key], NAMESPACE, (key,), secret=True)
        ]
        problems += broken
        good["password_is_generated"] = ADMIN_PASSWORD not in values
        if good["password_is_generated"]:
            texts[ADMIN_PASSWORD] = random_secrets.token_urlsafe(18)
        good["plain_secrets"] = tuple(key for key in texts if key in values and key not in secret)
        if not broken:
            good["secrets"] = {key: SecretStr(text) for key, text in texts.items()}
        problems += rules.problems(**good)
        if problems:
            raise SettingsError(stack, problems)
        return cls.model_construct(**good)


def load() -> Settings:
    """The settings of the stack that pulumi runs. Raises SettingsError."""
    config = {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}
    secret = {key for key in config if pulumi.runtime.config.is_config_secret(key)}
    return from_config(pulumi.get_project(), pulumi.get_stack(), config, secret)


def from_config(project: str, stack: str, config: Mapping[str, str], secret: Collection[str]) -> Settings:
    """The settings in a config as the engine has it: full keys, texts, structured values as JSON.

    Raises SettingsError.
    """
    values: dict[str, Any] = {}
    for key, text in config.items():
        name = key.removeprefix(f"{project}:")
        section = name in _aliases() and name != REGION
        if not (section or name == ADMIN_PASSWORD) or text != NOT_SET:
            values[name] = _decoded(text) if section else text
    return Settings.parse(project, stack, values, {key.removeprefix(f"{project}:") for key in secret})


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text  # not structured: the section's own rule says so


def _config_fields() -> dict[str, FieldInfo]:
    return {name: field for name, field in Settings.model_fields.items() if field.description is not None}


def _aliases() -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in _config_fields().items()}


def _unusable(alias: str, values: Mapping[str, Any], secret: Collection[str]) -> Iterator[Problem]:
    """What is wrong with a section before anybody reads it."""
    if alias in secret:
        yield Problem(
            key=alias if ":" in alias else f"{NAMESPACE}:{alias}",
            why="it holds a secret (`secure:`), and what stands in a section goes to the machine in clear",
            fix="give the secret a key of its own (pulumi config set --secret open-webui:NAME), and that name in "
            "openWebui.secretEnvironment or openWebui.openaiBackends[].keyConfig; or it is adminPassword",
        )
    else:
        yield from wellformed.problems(values.get(alias), NAMESPACE, (alias,))


def _field_value(name: str, field: FieldInfo, values: Mapping[str, Any]) -> Any:
    alias = field.alias or name
    if alias not in values:
        if field.is_required():
            raise KeyError(alias)
        return field.get_default(call_default_factory=True)
    annotation: Any = Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation
    return TypeAdapter(annotation).validate_python(values[alias])


def _missing(field: FieldInfo) -> Problem:
    alias = field.alias or ""
    key = alias if ":" in alias else f"{NAMESPACE}:{alias}"
    return Problem(key=key, why="it is required", fix=f"set it: {field.description}")


def _unknown(values: Mapping[str, Any], secret: Collection[str]) -> Iterator[Problem]:
    known = sorted(set(_aliases()) | {ADMIN_PASSWORD})
    for key in sorted(values.keys() - set(known)):
        yield rules.unknown_key(key, UNSHOWN if key in secret else values[key], known)
