#!/usr/bin/env bash
# Record what the tiny study computes, to the bit, or compare two such records. Equal records prove that a
# change of the code's form changes no number.
#
#   scripts/record_runs.sh FOLDER                record five runs on the CPU and on the simulated GPU
#   scripts/record_runs.sh --compare OLD NEW     print what differs; status 1 when anything does
#
# For each run a record holds every step's metrics without times and memory, the hash of each file of weights,
# and the answers. Both records must come from the same kind of processor. STEPS (default 60; 4 on the
# simulated GPU) and QUESTIONS (default 40; 4) are the numbers of steps and questions. The program is
# .build/release/gemmatune. The simulated GPU lies beside it after `make test`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

if [[ ${1:-} == --compare ]]; then
  (($# == 3)) && [[ -d $2 && -d $3 ]] || fail 64 "usage: scripts/record_runs.sh --compare OLD NEW, two records"
  if diff -r "$2" "$3" >/dev/null; then
    printf '%d files, equal to the byte\n' "$(find "$3" -type f | wc -l)"
    exit 0
  fi
  diff -rq "$2" "$3" || true
  diff -r "$2" "$3" | head -n 20
  exit 1
fi

(($# == 1)) && [[ $1 != -* ]] || fail 64 "usage: scripts/record_runs.sh FOLDER"
mkdir -p "$1"
output=$(cd "$1" && pwd)
[[ -z $(ls -A "$output") ]] || fail 73 "$1: holds files; expected a new folder"
program=$root/.build/release/gemmatune
simulated=$root/.build/release/libSimulatedGPU.so
[[ -x $program ]] || fail 69 "$program: not built; run 'make' first"
cd "$root"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Keeps the numbers of a run that do not depend on the clock.
keep() { # RUN TARGET
  mkdir -p "$2"
  if [[ -e $1/metrics.jsonl ]]; then
    python3 - "$1/metrics.jsonl" >"$2/metrics.jsonl" <<'PYTHON'
import json, sys
CLOCK = {"step_seconds", "samples_per_second", "tokens_per_second", "peak_memory_bytes"}
for line in open(sys.argv[1]):
    print(json.dumps({key: value for key, value in json.loads(line).items() if key not in CLOCK}))
PYTHON
    (cd "$1/final" && sha256sum -- *.safetensors) >"$2/final.sha256"
  fi
  cp "$1/evaluation/predictions.jsonl" "$2/predictions.jsonl"
}

record() { # PLACE STEPS QUESTIONS OVERRIDE...
  local place=$1 steps=$2 questions=$3 name run
  shift 3
  for name in base full-main full-socratic lora-main lora-socratic; do
    run=$work/$place/$name
    if [[ $name != base ]]; then
      "$program" train "configs/tiny/$name.yaml" --quiet "run.directory=$run" "train.max_steps=$steps" "$@" >/dev/null
    fi
    "$program" eval "configs/tiny/$name.yaml" --quiet "run.directory=$run" "evaluation.limit=$questions" "$@" >/dev/null
    keep "$run" "$output/$place/$name"
    printf '%s/%s recorded\n' "$place" "$name"
  done
}

record cpu "${STEPS:-60}" "${QUESTIONS:-40}" device=cpu
if [[ -e $simulated ]]; then
  mkdir "$work/gpu-libraries"
  for library in libcuda.so.1 libnvrtc.so.13 libcublasLt.so.13; do ln -s "$simulated" "$work/gpu-libraries/$library"; done
  record gpu 4 4 device=cuda "cuda.libraries=$work/gpu-libraries" "cuda.kernel_cache=$work/kernels"
else
  printf '%s: not built; the record is of the CPU alone\n' "$simulated" >&2
fi
