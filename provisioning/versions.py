"""What the program installs when the stack file names no other version: each pinned by its content.

A digest is never computed from a download of ours (this repository is built where the hubs cannot be reached);
each stands in several public, independent lock files, and the box refuses anything that does not match it.
"""

OLLAMA_VERSION = "0.32.7"
# ollama-linux-amd64.tar.zst of release v0.32.7, as pinned by Chromebrew's package ollama.rb.
OLLAMA_SHA256 = "ed1e39fe8fea90bd7f4c723bd949a2cea3153e111220ec0a183ea5b8dc8b2cae"
OLLAMA_DOWNLOAD_BYTES = 1_422_353_729  # release v0.32.5; the neighbours differ by little

CADDY_VERSION = "2.11.7"
# caddy_2.11.7_linux_amd64.tar.gz, the official archive.
CADDY_SHA256 = "727b91701a392de6ebc5027509f548bf39979e5216340d0faed8fa5e69c84f8b"

# Index digest of the multi-architecture image, the same in seven public lock files (full variant, 1.65 GB compressed).
OPEN_WEBUI_IMAGE = (
    "ghcr.io/open-webui/open-webui:v0.11.4@sha256:9591b13f13843c7721c2b8eaf7382846c81b3ffe126526d1888d1fed50c6a33f"
)
OPEN_WEBUI_DOWNLOAD_BYTES = 1_650_000_000
# Its change log withholds the security fixes of this release until their CVEs are published.
OPEN_WEBUI_SECURITY_FLOOR = (0, 12, 4)

EMBEDDING_MODEL = "nomic-embed-text:v1.5"

MINIMUM_NVIDIA_DRIVER = 550  # Ollama >= 0.31 drops devices with older drivers (discover/cuda_compat.go)
