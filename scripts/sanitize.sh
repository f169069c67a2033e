#!/usr/bin/env bash
# Builds every GoogleTest binary with address and undefined-behaviour sanitizers and runs it: scripts/sanitize.sh [jobs].
# LibTorch itself is not instrumented, and keeps what it allocates at its start: leaks are not looked for in the room train.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=${1:-$(nproc)}
build=build-sanitize

cmake -S . -B "$build" -G Ninja -DTINYML_SANITIZE=ON -DTINYML_TOOLS=OFF >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
rm -f "$build.log"
cmake --build "$build" -j "$jobs"
export UBSAN_OPTIONS=print_stacktrace=1
ctest --test-dir "$build" --output-on-failure --no-tests=error -E '^(package|train)$'
ASAN_OPTIONS=detect_leaks=0 ctest --test-dir "$build" --output-on-failure -R '^train$'
