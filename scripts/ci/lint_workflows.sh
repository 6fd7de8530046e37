#!/bin/sh
# The workflows under the eyes of actionlint (syntax, expressions, shell) and zizmor (security). Needs Go for the first.
set -eu
cd "$(dirname "$0")/../.."
go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 -color -shellcheck .venv/bin/shellcheck
.venv/bin/zizmor --offline --no-progress .github
