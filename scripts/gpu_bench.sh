#!/usr/bin/env bash
# Measure gemmatune on a GPU, and transformers + PEFT (+ bitsandbytes) in turn with it, in under ten minutes.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/gpu_bench.sh [--python PYTHON] [--output DIR] [--tiny] [gemmabench gpu's options ...]

Needs a built gemmabench (make build, or the bundle) and a Python with PyTorch, transformers and PEFT; bitsandbytes is
used where it is installed. No model and no data: Gemma 2B's shape with random weights and tokens. Prints one table a
subject, the most wanted last: operations against their floors, agreement of GPU and CPU, start-up, decoding, training.
What could not be measured says why; with status 69 where gemmatune finds no GPU.

  --python PYTHON  the peer's interpreter                                   (default: python3)
  --output DIR     where results.json and results.md are written            (default: bench/gpu)
  --tiny           a tiny model, and the peer on the CPU: whether it all runs, not how fast
TEXT
}

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

root=$(cd "$(dirname "$0")/.." && pwd)
python=python3 output=bench/gpu arguments=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --python | --output)
      (($# > 1)) || fail 64 "$1: no value given"
      if [[ $1 == --python ]]; then python=$2; else output=$2; fi
      shift ;;
    --tiny) arguments+=(--quick --model "$root/configs/tiny/model" --peer-device cpu) ;;
    *) arguments+=("$1") ;;
  esac
  shift
done

gemmabench=""
for file in "$root/bin/gemmabench" "$root/.build/release/gemmabench"; do
  if [[ -x $file ]]; then gemmabench=$file; break; fi
done
[[ -n $gemmabench ]] || fail 69 "gemmabench is not built; run 'make build', or unpack a bundle"

if command -v "$python" >/dev/null; then
  arguments+=(--peer "$python" --peer-script "$root/scripts/gpu_bench_peer.py")
else
  printf '%s: not found; the peer is not measured\n' "$python" >&2
fi

# The parts have time limits of their own, 560 seconds together. This one is for what these do not cover.
status=0
timeout --kill-after=5 590 "$gemmabench" gpu --output "$output" ${arguments[@]+"${arguments[@]}"} || status=$?
if ((status == 124 || status == 137)); then
  printf 'not done in 590 seconds; what was measured until then:\n' >&2
  cat "$output/results.md"
fi
exit "$status"
