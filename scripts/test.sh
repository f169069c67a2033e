#!/usr/bin/env bash
# Runs every test, C++ and Python, even when the first half fails; the runners' own summaries come last.
set -uo pipefail
cd "$(dirname "$0")/.."
build=${1:-build}

PYTHONPATH="$build/python${PYTHONPATH:+:$PYTHONPATH}" OMP_NUM_THREADS=1 \
  .venv/bin/python -m pytest -q -n "$(nproc)" --dist worksteal tests/python
python_status=$?
ctest --test-dir "$build" --output-on-failure --no-tests=error -j "$(nproc)"
cpp_status=$?
exit $((python_status != 0 || cpp_status != 0))
