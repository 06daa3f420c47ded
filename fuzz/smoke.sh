#!/usr/bin/env bash
# Runs every fuzz target for some seconds (default 10) from its committed corpus. New inputs go to a folder that is thrown
# away; a crash leaves its input under fuzz/artifacts and ends the script. Needs cargo-fuzz; works with stable Rust, as no
# sanitizer is asked for.
set -euo pipefail
seconds=${1:-10}
cd "$(dirname "$0")"
found=$(mktemp -d)
trap 'rm -rf "$found"' EXIT
for target in ${TARGETS:-$(cargo fuzz list --fuzz-dir .)}; do
    mkdir -p "$found/$target" "corpus/$target"
    echo "== $target for $seconds s"
    cargo fuzz run --fuzz-dir . -s none "$target" "$found/$target" "corpus/$target" -- \
        -max_total_time="$seconds" -max_len=8192 -timeout=10 -rss_limit_mb=2048 -verbosity=0 -print_final_stats=1
done
