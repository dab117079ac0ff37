#!/usr/bin/env bash
# Make configs/tiny from nothing: the problems, the tokenizer and the pre-trained base model.
#
#   scripts/make_tiny.sh [--data-only]      --data-only stops before the base model is trained (minutes)
#
# Needs python3, Debian's package sentencepiece (another version writes other bytes into tokenizer.model) and
# a built gemmatune. Problems and tokenizer are the same everywhere, bit for bit. The base model is the same
# on the same kind of processor: the committed one was made on a processor with AVX512_BF16 and AVX512_VNNI.
# No test and no part of the demo depends on its bits. At the end the script prints what differs from the
# committed files.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

data_only=false
case ${1:-} in
  "") ;;
  --data-only) data_only=true ;;
  *) fail 64 "usage: scripts/make_tiny.sh [--data-only]" ;;
esac
command -v python3 >/dev/null || fail 69 "python3: not found; expected Python 3.8 or later"
command -v spm_train >/dev/null || fail 69 "spm_train: not found; run: apt-get install sentencepiece"
gemmatune=.build/release/gemmatune
$data_only || [[ -x $gemmatune ]] || fail 69 "$gemmatune: not built; run 'make' first"

corpus=runs/tiny-pretraining-data # where pretrain.yaml looks for it
run=runs/tiny-pretraining
model=configs/tiny/model

echo "== problems and pre-training corpus"
python3 scripts/make_tiny_problems.py --problems configs/tiny/data --pretraining "$corpus"
example=$(sed -n 's/^    question: "\(.*\)"$/\1/p' configs/tiny/base.yaml)
[[ -n $example ]] || fail 65 "configs/tiny/base.yaml: no worked example found"
! grep -qF "\"$example\"" configs/tiny/data/*.jsonl ||
  fail 65 "configs/tiny/base.yaml: the worked example '$example' is one of the problems"

echo "== tokenizer"
# spm_train writes its file names into the model, so it runs in a folder of its own with fixed names.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 - configs/tiny/data/train.jsonl configs/tiny/data/train_socratic.jsonl "$corpus/train.jsonl" \
  >"$work/corpus.txt" <<'PYTHON'
import json, sys
for path in sys.argv[1:]:
    for line in open(path, encoding="ascii"):
        row = json.loads(line)
        print("Question: {question}\nAnswer: {answer}".format(**row))
PYTHON
newline=$'\n'
symbols="<mask>,[multimodal],<unused0>,<unused1>,<start_of_turn>,<end_of_turn>"
symbols+=",$newline,$newline$newline,▁▁,▁▁▁▁"
(cd "$work" && spm_train \
  --input=corpus.txt --model_prefix=tokenizer --vocab_size=640 --num_threads=1 \
  --model_type=bpe --byte_fallback=true --split_digits=true --character_coverage=1.0 \
  --normalization_rule_name=identity --add_dummy_prefix=false --remove_extra_whitespaces=false \
  --pad_id=0 --eos_id=1 --bos_id=2 --unk_id=3 \
  --pad_piece='<pad>' --eos_piece='<eos>' --bos_piece='<bos>' --unk_piece='<unk>' \
  --user_defined_symbols="$symbols" \
  >spm_train.log 2>&1) || { tail -n 5 "$work/spm_train.log" >&2; fail 1 "spm_train failed"; }
cp "$work/tokenizer.model" "$model/tokenizer.model"

if ! $data_only; then
  echo "== base model"
  # OpenBLAS's kernels for another processor than this one would give other bits.
  unset OPENBLAS_CORETYPE
  rm -rf "$run"
  "$gemmatune" train configs/tiny/pretrain.yaml
  cp "$run/final/model.safetensors" "$model/model.safetensors"
fi

echo "== beside what is committed"
changed=$(git status --porcelain -- configs/tiny)
echo "${changed:-the same, byte for byte}"
