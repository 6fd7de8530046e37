"""What the sandbox is built from: every version in one table, beside what it is pinned by."""

from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2] / "tools" / "parts"

# Go modules; the whole graph is pinned by tools/parts/NAME/go.sum, a test holds go.mod to these versions.
OLLAMA_VERSION = "0.33.0"
OLLAMA_NEXT_VERSION = "0.33.1"  # the same program packed anew: what a change of version is tried with
CADDY_VERSION = "2.11.9"
PEBBLE_VERSION = "2.10.1"

# Ollama's runners. It pins llama.cpp by a commit that no package registry serves; the source in this sdist on
# PyPI is the nearest (good for the API, scheduling and downloads; says nothing about real models or a GPU).
LLAMA_CPP_PYTHON_VERSION = "0.3.36"
LLAMA_CPP_PYTHON_SHA256 = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e"

# PyPI's wheel `open-webui` and its dependencies, pinned with hashes in tools/parts/open-webui/VERSION.txt
# (made by lock.sh there). The first is the program's default, the second is what upgrades are tried with.
OPEN_WEBUI_VERSION = "0.11.4"
OPEN_WEBUI_NEXT_VERSION = "0.12.4"
OPEN_WEBUI_REPOSITORY = "ghcr.io/open-webui/open-webui"

# Debian serves only the latest packages of a release: pinned by the release, whatever its security team makes
# of it. The box's machine is the release nearest to Ubuntu 24.04; the image has the official image's (Python 3.11).
BOX_SUITE = "trixie"
IMAGE_SUITE = "bookworm"
BOX_PACKAGES = (
    "apt-utils", "ca-certificates", "cloud-guest-utils", "cloud-init", "curl", "dbus", "e2fsprogs", "fdisk",
    "iproute2", "iputils-ping", "jq", "kmod", "less", "libpam-systemd", "logrotate", "netbase", "nftables",
    "openssh-server", "pciutils", "procps", "psmisc", "python3", "python3-apt", "python3-yaml", "sudo", "systemd",
    "systemd-resolved", "systemd-sysv", "systemd-timesyncd", "udev", "xz-utils", "zstd",
)  # fmt: skip
# What the box's own `apt-get install` asks for. In Debian the client is a package of its own.
BOX_DOWNLOADS = ("docker.io", "docker-cli")
IMAGE_PACKAGES = ("bash", "ca-certificates", "curl", "jq", "netbase", "python-is-python3", "python3")

# The smallest GGUF files that llama.cpp runs: see models.py.
CHAT_MODELS = ("tiny", "tiny2")
EMBEDDING_MODEL = "tiny-embed"
MODEL_TAGS = ("latest", "1")  # a stack names the second: the program refuses tags that move

# Command on the host -> Debian or Ubuntu package that has it.
HOST_COMMANDS = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "skopeo": "skopeo",
    "cmake": "cmake",
    "c++": "g++",
    "make": "make",
}
HOST_PACKAGES = (*HOST_COMMANDS.values(), "debian-archive-keyring")
GO_MINIMUM = "1.26"  # `go` lines of tools/parts/*/go.mod; Debian's own Go may be older
