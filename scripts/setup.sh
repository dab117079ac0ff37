#!/usr/bin/env bash
# Install the missing Debian packages that gemmatune is built with, and check the Swift toolchain.
#
#   scripts/setup.sh
#
# Prints nothing when nothing is missing, otherwise the commands that it runs. Without root and without sudo
# it names the command to run and ends with status 69.
set -euo pipefail

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 69
}

check_swift() {
  command -v swift >/dev/null || fail "swift: not found; expected Swift 6.2 or later, from swift.org/install"
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\)\.\([0-9]*\).*/\1 \2/p' | head -n 1)
  [[ -n $version ]] || fail "swift --version: names no version; expected Swift 6.2 or later, from swift.org/install"
  local major=${version% *} minor=${version#* }
  if ((major < 6 || (major == 6 && minor < 2))); then
    fail "swift: got version $major.$minor; expected 6.2 or later, from swift.org/install"
  fi
}

# Each package, and the sign that it is installed, also on a system that got it in another way.
missing_packages() {
  command -v pkg-config >/dev/null || echo pkg-config
  pkg-config --exists openblas 2>/dev/null || echo libopenblas-dev
  pkg-config --exists hdf5-serial 2>/dev/null || echo libhdf5-dev
  pkg-config --exists yaml-0.1 2>/dev/null || echo libyaml-dev
  command -v gnuplot >/dev/null || echo gnuplot-nox
}

run() {
  printf '+ %s\n' "$*"
  "$@"
}

install_packages() {
  local packages=("$@")
  local command="apt-get install -y --no-install-recommends ${packages[*]}"
  command -v apt-get >/dev/null ||
    fail "apt-get: not found; install what Debian calls ${packages[*]} with this system's own tools"

  local as_root=()
  if [[ $(id -u) -ne 0 ]]; then
    # sudo may ask for a password only if someone can type it.
    if command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
      as_root=(sudo)
    else
      fail "missing packages: ${packages[*]}; run this as root: apt-get update && $command"
    fi
  fi
  local apt_get=(${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get)
  local install=("${apt_get[@]}" install -y --no-install-recommends "${packages[@]}")

  # A fresh machine has no package lists. An old one has lists that name files which no longer exist.
  if ! apt-cache show "${packages[@]}" >/dev/null 2>&1; then
    run "${apt_get[@]}" update
    run "${install[@]}"
  elif ! run "${install[@]}"; then
    run "${apt_get[@]}" update
    run "${install[@]}"
  fi
}

check_swift
mapfile -t missing < <(missing_packages)
if ((${#missing[@]})); then
  install_packages "${missing[@]}"
fi
