"""The vocabulary of the stack's config: types with their rule and a message that names the fix."""

import re
from ipaddress import IPv4Network
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator

from infra.problems import refuse

_RESERVED_TAGS = ("aliyun", "acs:", "http://", "https://")
_PRIVATE = tuple(IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def _network(value: Any) -> IPv4Network:
    if isinstance(value, IPv4Network):
        return value
    try:
        return IPv4Network(value if isinstance(value, str) else "")
    except ValueError as error:
        if isinstance(value, str) and "host bits" in str(error):
            refuse("an address inside the range, not its first one", f"write {IPv4Network(value, strict=False)}")
        refuse("not an IPv4 range", "write one as in 10.20.0.0/16; IPv6 is not supported")


def _private(value: IPv4Network) -> IPv4Network:
    if not any(value.subnet_of(range_) for range_ in _PRIVATE):
        refuse("not a private range", "take one inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
    return value


def _mask(least: int, most: int) -> Any:
    def check(value: IPv4Network) -> IPv4Network:
        if not least <= value.prefixlen <= most:
            refuse(f"the mask is /{value.prefixlen}", f"take one from /{least} to /{most}")
        return value

    return check


def matches(pattern: str, why: str, fix: str) -> AfterValidator:
    """A string that matches the whole pattern."""
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if compiled.fullmatch(value) is None:
            refuse(why, fix)
        return value

    return AfterValidator(check)


def _tag_key(value: str) -> str:
    if not 1 <= len(value) <= 128:
        refuse("a tag's key has 1 to 128 characters", "shorten it")
    if value.lower().startswith(_RESERVED_TAGS) or "http://" in value or "https://" in value:
        refuse(
            "the cloud reserves it",
            "begin it with neither aliyun nor acs:, and keep http:// and https:// out",
        )
    return value


def _tag_value(value: str) -> str:
    if len(value) > 128:
        refuse("a tag's value has at most 128 characters", "shorten it")
    if value.lower().startswith(("aliyun", "acs:")) or "http://" in value or "https://" in value:
        refuse(
            "the provider refuses it",
            "begin it with neither aliyun nor acs:, and keep http:// and https:// out",
        )
    return value


_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"(?=.{{1,253}}(?![a-z0-9.-]))(?:{_LABEL}\.)+(?:[a-z]{{2,63}}|xn--[a-z0-9-]{{1,59}})"
_PORT = r"(?::(?:[1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5]))?"  # up to 65535
_FOLDER = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY = rf"{_FOLDER}(?:/{_FOLDER})*"
# Some mirrors have the original's whole address for a path.
_URL = re.compile(rf"https?://(?i:{_LABEL}(?:\.{_LABEL})*){_PORT}(?:/(?:https?://)?[A-Za-z0-9._~:@-]+)*/?")


def _url(value: str) -> str:
    if _URL.fullmatch(value) is None:
        refuse("not an http(s) address", "write it as https://host/path, with neither blanks nor a query")
    return value.rstrip("/")


def _image_id(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9_.-]{2,128}", value) is None:
        refuse("not an image's id", "copy it from the console: ubuntu_24_04_x64_….vhd, or m-… for one of your own")
    if re.match(r"m-\w|ubuntu_\d\d_\d\d_x64_", value) is None:
        refuse("the box is made for Ubuntu on x86-64", "take ubuntu_24_04_x64_….vhd, or one of your own, m-…")
    return value


def _image_family(value: str) -> str:
    """Families that begin with acs: are the cloud's, others the account's own."""
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_.:-]{1,127}", value) is None:
        refuse("not an image family", "write it as in acs:ubuntu_24_04_x64, or as you named one of your own")
    if value.startswith("acs:") and re.match(r"acs:ubuntu_\d\d_\d\d_x64(_|$)", value) is None:
        refuse("the box is made for Ubuntu on x86-64", "take acs:ubuntu_24_04_x64, or leave image out")
    return value


Network = Annotated[IPv4Network, BeforeValidator(_network)]
VpcCidr = Annotated[Network, AfterValidator(_private), AfterValidator(_mask(8, 28))]
VswitchCidr = Annotated[Network, AfterValidator(_private), AfterValidator(_mask(16, 29))]
TagKey = Annotated[str, AfterValidator(_tag_key)]
TagValue = Annotated[str, AfterValidator(_tag_value)]
Url = Annotated[str, AfterValidator(_url)]
Host = Annotated[
    str,
    matches(
        rf"{_DOMAIN}{_PORT}(?:/{_REPOSITORY})?",
        "not a host name",
        "write it in lower case, as in ghcr.io, with no https:// before it",
    ),
]
Domain = Annotated[
    str,
    matches(
        _DOMAIN,
        "not a domain name",
        "write it in lower case, as in chat.example.com",
    ),
]
Email = Annotated[
    str,
    matches(
        rf"[A-Za-z0-9._%+'-]{{1,64}}@(?i:{_DOMAIN})",
        "not an e-mail address",
        "write it as in admin@example.com",
    ),
]
Sha256 = Annotated[str, matches(r"[0-9a-f]{64}", "not a SHA-256", "give the 64 hexadecimal digits, lower case")]
Version = Annotated[
    str,
    matches(r"\d+\.\d+\.\d+(-[a-z0-9.]+)?", "not a version", "write it as in 0.32.7, with no v before it"),
]
# facts/open-webui-and-ollama.md section 3: [host/][namespace/]model[:tag]
MODEL_NAME = (
    r"(?a:(?:[A-Za-z0-9_][\w.:-]{0,349}/)?(?:[A-Za-z0-9_][\w-]{0,79}/)?[A-Za-z0-9_][\w.-]{0,79}"
    r"(?::[A-Za-z0-9_][\w.-]{0,79})?)"
)
ModelName = Annotated[
    str,
    matches(
        MODEL_NAME,
        "not a name that Ollama can pull",
        "write it as in qwen3:8b or hf.co/org/repo:Q4_K_M",
    ),
]
VariableName = Annotated[
    str, matches(r"[A-Z_][A-Z0-9_]*", "not an environment variable", "use capitals, digits and underscores")
]
ConfigKey = Annotated[
    str,
    matches(r"[A-Za-z][A-Za-z0-9]{0,63}", "not the name of a config key", "name a secret key, as in dashscopeKey"),
]


def cloud_id(prefix: str, what: str) -> AfterValidator:
    """An id of the cloud's, by its prefix."""
    return matches(
        rf"{prefix}-[A-Za-z0-9-]{{1,64}}",
        f"not the id of {what}",
        f"copy it from the console; it begins with {prefix}-",
    )


VpcId = Annotated[str, cloud_id("vpc", "a VPC")]
VswitchId = Annotated[str, cloud_id("vsw", "a vSwitch")]
SnapshotId = Annotated[str, cloud_id("s", "a snapshot")]
KmsKeyId = Annotated[
    str,
    matches(r"[A-Za-z0-9-]{4,64}", "not the id of a KMS key", "copy it from the console: key-… or a UUID"),
]
InstanceTypeName = Annotated[
    str,
    matches(
        r"ecs\.[a-z0-9-]+(\.[a-z0-9-]+)+",
        "not an ECS instance type",
        "write it as in ecs.gn7i-c8g1.2xlarge",
    ),
]
ZoneId = Annotated[
    str,
    matches(
        r"[a-z]{2}-[a-z]+(-?[a-z0-9]+)*",
        "not a zone",
        "write it as in ap-southeast-1c; `python -m ops doctor` says which zones have stock",
    ),
]
RegionId = Annotated[str, matches(r"[a-z]{2}-[a-z]+(-[a-z0-9]+)*", "not a region", "write it as in ap-southeast-1")]

# A first part without a dot, a port or the name localhost is no registry but a folder of Docker Hub's.
IMAGE_REFERENCE = re.compile(
    rf"(?P<registry>(?=localhost[:/]|[^/]*[.:]){_LABEL}(?:\.{_LABEL})*{_PORT})/(?P<repository>{_REPOSITORY})"
    r"(:(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))@(?P<digest>sha256:[0-9a-f]{64})"
)


def _image_reference(value: str) -> str:
    if IMAGE_REFERENCE.fullmatch(value) is None:
        why = "no digest" if "@" not in value else "not registry/repository:tag@sha256:digest"
        refuse(
            why,
            "write the tag and the digest that it had when you chose it: a tag alone can change its content",
        )
    return value


def _time_zone(value: str) -> str:
    if value not in available_timezones():
        refuse("no such time zone", "use an IANA name, as in Asia/Shanghai")
    return value


ImageReference = Annotated[str, AfterValidator(_image_reference)]
ImageId = Annotated[str, AfterValidator(_image_id)]
ImageFamily = Annotated[str, AfterValidator(_image_family)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
Cron = Annotated[
    str,
    matches(
        r"(\d{1,2}) (\d{1,2}) (\*|[\d,-]+) (\*|[\d,-]+) (\*|[\d,-]+)",
        "not a daily or weekly time",
        "write minute and hour as numbers, then day, month and weekday, as in 0 20 * * 1-5",
    ),
]
