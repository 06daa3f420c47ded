#!/usr/bin/env bash
# Runs every fuzz target for some seconds (default 10) from its committed corpus, two at a time. New inputs go to a temporary
# folder. A crash leaves its input in fuzz/artifacts and fails the script. Needs cargo-fuzz; works with stable Rust, because
# it uses no sanitizer.
#
#   fuzz/smoke.sh                          10 s per target
#   TARGETS="parse merger" fuzz/smoke.sh 1800   30 min for two targets
set -euo pipefail
export SECONDS_EACH=${1:-10}
cd "$(dirname "$0")"
NEW=$(mktemp -d)
export NEW
trap 'rm -rf "$NEW"' EXIT
# One set of features for all, so that nothing is built twice.
cargo fuzz build --fuzz-dir . -s none --features server

one() {
    mkdir -p "$NEW/$1" "corpus/$1"
    if cargo fuzz run --fuzz-dir . -s none --features server "$1" "$NEW/$1" "corpus/$1" -- -max_total_time="$SECONDS_EACH" \
        -max_len=8192 -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1 >"$NEW/$1.log" 2>&1; then
        echo "$1: $(awk '/number_of_executed_units/ { print $2 }' "$NEW/$1.log") executions, nothing found"
    else
        cat "$NEW/$1.log"
        exit 1
    fi
}
export -f one
tr ' ' '\n' <<<"${TARGETS:-$(cargo fuzz list --fuzz-dir .)}" | xargs -P 2 -I {} bash -c 'one {}'
