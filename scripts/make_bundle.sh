#!/usr/bin/env bash
# Make a bundle that runs on a machine without Swift, as a folder and as a .tar.gz, under bundle/.
#
#   scripts/make_bundle.sh
#
#   bin/       gemmatune and gemmabench, with the Swift runtime inside
#   lib/       the shared libraries that they need, except for glibc's; they look there first
#   licences/  the terms of these libraries
#   configs/   every configuration, with the tiny model
#   scripts/   the GPU benchmark, the sweep of a study, and the downloads of models and data
#
# Prints the shared libraries of each program. Ends with an error if one of them is CUDA's, which is only
# looked for at run time, if one is missing, or if the archive has 60 MB or more.
set -euo pipefail
cd "$(dirname "$0")/.."

limit=60000000
build=.build-bundle
name=gemmatune-linux-$(uname -m)
folder=bundle/$name
programs=(gemmatune gemmabench)
scripts=(gpu_bench.sh gpu_bench_peer.py bench_peer.py sweep.sh fetch_gsm8k.sh fetch_gemma.sh)

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 1
}

# An RPATH and not a RUNPATH, so that the libraries in lib/ find each other there too.
build_programs() {
  local program
  for program in "${programs[@]}"; do
    swift build -c release --static-swift-stdlib --scratch-path "$build" --product "$program" \
      -Xlinker '-rpath=$ORIGIN/../lib' -Xlinker --disable-new-dtags -Xlinker --strip-all
    install -D -m 755 "$build/release/$program" "$folder/bin/$program"
  done
}

# Name and file of each shared library that a program loads, except for glibc, which the machine must have.
libraries() {
  ldd "$1" | awk '$2 == "=>" { print $1, $3 }' |
    grep -vE '^(libc|libm|libdl|libpthread|librt|libresolv|libutil|libanl|libnsl|libmvec)\.so'
}

copy_libraries() {
  local program
  mkdir -p "$folder/lib" "$folder/licences"
  # The programs load it while they run, so no header names it.
  copy_library libopenblas.so.0 "$(openblas)"
  copy_needed "$folder/lib/libopenblas.so.0"
  for program in "${programs[@]}"; do copy_needed "$folder/bin/$program"; done
}

# The file of OpenBLAS that a program loads on this machine.
openblas() {
  local folders
  folders=$(pkg-config --variable=libdir openblas) && [[ -e $folders/libopenblas.so.0 ]] ||
    fail "libopenblas.so.0: not found where pkg-config says that OpenBLAS is"
  printf '%s\n' "$folders/libopenblas.so.0"
}

copy_library() { # NAME FILE
  install -m 644 "$(readlink -f "$2")" "$folder/lib/$1"
  copy_licence "$2"
}

copy_needed() { # PROGRAM_OR_LIBRARY
  local library file
  while read -r library file _; do
    [[ $file == /* ]] || fail "$1: needs $library, which is not on this machine"
    [[ $(readlink -f "$file") == "$PWD/$folder/lib/"* ]] || copy_library "$library" "$file"
  done < <(libraries "$1")
}

copy_licence() {
  local file package
  command -v dpkg >/dev/null || return 0
  file=$(readlink -f "$1")
  # A package may list a file in /lib that lies in /usr/lib.
  package=$({ dpkg -S "$file" || dpkg -S "${file#/usr}"; } 2>/dev/null | head -n 1 | cut -d : -f 1) || return 0
  if [[ -r /usr/share/doc/$package/copyright ]]; then
    install -m 644 "/usr/share/doc/$package/copyright" "$folder/licences/$package"
  fi
}

check_libraries() {
  local program library file names
  for program in "${programs[@]}"; do
    names=""
    while read -r library file _; do
      names+=" $library"
      [[ ! $library =~ ^lib(cuda|cudart|nvrtc|nvidia|nvJitLink|cublas|cudnn|nccl) ]] ||
        fail "$program: linked to $library; expected CUDA to be looked for at run time alone"
      [[ $(readlink -f "$file") == "$PWD/$folder/lib/$library" ]] ||
        fail "$program: takes $library from ${file:-nowhere}; expected the bundle's lib"
    done < <(libraries "$folder/bin/$program")
    printf '%s needs:%s\n' "$program" "$names"
    ! readelf -d "$folder/bin/$program" | grep -E 'R(UN)?PATH' | grep -qE '[[]/|:/' ||
      fail "$program: looks for libraries in a folder of this machine"
  done
  printf 'and of the machine: glibc %s or later\n' "$(newest_glibc)"
}

# The newest version of glibc's symbols that a file of the bundle needs.
newest_glibc() {
  readelf -V -W "$folder"/bin/* "$folder"/lib/* 2>/dev/null | grep -oE 'GLIBC_[0-9.]+' | cut -d _ -f 2 | sort -uV |
    tail -n 1
}

command -v swift >/dev/null || fail "swift: not found; expected Swift 6.2 or later, from swift.org/install"
command -v readelf >/dev/null || fail "readelf: not found; on Debian: apt install binutils"
rm -rf "$folder" "$folder.tar.gz"
build_programs
copy_libraries
check_libraries
cp -r configs docs README.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md CITATION.cff LICENSE "$folder/"
for script in "${scripts[@]}"; do install -D -m 755 "scripts/$script" "$folder/scripts/$script"; done
# Runs in an empty environment, which is that of a machine without anything else.
env -i "$PWD/$folder/bin/gemmatune" --help >/dev/null || fail "the bundle's gemmatune does not run"
loaded=$(env -i LD_DEBUG=files "$PWD/$folder/bin/gemmatune" train configs/tiny/lora-main.yaml --dry-run device=cpu 2>&1 |
  sed -n 's/.*calling init: \(.*libopenblas.*\)/\1/p')
[[ $(readlink -f "$loaded") == "$PWD/$folder/lib/"* ]] ||
  fail "the bundle's gemmatune loads OpenBLAS from ${loaded:-nowhere}; expected the bundle's lib"

tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$(git log -1 --format=%ct 2>/dev/null || echo 0)" \
  -C bundle -cf - "$name" | gzip -9n >"$folder.tar.gz"
size=$(stat -c %s "$folder.tar.gz")
printf '%s.tar.gz: %d.%d MB (%s as a folder)\n' "$folder" $((size / 1000000)) $((size / 100000 % 10)) \
  "$(du -sh "$folder" | cut -f 1)"
((size < limit)) || fail "$folder.tar.gz: $size bytes; expected less than $limit. Does a module import all of Foundation?"
