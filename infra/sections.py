"""The sections of the stack's config: one model per top-level key, each with its own rules.

Rules between sections are in rules.py. The descriptions end up in error messages and in the configuration reference.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.alias_generators import to_camel

from infra import fields, modelfiles
from infra.problems import refuse
from provisioning import owned_environment
from provisioning.spec import TlsMode
from provisioning.versions import EMBEDDING_MODEL, OPEN_WEBUI_IMAGE


class Section(BaseModel):
    """Part of the config: camelCase in the stack file, unknown keys refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, validate_by_name=False, validate_by_alias=True
    )

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        field = cls.model_fields[str(info.field_name)]
        if bool in (field.annotation, *get_args(field.annotation)):
            return value
        for entry in value if isinstance(value, list | tuple) else (value,):
            if isinstance(entry, bool):
                refuse(f"{str(entry).lower()} is neither a number nor a text", f"give {field.description}")
        return value


class Network(Section):
    """Either a new VPC and vSwitch, or an existing pair of them."""

    vpc_cidr: fields.VpcCidr | None = Field(None, description="the new VPC's range, as in 10.20.0.0/16")
    vswitch_cidr: fields.VswitchCidr | None = Field(
        None, description="the new vSwitch's range inside it, as in 10.20.1.0/24"
    )
    existing_vpc_id: fields.VpcId | None = Field(None, description="the id of an existing VPC, vpc-…")
    existing_vswitch_id: fields.VswitchId | None = Field(None, description="the id of a vSwitch in it, vsw-…")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        new = (self.vpc_cidr, self.vswitch_cidr)
        existing = (self.existing_vpc_id, self.existing_vswitch_id)
        if any(new) == any(existing):
            refuse(
                "it must be either a new network or an existing one",
                "give vpcCidr and vswitchCidr, or existingVpcId and existingVswitchId",
            )
        if None in (new if any(new) else existing):
            refuse("half of a pair is missing", "give both ranges, or both ids")
        return self


def default_network() -> Network:
    """What a stack file that says nothing gets: a network of its own."""
    return Network.model_validate({"vpcCidr": "10.20.0.0/16", "vswitchCidr": "10.20.1.0/24"})


class Tls(Section):
    """Where the certificate comes from."""

    mode: TlsMode = Field(TlsMode.IP, description="ip, domain or internal")
    domain: fields.Domain | None = Field(
        None, description="the domain that points at the address, as in chat.example.com"
    )
    email: fields.Email | None = Field(None, description="who hears of certificate trouble")

    @model_validator(mode="after")
    def _domain_where_used(self) -> Self:
        if (self.mode is TlsMode.DOMAIN) != (self.domain is not None):
            refuse(
                f"mode {self.mode.value!r} {'needs' if self.domain is None else 'takes no'} domain",
                "give mode: domain together with domain: chat.example.com",
            )
        return self


# Each range is two rules where no certificate authority calls; a security group has 200 in all (help page
# "AuthorizeSecurityGroup", 2024-11), and people may add some of their own.
MAX_NETWORKS = 50


class Access(Section):
    """Who may reach the service, and how."""

    allowed_networks: tuple[fields.Network, ...] = Field(
        description="the IPv4 ranges that may open the page, as in [203.0.113.0/24]"
    )
    tls: Tls = Field(default_factory=Tls, description="where the certificate comes from")

    @field_validator("allowed_networks")
    @classmethod
    def _some_and_apart(cls, value: tuple[Any, ...]) -> tuple[Any, ...]:
        if not value:
            refuse("nobody could open the page", "list at least one range, as in 203.0.113.0/24")
        if len(value) > MAX_NETWORKS:
            refuse(
                f"the firewall takes at most {MAX_NETWORKS} ranges, these are {len(value)}", "join them to wider ones"
            )
        for index, one in enumerate(value):
            for other in value[index + 1 :]:
                if one.overlaps(other):
                    refuse(f"{one} and {other} overlap", "keep the wider one")
        return value


class ImageChoice(Section):
    """A fixed image by id, or the newest one of a family at the time the instance is made."""

    family: fields.ImageFamily | None = Field(
        None, description="an image family, as in acs:ubuntu_24_04_x64_with_nvidia_gpu_driver_and_cuda"
    )
    id: fields.ImageId | None = Field(
        None, description="an image's id, as in ubuntu_24_04_x64_20G_alibase_20260101.vhd or m-…"
    )

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.family is None) == (self.id is None):
            refuse("an image is chosen in exactly one way", "give family or id; leave out image for the default")
        return self


class DiskCategory(StrEnum):
    """The categories that an ECS instance of today takes. `cloud_essd_entry` is for economy types only."""

    ESSD = "cloud_essd"
    AUTO = "cloud_auto"
    SSD = "cloud_ssd"
    EFFICIENCY = "cloud_efficiency"


PerformanceLevel = Literal["PL0", "PL1", "PL2", "PL3"]


class Disk(Section):
    """What a system disk and a data disk have in common."""

    category: DiskCategory = Field(DiskCategory.ESSD, description=f"one of {', '.join(DiskCategory)}")
    performance_level: PerformanceLevel | None = Field(
        None, description="PL0, PL1, PL2 or PL3, for cloud_essd only; absent: the cloud's default, PL1"
    )


class SystemDisk(Disk):
    """The disk that the instance boots from; holds nothing that must be kept."""

    size_gib: int = Field(100, ge=20, le=2048, description="a size from 20 to 2048 GiB")


class Spot(Section):
    """Spot billing: cheaper, and the cloud may take the instance back with five minutes' notice."""

    max_hourly_price: float | None = Field(
        None,
        ge=0.001,
        le=10000,
        description="the most to pay per hour, in the account's currency, to three decimals; absent: market price",
    )

    @field_validator("max_hourly_price")
    @classmethod
    def _three_decimals(cls, value: float | None) -> float | None:
        if value is not None and round(value, 3) != value:
            refuse("the cloud takes three decimals at most", f"write {round(value, 3)}")
        return value


class Instance(Section):
    """The machine."""

    type: fields.InstanceTypeName = Field(description="an ECS instance type, as in ecs.gn7i-c8g1.2xlarge")
    zone: fields.ZoneId = Field(description="a zone of the region that has the type, as in ap-southeast-1c")
    image: ImageChoice | None = Field(None, description="family or id; absent: the official Ubuntu image")
    system_disk: SystemDisk = Field(default_factory=SystemDisk, description="category and sizeGib")
    spot: Spot | None = Field(None, description="spot billing, as in {maxHourlyPrice: 5.5} or {}")
    protect: bool = Field(default=False, description="true or false: refuse to delete the instance")


class BillingMode(StrEnum):
    """How the instance is paid."""

    PAY_AS_YOU_GO = "payAsYouGo"
    SUBSCRIPTION = "subscription"


SUBSCRIPTION_MONTHS = (*range(1, 10), 12, 24, 36, 48, 60)  # the provider's validator
RENEWAL_MONTHS = (1, 2, 3, 6, 12)


class Billing(Section):
    """Pay as you go, or a subscription of some months paid in advance."""

    mode: BillingMode = Field(BillingMode.PAY_AS_YOU_GO, description="payAsYouGo or subscription")
    months: int | None = Field(None, description=f"one of {', '.join(map(str, SUBSCRIPTION_MONTHS))}")
    auto_renew: bool | None = Field(None, description="true or false, for a subscription")
    auto_renew_months: int | None = Field(None, description=f"one of {', '.join(map(str, RENEWAL_MONTHS))}")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.mode is BillingMode.PAY_AS_YOU_GO:
            if any(value is not None for value in (self.months, self.auto_renew, self.auto_renew_months)):
                refuse("months and autoRenew belong to a subscription", "remove them, or set mode: subscription")
            return self
        if self.months not in SUBSCRIPTION_MONTHS:
            refuse(
                "the cloud does not sell that period",
                f"set months to one of {', '.join(map(str, SUBSCRIPTION_MONTHS))}",
            )
        if self.auto_renew_months is not None and (not self.auto_renew or self.auto_renew_months not in RENEWAL_MONTHS):
            refuse(
                "autoRenewMonths needs autoRenew: true and a period that the cloud sells",
                f"set it to one of {', '.join(map(str, RENEWAL_MONTHS))}",
            )
        return self


class AddressCharge(StrEnum):
    """How the elastic IP address is paid. A subscription is refused: destroy would leave it billing."""

    BY_TRAFFIC = "byTraffic"
    BY_BANDWIDTH = "byBandwidth"


class PublicAddress(Section):
    """The elastic IP address."""

    bandwidth_mbps: int = Field(100, ge=1, le=500, description="Mbit/s, 1 to 200 by traffic, 1 to 500 by bandwidth")
    charge: AddressCharge = Field(AddressCharge.BY_TRAFFIC, description="byTraffic or byBandwidth")

    @field_validator("charge", mode="before")
    @classmethod
    def _no_subscription(cls, value: Any) -> Any:
        if value == "subscription":
            refuse(
                "destroying a subscribed address only forgets it: it goes on billing to the end of its period",
                "use byTraffic or byBandwidth",
            )
        return value

    @model_validator(mode="after")
    def _within_the_cap(self) -> Self:
        if self.charge is AddressCharge.BY_TRAFFIC and self.bandwidth_mbps > 200:
            refuse("by traffic the cloud sells at most 200 Mbit/s", "lower bandwidthMbps, or charge byBandwidth")
        return self


class Weekday(StrEnum):
    """Days of a snapshot policy, Monday first as the cloud counts them."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


def _once_each(value: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(set(value)) != len(value):
        refuse("an entry stands twice", "keep one of each")
    return value


OnceEach = AfterValidator(_once_each)


class Snapshots(Section):
    """When the data disk is snapshot, and how long a snapshot is kept."""

    hours: Annotated[tuple[Annotated[int, Field(ge=0, le=23)], ...], Field(min_length=1, max_length=24), OnceEach] = (
        Field(description="full hours from 0 to 23, as in [3], in the region's time zone")
    )
    days: Annotated[tuple[Weekday, ...], Field(min_length=1), OnceEach] = Field(
        tuple(Weekday), description="weekdays, as in [mon, thu]; absent: every day"
    )
    keep_days: int = Field(30, ge=1, le=65535, description="days, 1 to 65535")


class DataDisk(Disk):
    """The disk that holds users, chats, uploads, models and certificates; it outlives the instance."""

    # The categories' limits: terraform-provider-alicloud, website/docs/r/ecs_disk.html.markdown
    size_gib: int = Field(
        200, ge=20, le=65536, description="a size from 20 to 65536 GiB, for cloud_ssd and cloud_efficiency to 32768"
    )
    kms_key_id: fields.KmsKeyId | None = Field(None, description="a KMS key; absent: the service's own key")
    snapshot_id: fields.SnapshotId | None = Field(None, description="a snapshot to start from, s-…")
    protect: bool = Field(default=False, description="true or false: refuse to delete the disk")
    snapshots: Snapshots | None = Field(None, description="the snapshot schedule, as in {hours: [3], keepDays: 30}")

    @model_validator(mode="after")
    def _within_the_category(self) -> Self:
        if self.category in (DiskCategory.SSD, DiskCategory.EFFICIENCY) and self.size_gib > 32768:
            refuse(f"{self.category} ends at 32768 GiB", "lower sizeGib, or use cloud_essd or cloud_auto")
        return self


class ModelChoice(Section):
    """A model: one that Ollama pulls, or one made from a Modelfile."""

    name: fields.ModelName = Field(description="the name people see, as in qwen3:8b")
    source: fields.ModelName | None = Field(
        None, description="where it is pulled from if not by its name, as in modelscope.cn/Qwen/Qwen3-8B-GGUF"
    )
    modelfile: Annotated[str, StringConstraints(max_length=8192), AfterValidator(modelfiles.checked)] | None = Field(
        None, description="the text of a Modelfile that begins with FROM"
    )

    @model_validator(mode="after")
    def _made_in_one_way(self) -> Self:
        if self.modelfile is not None and self.source is not None:
            refuse("a Modelfile says itself what it is made from", "remove source")
        return self

    @property
    def base(self) -> str | None:
        """The model behind a Modelfile's FROM; None where there is none."""
        return modelfiles.base(self.modelfile or "")

    @property
    def num_ctx(self) -> int | None:
        """Tokens of context that a Modelfile asks for itself; None where it does not."""
        found = modelfiles.arguments(self.modelfile or "", modelfiles.NUM_CTX)
        return int(found[-1]) if found else None

    def modelfile_from(self, base: str) -> str | None:
        """The Modelfile's text with another model behind FROM: a mirror has the base under a name of its own."""
        return self.modelfile and modelfiles.with_base(self.modelfile, base)


def _model_choice(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Model = Annotated[ModelChoice, BeforeValidator(_model_choice)]


def _free(owned: Mapping[str, str]) -> AfterValidator:
    """A variable's name that is not among those that the program sets itself."""

    def check(name: str) -> str:
        if name in owned:
            refuse(f"{name} is the program's own: {owned[name]}", f"remove {name}")
        return name

    return AfterValidator(check)


OllamaVariable = Annotated[fields.VariableName, _free(owned_environment.OLLAMA)]
OpenWebUiVariable = Annotated[fields.VariableName, _free(owned_environment.OPEN_WEBUI)]
EnvironmentValue = Annotated[str, StringConstraints(max_length=4096)]


class Ollama(Section):
    """The model server."""

    version: fields.Version | None = Field(None, description="a version, as in 0.32.7; absent: the program's pin")
    sha256: fields.Sha256 | None = Field(None, description="the SHA-256 of that version's ollama-linux-amd64.tar.zst")
    context_length: int | None = Field(
        None,
        ge=1024,
        le=1_048_576,
        description="tokens, 1024 to 1048576; absent: the longest of 4k to 32k that fits",
    )
    parallel: int = Field(2, ge=1, le=64, description="requests that one model answers at a time, 1 to 64")
    kv_cache_type: Literal["f16", "q8_0", "q4_0"] = Field("q8_0", description="f16, q8_0 or q4_0")
    embedding_model: Model = Field(
        default_factory=lambda: ModelChoice(name=EMBEDDING_MODEL),
        description="the model that documents are indexed with, as in bge-m3:567m",
    )
    prune: bool = Field(default=False, description="true or false: remove models that are no longer listed")
    environment: dict[OllamaVariable, EnvironmentValue] = Field(
        default_factory=dict, description="further variables of Ollama's"
    )

    @model_validator(mode="after")
    def _version_with_digest(self) -> Self:
        if (self.version is None) != (self.sha256 is None):
            refuse(
                "a version and its SHA-256 belong together",
                "copy both from the release's sha256sum.txt, or leave both out",
            )
        return self


class Caddy(Section):
    """The TLS front."""

    version: fields.Version = Field(description="a version, as in 2.11.7")
    sha256: fields.Sha256 = Field(description="the SHA-256 of that version's caddy_VERSION_linux_amd64.tar.gz")


class Backend(Section):
    """An OpenAI-compatible service that people can choose models of."""

    url: fields.Url = Field(
        description="its base address, as in https://dashscope-intl.aliyuncs.com/compatible-mode/v1"
    )
    key_config: fields.ConfigKey | None = Field(
        None, description="the config key that holds its API key as a secret, as in dashscopeKey"
    )


class OpenWebUi(Section):
    """The chat application."""

    image: fields.ImageReference = Field(
        OPEN_WEBUI_IMAGE,
        description="registry/repository:tag@sha256:digest, as printed by `docker buildx imagetools inspect`",
    )
    environment: dict[OpenWebUiVariable, EnvironmentValue] = Field(
        default_factory=dict, description="further variables of Open WebUI's"
    )
    secret_environment: dict[OpenWebUiVariable, fields.ConfigKey] = Field(
        default_factory=dict, description="variable -> config key that holds its value as a secret"
    )
    openai_backends: tuple[Backend, ...] = Field(
        (), description="OpenAI-compatible services, as in [{url: …, keyConfig: dashscopeKey}]"
    )
    plugins: bool = Field(default=False, description="true or false: tools and functions, Python run on the server")
    code_execution: bool = Field(default=False, description="true or false: code interpreter in the browser")
    upload_mib: int = Field(256, ge=1, le=4096, description="the largest upload, 1 to 4096 MiB")
    memory_mib: int | None = Field(
        None,
        ge=1024,
        description="the container's memory limit in MiB, at least 1024; absent: half of the machine's",
    )

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if both := sorted(self.environment.keys() & self.secret_environment.keys()):
            refuse(f"{both[0]} stands in environment and in secretEnvironment", "keep one of them")
        return self


class MirrorPreset(StrEnum):
    """Which hosts serve what the box downloads."""

    INTERNATIONAL = "international"
    MAINLAND = "mainland"


class Mirrors(Section):
    """Where the box downloads from. Everything is checked by digest, so any mirror may be named here."""

    preset: MirrorPreset | None = Field(None, description="international or mainland; absent: by the region")
    github_releases: tuple[fields.Url, ...] | None = Field(
        None,
        min_length=1,
        description="bases in front of /OWNER/REPOSITORY/releases/download, tried in order",
    )
    registry: fields.Host | None = Field(None, description="the registry that serves the image, as in ghcr.io")
    models: fields.Host | None = Field(None, description="the registry that serves models without a host in their name")
    acme_directory: fields.Url | None = Field(None, description="the ACME server's directory")
    apt: fields.Url | None = Field(
        None,
        description="the package mirror with its path (…/ubuntu); absent: what the image is set to",
    )


class Admin(Section):
    """The first administrator of Open WebUI."""

    email: fields.Email = Field(description="the address to sign in with, as in admin@example.com")
    name: Annotated[str, StringConstraints(min_length=1, max_length=64)] = Field(
        "Admin", description="the name shown, 1 to 64 characters"
    )


class Alarms(Section):
    """Who is told when something breaks."""

    contacts: Annotated[tuple[fields.Email, ...], Field(min_length=1, max_length=10), OnceEach] = Field(
        description="e-mail addresses, as in [ops@example.com]"
    )


class Schedule(Section):
    """Stop at night, start in the morning."""

    stop: fields.Cron = Field(description="when to stop: minute hour day month weekday, as in 0 20 * * 1-5")
    start: fields.Cron = Field(description="when to start, as in 30 7 * * 1-5")
    time_zone: fields.TimeZone = Field("UTC", description="an IANA time zone, as in Asia/Shanghai")


class Release(Section):
    """How a change is put on the running box."""

    timeout_minutes: int = Field(45, ge=5, le=240, description="minutes until the box must answer, 5 to 240")
