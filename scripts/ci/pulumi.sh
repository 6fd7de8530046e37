#!/bin/sh
# The real engine on one stack: pulumi.sh preview|up|drift STACK [REPORT]
#
# From the environment: PULUMI_BACKEND_URL (where the state is: https://api.pulumi.com) with PULUMI_ACCESS_TOKEN, and
# PULUMI_CONFIG_PASSPHRASE where the stack was made with a passphrase. A bucket: docs/ci.md.
# Cloud credentials: run it under `python -m scripts.ci.with_role`, or set the provider's variables.
# `preview` and `up` begin with the offline preview, whose mandatory findings stop them: it alone knows the price and
# user-data as it will be (docs/policies.md). Needs `make venv`.
# `drift` writes what it saw to REPORT when the cloud differs from the code or cannot be read, and succeeds.
set -eu

usage() {
	echo "usage: $0 preview|up|drift STACK [REPORT]" >&2
	exit 64
}

[ $# -ge 2 ] || usage
action=$1 stack=$2 report=${3:-}
case $action in preview | up | drift) ;; *) usage ;; esac
: "${PULUMI_BACKEND_URL:?is not set: where is the state? See docs/ci.md}"
[ "$action" = drift ] || .venv/bin/python -m ops preview --stack "$stack"
pulumi login --non-interactive "$PULUMI_BACKEND_URL" >&2
set -- --stack "$stack" --non-interactive --policy-pack policy

case $action in
preview) exec pulumi preview "$@" --diff ;;
up) exec pulumi up "$@" --yes ;;
drift)
	: "${report:?drift needs a REPORT to write}"
	mkdir -p "$(dirname "$report")"
	if pulumi preview "$@" --refresh --expect-no-changes --diff >"$report" 2>&1; then
		rm "$report"
		echo "$stack is as its code says"
	else
		cat "$report"
	fi
	;;
esac
