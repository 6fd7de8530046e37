"""The stack's config as one frozen value. The only module that reads `pulumi.Config`."""

import json
import secrets as random_secrets
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import pulumi
from pydantic import Field, SecretStr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from infra import fields, naming, rules, sections
from infra.problems import Problem, SettingsError, from_validation

NAMESPACE = "open-webui"
REGION = "alicloud:region"
ADMIN_PASSWORD = "adminPassword"  # noqa: S105 - the name of a config key


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
    password_is_generated: bool = False

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
    def parse(cls, project: str, stack: str, values: Mapping[str, Any]) -> "Settings":
        """The settings in `values`: config keys without `open-webui:`, and `alicloud:region`.

        Raises SettingsError with every problem found. Where no admin password is given, one is made up; the stack's
        state keeps the first one.
        """
        problems: list[Problem] = []
        good: dict[str, Any] = {"project": project, "stack": stack}
        for name, field in _config_fields().items():
            try:
                good[name] = _field_value(name, field, values)
            except ValidationError as error:
                problems += from_validation(error, cls, NAMESPACE, prefix=field.alias or name)
            except KeyError:
                problems.append(_missing(field))
        named = set(rules.secret_keys(values)) | {ADMIN_PASSWORD}
        problems += _unknown(values.keys() - named)
        good["secrets"] = {key: SecretStr(text) for key in sorted(named) if isinstance(text := values.get(key), str)}
        good["password_is_generated"] = ADMIN_PASSWORD not in values
        if good["password_is_generated"]:
            good["secrets"][ADMIN_PASSWORD] = SecretStr(random_secrets.token_urlsafe(18))
        problems += rules.problems(**good)
        if problems:
            raise SettingsError(stack, problems)
        return cls.model_construct(**good)


_NOT_SET = "{}"  # the default of a key in Pulumi.yaml, where the engine wants one


def load() -> Settings:
    """The settings of the stack that pulumi runs. Raises SettingsError."""
    project = pulumi.get_project()
    values: dict[str, Any] = {}
    for key, text in {**pulumi.runtime.config.get_config_env(), **pulumi.runtime.config.CONFIG.get()}.items():
        name = key.removeprefix(f"{project}:")
        declared = name in _aliases() or name == ADMIN_PASSWORD
        if key.startswith(f"{project}:") and not (declared and text == _NOT_SET):
            values[name] = _decoded(text) if name in _aliases() else text
    if region := pulumi.Config("alicloud").get("region"):
        values[REGION] = region
    return Settings.parse(project, pulumi.get_stack(), values)


def _decoded(text: Any) -> Any:
    try:
        return json.loads(text)
    except (TypeError, ValueError):
        return text  # not structured: the section's own rule says so


def _config_fields() -> dict[str, FieldInfo]:
    return {name: field for name, field in Settings.model_fields.items() if field.description is not None}


def _aliases() -> dict[str, FieldInfo]:
    return {field.alias or name: field for name, field in _config_fields().items()}


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
    return Problem(key=key, value=None, why="it is required", fix=f"set it: {field.description}")


def _unknown(keys: set[str]) -> Iterator[Problem]:
    known = sorted(set(_aliases()) | {ADMIN_PASSWORD})
    for key in sorted(keys - set(known)):
        yield rules.unknown_key(key, known)
