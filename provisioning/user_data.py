"""`BoxSpec` -> the instance's user-data: it drops the bundle and starts the target, the rest is systemd's.

Plain text; the caller encodes it. Limit: 32 KiB before base64 (alibaba-cloud.md, section 1).
"""

from provisioning import bundle
from provisioning.spec import BoxSpec

LIMIT = 32 * 1024
ARCHIVE = "/var/lib/open-webui-box/bundle.tar.bz2.b85"  # the name tells `contents` how to open it

TEMPLATE = """\
#cloud-config
# {name}, release {digest}: progress with `open-webui-box status`, log with `journalctl -u 'owbox-*'`.
write_files:
- path: {archive}
  permissions: '0600'
  content: |
    {content}
runcmd:
- - python3
  - -Wignore
  - -c
  - |
    {unpack}
- [{target}/open-webui-box, install]
"""


def render(spec: BoxSpec) -> str:
    """The same text for the same spec. Raises `bundle.TooLargeError`."""
    built = bundle.build(spec)
    unpack = built.unpack(f'packed = open("{ARCHIVE}").read().strip()')
    text = TEMPLATE.format(
        name=spec.name,
        digest=built.digest,
        archive=ARCHIVE,
        content=built.base85,
        unpack=unpack.rstrip().replace("\n", "\n    "),
        target=built.target,
    )
    bundle.check_size("user-data", len(text.encode()), LIMIT, built, spec)
    return text
