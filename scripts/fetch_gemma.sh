#!/usr/bin/env bash
# Download a Gemma model from the Hugging Face hub, and check the size and SHA-256 that it gives.
#
#   HF_TOKEN=... scripts/fetch_gemma.sh MODEL [FOLDER]
#
# MODEL is a name such as google/gemma-2b-it; the default FOLDER is models/ and the name's last part.
#
# Gemma is gated: accept its licence on the model's page first, then make a token with read access at
# huggingface.co/settings/tokens. The token is read from HF_TOKEN. It is never printed or put on a command
# line. An interrupted download is continued. GEMMATUNE_HUB_URL names another hub (a mirror).
set -euo pipefail

hub=${GEMMATUNE_HUB_URL:-https://huggingface.co}

fail() { # STATUS MESSAGE...
  printf 'error: %s\n' "${*:2}" >&2
  exit "$1"
}

(($# == 1 || $# == 2)) || fail 64 "usage: scripts/fetch_gemma.sh MODEL [FOLDER]"
model=$1
[[ $model == */* ]] || model=google/$model
[[ $model =~ ^[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+$ ]] ||
  fail 64 "model '$1': expected a name such as google/gemma-2b-it"
folder=${2:-models/${model##*/}}
for tool in curl sha256sum; do
  command -v "$tool" >/dev/null ||
    fail 69 "$tool: not found; install it (Debian: apt-get install curl coreutils)"
done
[[ ${HF_TOKEN:-} =~ ^[A-Za-z0-9_-]*$ ]] ||
  fail 64 "HF_TOKEN: holds characters that no token has; expected letters, digits, '_' and '-'"

# curl with the token. It reads the token from a pipe, so that no list of processes shows it.
ask() {
  local header=""
  [[ -z ${HF_TOKEN:-} ]] || header="header = \"Authorization: Bearer $HF_TOKEN\""
  curl --silent --show-error --retry 3 --config <(printf '%s\n' "$header") "$@"
}

# Reads the hub's facts on a file into `status`, `size` and `checksum`. The last two may stay empty.
describe() { # FILE
  local headers url=$hub/$model/resolve/main/$1
  headers=$(head_of "$url")
  status=$(header status)
  # Large files are redirected to a storage that need not answer HEAD. The redirection has size and checksum.
  size=$(header x-linked-size)
  checksum=$(header x-linked-etag | tr -d '"')
  if [[ $status == 3* && -n $size ]]; then
    status=200
  elif [[ $status == 3* ]]; then
    headers=$(head_of "$url" --location)
    status=$(header status)
  fi
  [[ -n $size ]] || size=$(header content-length)
  [[ $size =~ ^[0-9]+$ ]] || size=""
  [[ $checksum =~ ^[0-9a-f]{64}$ ]] || checksum=""
}

# The last header of that name among `headers`.
header() { sed -n "s/^$1: *//Ip" <<<"$headers" | tail -n 1; }

head_of() { # URL OPTION...
  ask --head --write-out 'status: %{http_code}\n' "$@" | tr -d '\r' || fail 69 "$hub: cannot be reached"
}

refuse_status() { # FILE
  case $status in
    401 | 403)
      local token="HF_TOKEN is not set"
      [[ -z ${HF_TOKEN:-} ]] || token="HF_TOKEN was sent but gives no access"
      fail 77 "$model: the hub answered $status ($token). Accept the licence at $hub/$model," \
        "then set HF_TOKEN to a token with read access from $hub/settings/tokens" ;;
    404) fail 66 "$hub/$model: has no $1 (or there is no such model)" ;;
    *) fail 69 "$hub/$model/resolve/main/$1: the hub answered $status; expected 200" ;;
  esac
}

bytes_of() { if [[ -f $1 ]]; then stat -c %s "$1"; else echo 0; fi; }

# Downloads one file. An `optional` file may be absent from the hub.
fetch() { # FILE required|optional
  local path=$folder/$1 part=$folder/$1.part
  describe "$1"
  if [[ $status == 404 && $2 == optional ]]; then
    echo "$path: not on the hub, left out"
    return
  fi
  [[ $status == 200 ]] || refuse_status "$1"
  if [[ -f $path && -n $size && $(bytes_of "$path") -eq $size ]]; then
    echo "$path: there already"
    return
  fi
  if [[ -z $size || $(bytes_of "$part") -gt $size ]]; then rm -f "$part"; fi
  if [[ -z $size || $(bytes_of "$part") -lt $size ]]; then
    echo "$path: ${size:-?} bytes"
    ask --fail --location --continue-at - --output "$part" "$hub/$model/resolve/main/$1" ||
      fail 69 "$hub/$model/resolve/main/$1: the download broke off; run this again to go on"
  fi
  check "$part" "$1"
  mv "$part" "$path"
}

check() { # PART FILE
  local got
  got=$(bytes_of "$1")
  if [[ -n $size && $got -ne $size ]]; then
    rm -f "$1"
    fail 65 "$folder/$2: got $got bytes; expected $size"
  fi
  [[ -n $checksum ]] || return 0
  got=$(sha256sum <"$1")
  got=${got%% *}
  if [[ $got != "$checksum" ]]; then
    rm -f "$1"
    fail 65 "$folder/$2: got SHA-256 $got; expected $checksum"
  fi
}

mkdir -p "$folder" || fail 73 "$folder: cannot be created"
fetch config.json required
fetch tokenizer.model required
fetch tokenizer_config.json optional
fetch generation_config.json optional

describe model.safetensors.index.json
if [[ $status == 200 ]]; then
  fetch model.safetensors.index.json required
  mapfile -t shards < <(
    grep -o '"[A-Za-z0-9_.-]*\.safetensors"' "$folder/model.safetensors.index.json" | tr -d '"' | sort -u)
  ((${#shards[@]})) || fail 65 "$folder/model.safetensors.index.json: names no .safetensors file"
else
  [[ $status == 404 ]] || refuse_status model.safetensors.index.json
  shards=(model.safetensors)
fi
for shard in "${shards[@]}"; do
  fetch "$shard" required
done
echo "$folder: complete"
