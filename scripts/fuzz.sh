#!/usr/bin/env bash
# Fuzzes the readers with address and undefined-behaviour sanitizers: scripts/fuzz.sh [seconds for each target, default 60].
# Needs clang 14 or newer with its runtime (apt-get install clang-14 libclang-rt-14-dev). The corpus grows in build-fuzz/corpus.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}

compiler=$(command -v clang++-14 || command -v clang++) || {
  echo 'clang is missing: apt-get install clang-14 libclang-rt-14-dev' >&2
  exit 1
}
cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DTINYML_FUZZ=ON -DTINYML_TESTS=OFF \
  -DTINYML_TOOLS=OFF >build-fuzz.log 2>&1 || { cat build-fuzz.log; exit 1; }
rm -f build-fuzz.log
cmake --build build-fuzz --target fuzz_archive fuzz_program fuzz_npy fuzz_tflite

[ -d build-fuzz/seeds/npy ] || .venv/bin/python tests/fuzz/make_seeds.py build-fuzz/seeds
[ -d build-fuzz/seeds/tflite ] || .venv/bin/python tests/fuzz/make_tflite_seeds.py build-fuzz/seeds/tflite
for name in archive program npy tflite; do
  mkdir -p "build-fuzz/corpus/$name"
  echo "== fuzz_$name: $seconds s"
  nice "build-fuzz/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=2048 -max_len=60000 \
    $([ "$name" = tflite ] || [ "$name" = npy ] || echo -dict=tests/fuzz/json.dict) -print_final_stats=1 -artifact_prefix="build-fuzz/$name-" \
    "build-fuzz/corpus/$name" "build-fuzz/seeds/$name"
done
