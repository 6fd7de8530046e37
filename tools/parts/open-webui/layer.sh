#!/usr/bin/env bash
# layer.sh BASE OUT UV REQUIREMENTS [VERSION START]
# Installs REQUIREMENTS (pip's format, with hashes) over the tree BASE; what that adds is left in OUT/upper.
# With VERSION: puts Open WebUI where the official image has it, with START as its start.sh.
# It mounts: run it as `unshare --mount --propagation=private bash layer.sh ...`.
set -euo pipefail
base=$1 out=$2 uv=$3 requirements=$4 version=${5-} start=${6-}

root=$out/root
mkdir -p "$out/upper" "$out/work" "$root"
mount -t overlay overlay -o "lowerdir=$base,upperdir=$out/upper,workdir=$out/work" "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs tmpfs "$root/run"
mkdir "$root/run/build" "$root/run/home"
for file in "$uv" "$requirements" /etc/ssl/certs/ca-certificates.crt; do
  touch "$root/run/build/${file##*/}"
  mount --bind "$file" "$root/run/build/${file##*/}"
done
mount --bind /etc/resolv.conf "$root/etc/resolv.conf"

in_root() {
  env HOME=/run/home PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    SSL_CERT_FILE=/run/build/ca-certificates.crt \
    /usr/sbin/chroot "$root" "$@"
}
# Layers carry no times, so bytecode must not be checked against them.
export PYC_INVALIDATION_MODE=UNCHECKED_HASH
in_root /run/build/uv --no-progress pip install --system --break-system-packages --no-cache --no-deps \
  --only-binary :all: --require-hashes --compile-bytecode --requirement "/run/build/${requirements##*/}"

packages=$root/usr/local/lib/python3.11/dist-packages
find "$packages" -type d -name tests -prune -exec rm -r {} +
if [[ -n $version ]]; then
  app=$root/app
  mkdir -p "$app/backend/data"
  mv "$packages/open_webui" "$app/backend/"
  mv "$app/backend/open_webui/frontend" "$app/build"
  cp "$app/backend/open_webui/CHANGELOG.md" "$app/"
  printf '{"name": "open-webui", "version": "%s"}\n' "$version" > "$app/package.json"
  install -m 0755 "$start" "$app/backend/start.sh"
  rm -r "$packages/data" "$packages/requirements-slim.txt" # strays of the wheel
  in_root python3 -m compileall -q -f --invalidation-mode unchecked-hash /app/backend
fi
