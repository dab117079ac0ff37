#!/usr/bin/env bash
# Download GSM8K (MIT licence) as OpenAI published it, and check it.
#
#   scripts/fetch_gsm8k.sh [FOLDER]        default: data/gsm8k
#
# Files that exist and are right are left alone.
# GEMMATUNE_GSM8K_URL names another place with the four files.
set -euo pipefail

folder=${1:-data/gsm8k}
published=https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data
url=${GEMMATUNE_GSM8K_URL:-$published}

fail() {
  printf 'error: %s\n' "$2" >&2
  exit "$1"
}

# file, rows, SHA-256. No checksum of train_socratic.jsonl is known, so only its rows are counted.
files() {
  cat <<'TABLE'
train.jsonl 7473 17f347dc51477c50d4efb83959dbb7c56297aba886e5544ee2aaed3024813465
test.jsonl 1319 3730d312f6e3440559ace48831e51066acaca737f6eabec99bccb9e4b3c39d14
test_socratic.jsonl 1319 c96673362fa7a699f4836a9b6474a067448f95fe58064727501ee63ba4c3fdb6
train_socratic.jsonl 7473 -
TABLE
}

# Prints what is wrong with a file, or nothing.
fault() { # PATH ROWS SHA256
  local got
  got=$(wc -l <"$1")
  [[ $got -eq $2 ]] || { echo "got $got rows; expected $2"; return; }
  [[ $3 != - ]] || return 0
  got=$(sha256sum <"$1")
  got=${got%% *}
  [[ $got == "$3" ]] || echo "got SHA-256 $got; expected $3"
}

download() { # FILE PATH
  local status
  status=$(curl --silent --show-error --location --retry 3 \
    --output "$2" --write-out '%{http_code}' "$url/$1") ||
    fail 69 "$url/$1: cannot be reached"
  if [[ $status != 200 ]]; then
    rm -f "$2"
    fail 66 "$url/$1: the server answered $status; expected 200"
  fi
}

(($# <= 1)) || fail 64 "usage: scripts/fetch_gsm8k.sh [FOLDER]"
for tool in curl sha256sum; do
  command -v "$tool" >/dev/null ||
    fail 69 "$tool: not found; install it (Debian: apt-get install curl coreutils)"
done
mkdir -p "$folder" || fail 73 "$folder: cannot be created"

while read -r file rows checksum; do
  path=$folder/$file
  if [[ -f $path && -z $(fault "$path" "$rows" "$checksum") ]]; then
    echo "$path: there already"
    continue
  fi
  download "$file" "$path.part"
  wrong=$(fault "$path.part" "$rows" "$checksum")
  if [[ -n $wrong ]]; then
    rm -f "$path.part"
    fail 65 "$url/$file: $wrong"
  fi
  mv "$path.part" "$path"
  if [[ $checksum == - ]]; then
    echo "$path: $rows rows (no checksum of this file is known; only its rows were counted)"
  else
    echo "$path: $rows rows, SHA-256 as expected"
  fi
done < <(files)
