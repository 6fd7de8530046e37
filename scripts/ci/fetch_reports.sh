#!/bin/sh
# All artifacts of a GitHub run whose names begin with drift-, if any: fetch_reports.sh RUN FOLDER
set -eu
run=$1 folder=$2
mkdir -p "$folder"
gh api --paginate "repos/$GITHUB_REPOSITORY/actions/runs/$run/artifacts" --jq '.artifacts[].name' >"$folder/names"
while read -r name; do
	case $name in
	drift-*) gh run download "$run" --name "$name" --dir "$folder" ;;
	esac
done <"$folder/names"
