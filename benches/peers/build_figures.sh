#!/usr/bin/env bash
# Compares the same program with kvs-images and with the AWS SDK for Rust: processor time of a clean build, size,
# dependencies. Builds release, stripped, with one compiler at a time. Takes some minutes and deletes what it built.
set -euo pipefail
cd "$(dirname "$0")"
# Dependencies are fetched before the measurement.
cargo fetch --quiet --locked
target=$(mktemp -d)
trap 'rm -rf "$target"' EXIT
TIMEFORMAT="%U %S"
printf '| %-20s | %14s | %10s | %12s |\n|---|---|---|---|\n' program "clean build" size dependencies
for program in get-images-kvs get-images-aws-sdk; do
    build() { cargo build --quiet --locked --release --jobs 1 --package "$program" --target-dir "$target/$program"; }
    seconds=$({ time build 1>&2; } 2>&1 | awk 'END { printf "%.1f", $1 + $2 }')
    size=$(stat --format %s "$target/$program/release/$program")
    crates=$(cargo tree --locked --package "$program" --edges no-dev,no-build --prefix none | sed 's/ (\*)$//' | sort -u | wc -l)
    printf '| %-20s | %12s s | %7s kB | %12s |\n' "$program" "$seconds" "$((size / 1000))" "$((crates - 1))"
    rm -rf "${target:?}/$program"
done
