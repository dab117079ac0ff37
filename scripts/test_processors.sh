#!/usr/bin/env bash
# Run the numeric tests with the arithmetic of other processors: with OpenBLAS's kernels for each, and without
# this project's own bfloat16 kernels. Processors whose kernels cannot run on this one are named and left out.
#
#   scripts/test_processors.sh [CORE ...]     OpenBLAS's names of the processors
#
# The default is Prescott, Haswell and SkylakeX, and then own kernels off.
#
# TESTS is the filter of tests (default: the numeric ones; "." is all). The tests must have been built by
# `swift build -c release --build-tests`, which `make test` does.
set -euo pipefail
cd "$(dirname "$0")/.."

tests=${TESTS:-TensorsTests|GemmaTests|TrainerParityTests|TrainerTests|CUDATrainingTests}
flags=" $(sed -n 's/^flags[[:space:]]*: //p' /proc/cpuinfo | head -n 1) "

has() { [[ $flags == *" $1 "* ]]; }

# Prints what a core's kernels need and this processor lacks.
missing() {
  case $1 in
    Haswell | Zen) has avx2 && has fma || echo AVX2 ;;
    Sandybridge) has avx || echo AVX ;;
    SkylakeX) has avx512vl || echo AVX-512 ;;
    Cooperlake) has avx512_bf16 || echo AVX512_BF16 ;;
  esac
}

failed=()
run() { # NAME VARIABLE=VALUE
  local line
  printf '== %s\n' "$1"
  if line=$(env "$2" swift test -c release --disable-testable-imports --skip-build --filter "$tests" 2>&1); then
    printf '%s\n' "${line##*$'\n'}"
  else
    printf '%s\n' "$line" | grep -E '✘|error:|Test run' | tail -n 30
    failed+=("$1")
  fi
}

cores=("$@")
((${#cores[@]})) || cores=(Prescott Haswell SkylakeX own-kernels-off)
for core in "${cores[@]}"; do
  lacking=$(missing "$core")
  if [[ -n $lacking ]]; then
    printf '== %s: not run, its kernels need %s, which this processor does not have\n' "$core" "$lacking"
  elif [[ $core == own-kernels-off ]] && ! has avx512_bf16; then
    printf '== %s: not run again, this processor has no own kernels to switch off\n' "$core"
  elif [[ $core == own-kernels-off ]]; then
    run "$core" GEMMATUNE_OWN_KERNELS=off
  else
    run "$core" "OPENBLAS_CORETYPE=$core"
  fi
done
if ((${#failed[@]})); then
  printf 'error: tests failed with %s\n' "${failed[*]}" >&2
  exit 1
fi
