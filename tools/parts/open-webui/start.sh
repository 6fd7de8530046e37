#!/usr/bin/env bash
# The entry point of the sandbox's image: what the official image's start.sh does on a plain CPU container.
set -u
cd "$(dirname "${BASH_SOURCE[0]}")" || exit
key_file=${WEBUI_SECRET_KEY_FILE:-.webui_secret_key}
if [[ -z "${WEBUI_SECRET_KEY:-}${WEBUI_JWT_SECRET_KEY:-}" ]]; then
  [[ -e $key_file ]] || head -c 12 /dev/random | base64 > "$key_file"
  WEBUI_SECRET_KEY=$(< "$key_file")
  export WEBUI_SECRET_KEY
fi
exec python3 -m uvicorn open_webui.main:app --host "${HOST:-0.0.0.0}" --port "${PORT:-8080}" \
  --forwarded-allow-ips "${FORWARDED_ALLOW_IPS:-*}" --workers "${UVICORN_WORKERS:-1}"
