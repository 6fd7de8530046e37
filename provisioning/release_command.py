"""`BoxSpec` -> the two Cloud Assistant commands that put it on a running instance and wait until it is ready.

Two, since one takes 24 KiB in base64 (alibaba-cloud.md, section 8), which is less than the bundle: the first carries
half of it, the second the rest, and releases. Plain text of shell scripts (type RunShellScript); the caller encodes.
"""

import base64

from provisioning import bundle
from provisioning.spec import BoxSpec

LIMIT = 24 * 1024

CARRY = """\
#!/bin/sh
# {name}, release {digest}: the first half of the bundle
set -eu
umask 077
mkdir -p /var/lib/open-webui-box
cat >/var/lib/open-webui-box/{digest}.new <<'EOF'
{content}
EOF
mv /var/lib/open-webui-box/{digest}.new /var/lib/open-webui-box/{digest}.half
"""

# Unpacked beside and renamed: a directory with a release's name is complete. The release itself runs as a unit of its
# own, so that it survives the agent, which may be restarted, and the command's time-out; of type oneshot, since being
# stopped (a reboot) would count as success for any other.
RELEASE = """\
#!/bin/sh
# {name}, release {digest}
set -eu
python3 -W ignore - <<'EOF'
import base64, io, pathlib, shutil, sys, tarfile
target = pathlib.Path("{target}")
half = pathlib.Path("/var/lib/open-webui-box/{digest}.half")
if not target.exists():
    if not half.exists():
        sys.exit(f"{{half}} is missing: the command that carries the bundle's first half has not run here")
    beside = target.with_name(".{digest}")
    shutil.rmtree(beside, ignore_errors=True)
    packed = half.read_text().strip() + "{content}"
    tarfile.open(fileobj=io.BytesIO(base64.b85decode(packed))).extractall(beside)
    beside.rename(target)
half.unlink(missing_ok=True)
EOF
exec systemd-run --quiet --collect --wait --pipe --service-type=oneshot --property=SyslogIdentifier=owbox-release \\
	{target}/open-webui-box release
"""


def carry(spec: BoxSpec) -> str:
    """What runs first: it leaves half of the bundle on the instance. Raises `bundle.TooLargeError`."""
    return _script(CARRY, spec, "first", 0)


def render(spec: BoxSpec) -> str:
    """The release itself: the same text for the same spec. Raises `bundle.TooLargeError`."""
    return _script(RELEASE, spec, "second", 1)


def _script(template: str, spec: BoxSpec, which: str, part: int) -> str:
    built = bundle.build(spec)
    packed = base64.b85encode(built.content).decode()
    middle = len(packed) // 2
    content = (packed[:middle], packed[middle:])[part]
    target = f"{bundle.RELEASES}/{built.digest}"
    text = template.format(name=spec.name, digest=built.digest, target=target, content=content)
    size = len(base64.b64encode(text.encode()))
    bundle.check_size(f"the release command's {which} half in base64", size, LIMIT, built, spec)
    return text
