#!/usr/bin/env bash
# lock.sh VERSION: writes VERSION.txt, what the sandbox's image of Open WebUI VERSION installs: one wheel a line,
# each with its hash, as PyPI resolves it today for Python 3.11 on Debian 12. Run it there, in the project's venv.
# torch is left out: PyPI's wheel for Linux does not load without 4 GB of CUDA libraries, and the box never asks
# for it (embeddings come from Ollama). opencv-python doubles opencv-python-headless.
set -euo pipefail
version=$1
here=$(cd "$(dirname "$0")" && pwd)
scratch=$(mktemp -d)
trap 'rm -r "$scratch"' EXIT
printf '%s ; sys_platform == "never"\n' torch opencv-python > "$scratch/left-out.txt"
echo "open-webui==$version" | uv pip compile --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_36 \
  --only-binary :all: --overrides "$scratch/left-out.txt" --no-annotate --no-header - -o "$scratch/pins.txt"
python3 -m pip install --quiet --dry-run --ignore-installed --no-deps --only-binary :all: \
  --report "$scratch/report.json" --requirement "$scratch/pins.txt"
{
  echo "# Made by lock.sh $version"
  jq -r '.install[] | "\(.metadata.name)==\(.metadata.version) --hash=sha256:\(.download_info.archive_info.hashes.sha256)"' \
    "$scratch/report.json" | LC_ALL=C sort --ignore-case
} > "$here/$version.txt"
