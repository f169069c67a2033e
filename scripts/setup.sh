#!/usr/bin/env bash
# Installs what the build needs and is missing: system packages (apt, as root) and the virtual environment .venv.
# Does nothing, quickly, when nothing is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '== %s\n' "$*"; }
have() { command -v "$1" >/dev/null 2>&1; }

has_header() {
  local dir
  for dir in /usr/include /usr/local/include "${CMAKE_PREFIX_PATH:-/usr}/include" "${CONDA_PREFIX:-/usr}/include"; do
    [ -e "$dir/$1" ] && return 0
  done
  return 1
}

# The interpreter for .venv: 3.11 or newer, with venv, pip and the headers an extension module needs.
usable_python() {
  "$1" - >/dev/null 2>&1 <<'PY'
import ensurepip, os, sys, sysconfig, venv
sys.exit(sys.version_info < (3, 11) or not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))
PY
}

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.11 python3.12 python3.13 /usr/bin/python3; do
    if have "$candidate" && usable_python "$candidate"; then
      echo "$candidate"
      return 0
    fi
  done
  return 1
}

missing_packages() {
  local tool
  for tool in g++:g++ cmake:cmake ninja:ninja-build flatc:flatbuffers-compiler ccache:ccache; do
    have "${tool%%:*}" || echo "${tool##*:}"
  done
  has_header nlohmann/json.hpp || echo nlohmann-json3-dev
  has_header flatbuffers/flatbuffers.h || echo libflatbuffers-dev
  has_header eigen3/Eigen/Core || has_header Eigen/Core || echo libeigen3-dev
  has_header CLI/CLI.hpp || echo libcli11-dev
  has_header fmt/core.h || echo libfmt-dev
  has_header yaml-cpp/yaml.h || echo libyaml-cpp-dev
  has_header zlib.h || echo zlib1g-dev
  has_header gtest/gtest.h || echo libgtest-dev
  has_header benchmark/benchmark.h || echo libbenchmark-dev
  [ -x .venv/bin/python ] || find_python >/dev/null || printf 'python3-venv\npython3-dev\n'
}

install_system_packages() {
  local packages
  mapfile -t packages < <(missing_packages)
  [ ${#packages[@]} -eq 0 ] && return 0
  if have apt-get && [ "$(id -u)" -eq 0 ]; then
    say "installing system packages: ${packages[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null >/dev/null 2>&1 || {
      apt-get update -q </dev/null
      apt-get install -y -q --no-install-recommends "${packages[@]}" </dev/null
    }
  else
    say "these packages are missing; install them (names are Debian's) and run this again:" >&2
    printf '   sudo apt-get install %s\n' "${packages[*]}" >&2
    exit 1
  fi
}

install_venv() {
  local stamp=.venv/.requirements-sha256 wanted python
  wanted=$(cat requirements/torch.txt requirements/dev.txt | sha256sum)
  [ -x .venv/bin/python ] && [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return 0
  if [ ! -x .venv/bin/python ]; then
    python=$(find_python) || {
      say "no Python 3.11 or newer with venv and headers was found; set PYTHON=/path/to/python3" >&2
      exit 1
    }
    say "creating .venv with $python ($("$python" --version 2>&1))"
    "$python" -m venv .venv
  fi
  say "installing Python packages (torch first, at exactly the version the tests were written for)"
  .venv/bin/python -m pip install -q --disable-pip-version-check -r requirements/torch.txt </dev/null
  .venv/bin/python -m pip install -q --disable-pip-version-check -r requirements/dev.txt -c requirements/torch.txt </dev/null
  echo "$wanted" >"$stamp"
}

install_system_packages
install_venv
