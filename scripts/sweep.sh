#!/usr/bin/env bash
# Run a study: the base evaluation and the four training runs of one configuration folder, then the report.
set -euo pipefail

usage() {
  cat <<'TEXT'
usage: scripts/sweep.sh CONFIG_FOLDER [--runs DIR] [--output DIR] [key.path=value ...]

Evaluates base.yaml of the folder, trains and evaluates full-main, full-socratic, lora-main and lora-socratic
(those of the five that the folder holds), and writes the report over all of them. What an earlier call finished is
skipped. Overrides go to every train and eval that they can mean: those of train.* and optimizer.* not to the base,
those of lora.* only to the LoRA runs, optimizer.low_precision_update only to the full ones.

  --runs DIR     where the run directories are made   (default: runs/NAME, NAME being the folder's name)
  --output DIR   where the report is written          (default: report/NAME)
TEXT
}

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

folder="" runs="" output="" overrides=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --runs | --output)
      (($# > 1)) || fail 64 "$1: no folder given; expected $1 DIR"
      if [[ $1 == --runs ]]; then runs=$2; else output=$2; fi
      shift ;;
    -*) usage >&2; fail 64 "unknown option '$1'" ;;
    run.directory=*) fail 64 "$1: every run needs a directory of its own; use --runs DIR" ;;
    *=*) overrides+=("$1") ;;
    *)
      [[ -z $folder ]] || fail 64 "two folders, '$folder' and '$1'; expected one"
      folder=${1%/} ;;
  esac
  shift
done
[[ -n $folder ]] || { usage >&2; exit 64; }
[[ -d $folder ]] || fail 66 "$folder: no such folder; expected one with base.yaml in it"
[[ -f $folder/base.yaml ]] || fail 66 "$folder/base.yaml: no such file; expected the base evaluation's configuration"

name=$(basename "$(cd "$folder" && pwd)")
runs=${runs:-runs/$name}
output=${output:-report/$name}

# Built here, in a bundle beside this script, or installed.
home=$(cd "$(dirname "$0")/.." && pwd)
gemmatune=""
for place in "$home/.build/release/gemmatune" "$home/bin/gemmatune" "$(command -v gemmatune || true)"; do
  if [[ -n $place && -x $place ]]; then
    gemmatune=$place
    break
  fi
done
[[ -n $gemmatune ]] || fail 69 "gemmatune is not built; run 'make' first"

say() { printf '== %s\n' "$*"; }

# The overrides that have an effect on a run, into `chosen`. gemmatune refuses the others.
choose_overrides() { # VARIANT
  local override
  chosen=()
  for override in ${overrides[@]+"${overrides[@]}"}; do
    case $1:$override in
      base:train.* | base:optimizer.* | base:lora.* | full-*:lora.*) ;;
      lora-*:optimizer.low_precision_update=*) ;;
      *) chosen+=("$override") ;;
    esac
  done
}

train() { # CONFIG RUN
  if [[ -e $2/final ]]; then
    say "$2: trained already, skipped"
  else
    say "$2: training"
    "$gemmatune" train "$1" "run.directory=$2" ${chosen[@]+"${chosen[@]}"}
  fi
}

evaluate() { # CONFIG RUN
  if [[ -e $2/evaluation/summary.json ]]; then
    say "$2: evaluated already, skipped"
  else
    say "$2: evaluating"
    "$gemmatune" eval "$1" "run.directory=$2" ${chosen[@]+"${chosen[@]}"}
  fi
}

finished=()
for variant in base full-main full-socratic lora-main lora-socratic; do
  config=$folder/$variant.yaml run=$runs/$variant
  if [[ ! -f $config ]]; then
    say "$config: not there, skipped"
    continue
  fi
  choose_overrides "$variant"
  [[ $variant == base ]] || train "$config" "$run"
  evaluate "$config" "$run"
  finished+=("$run")
done

say "report over ${#finished[@]} run(s)"
"$gemmatune" report "${finished[@]}" --output "$output"
say "$output/report.md"
