"""`BoxSpec` -> the two Cloud Assistant commands that put it on a running instance and wait until it is ready.

Two, since one takes 24 KiB in base64 (alibaba-cloud.md, section 8), which is less than the bundle: the first carries
half of it, the second the rest, and releases. Plain text of shell scripts (type RunShellScript); the caller encodes.
"""

import base64

from provisioning import bundle
from provisioning.spec import BoxSpec

LIMIT = 24 * 1024
SECONDS_OWN = 900  # characters that the second command has more than the first, beside its half
HALVES = "/var/lib/open-webui-box"

CARRY = """\
#!/bin/sh
# {name}, release {digest}: the first half of the bundle
set -eu
umask 077
mkdir -p {halves}
cat >{half}.new <<'EOF'
{content}
EOF
mv {half}.new {half}
"""

# The release itself runs as a unit of its own, so that it survives the agent, which may be restarted, and the command's
# time-out, and its words stay in the box's journal; of type oneshot, since being stopped (a reboot) would count as
# success for any other.
RELEASE = """\
#!/bin/sh
# {name}, release {digest}
set -eu
python3 -W ignore - <<'EOF'
{unpack}pathlib.Path("{half}").unlink(missing_ok=True)
EOF
set +e
systemd-run --quiet --collect --wait --service-type=oneshot --unit="owbox-release-$$" \\
	{target}/open-webui-box release
status=$?
journalctl --sync
journalctl --quiet --no-pager --output=cat --unit="owbox-release-$$"
exit "$status"
"""

# Exit status of the release -> the step that gave up, as `owbox/units.py` has it.
STEPS = dict(
    enumerate(
        (
            *("packages", "disk", "secrets", "network", "address", "gpu", "fetch-ollama", "install-ollama"),
            *("install-caddy", "image", "ollama", "models", "open-webui", "caddy", "ready"),
        ),
        start=10,
    )
)

PACKED = """\
half = pathlib.Path("{half}")
if not half.exists():
    sys.exit(f"{{half}} is missing: the command that carries the bundle's first half has not run here")
packed = half.read_text().strip() + "{content}\""""


def carry(spec: BoxSpec) -> str:
    """What runs first: it leaves half of the bundle on the instance. Raises `bundle.TooLargeError`."""
    return _checked(spec, "first", 0)


def render(spec: BoxSpec) -> str:
    """The release itself: the same text for the same spec. Raises `bundle.TooLargeError`."""
    return _checked(spec, "second", 1)


def scripts(name: str, built: bundle.Bundle) -> tuple[str, str]:
    """Both, whatever their size."""
    packed, middle = built.base85, (len(built.base85) + SECONDS_OWN) // 2
    half = f"{HALVES}/{built.digest}.half"
    about = {"name": name, "digest": built.digest, "half": half}
    unpack = built.unpack(PACKED.format(half=half, content=packed[middle:]))
    return (
        CARRY.format(**about, halves=HALVES, content=packed[:middle]),
        RELEASE.format(**about, target=built.target, unpack=unpack),
    )


def _checked(spec: BoxSpec, which: str, part: int) -> str:
    built = bundle.build(spec)
    text = scripts(spec.name, built)[part]
    size = len(base64.b64encode(text.encode()))
    bundle.check_size(f"the release command's {which} half in base64", size, LIMIT, built, spec)
    return text
