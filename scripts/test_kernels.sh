#!/usr/bin/env bash
# Build the CUDA kernels as host C++ on the emulator of Tests/SimulatedGPU, with sanitizers, and test them.
#
#   scripts/test_kernels.sh [NAME ...]      all tests, or those whose name contains one of the words
#
# CXX is the compiler (default: clang++, otherwise g++), BUILD the folder for objects (default:
# .build/kernels), JOBS the number of compilers that run at once. The last line says how many tests passed.
# Any failure gives a status other than 0.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'error: %s\n' "$1" >&2
  exit 69
}

compiler=${CXX:-}
if [[ -z $compiler ]]; then
  compiler=$(command -v clang++ || command -v g++) || fail "clang++, g++: not found; expected one of them"
fi
build=${BUILD:-.build/kernels}
jobs=${JOBS:-$(nproc 2>/dev/null || echo 2)}
mkdir -p "$build"

# Contraction would give other products and sums than the CPU's loops.
flags=(-std=c++20 -O1 -g -Wall -Wextra -Wno-unknown-pragmas -Wno-unused-parameter -ffp-contract=off -fno-omit-frame-pointer
  -fsanitize=address,undefined -fno-sanitize-recover=undefined -ISources/CCUDA/kernels -ISources/CKernels/include
  -ITests/SimulatedGPU -ITests/SimulatedGPU/include -ITests/Kernels)

# A source is compiled again when it, a header or a kernel is newer than its object, or the command changes.
command_file=$build/command
printf '%s\n' "$compiler ${flags[*]}" >"$command_file.new"
cmp -s "$command_file.new" "$command_file" || rm -f "$build"/*.o
mv "$command_file.new" "$command_file"

sources=(Tests/SimulatedGPU/*.cpp Tests/Kernels/*.cpp)
shared=(Sources/CCUDA/kernels/*.cuh Tests/SimulatedGPU/*.hpp Tests/SimulatedGPU/include/*.h Tests/Kernels/*.hpp)
object_of() { echo "$build/$(tr / . <<<"${1#Tests/}" | sed 's/cpp$/o/')"; }
outdated=()
for source in "${sources[@]}"; do
  object=$(object_of "$source")
  for input in "$source" "${shared[@]}" "Sources/CCUDA/kernels/$(basename "$source" .cpp).cu"; do
    if [[ -e $input && ! $object -nt $input ]]; then
      outdated+=("$source" "$object")
      break
    fi
  done
done
if ((${#outdated[@]})); then
  printf '%s\n' "${outdated[@]}" | xargs -P "$jobs" -n 2 bash -c \
    '"${@:1:$#-2}" -c "${@: -2:1}" -o "${@: -1}"' compile "$compiler" "${flags[@]}"
fi

# The CPU's optimizer, which the kernels' optimizer must equal byte by byte. Without __linux__ it has only one
# plain version: clones for several processors are picked before the sanitizer has started.
definition=Sources/CKernels/portable/adamw.c
if [[ ! $build/definition.o -nt $definition ]]; then
  "$compiler" -x c -std=c11 -O1 -ffp-contract=off -U__linux__ -ISources/CKernels -ISources/CKernels/include -c "$definition" \
    -o "$build/definition.o"
fi

objects=("$build/definition.o")
for source in "${sources[@]}"; do objects+=("$(object_of "$source")"); done
# The toolchain's linker warns about every sanitizer symbol that it cannot export; that of binutils does not.
linker=()
if "$compiler" -fuse-ld=bfd -Wl,--version >/dev/null 2>&1; then linker=(-fuse-ld=bfd); fi
"$compiler" "${linker[@]}" -fsanitize=address,undefined "${objects[@]}" -o "$build/kernel-tests"

# Every kernel is known to the simulated driver: its name, as the GPU's compiler forms it, is in the module.
device_names() {
  "$compiler" -E -P -x c++ -std=c++17 -D__CUDACC__ -nostdinc -ISources/CCUDA/kernels "$1" | tr '\n' ' ' |
    grep -o '__global__[^;{]*{' | sed -E 's/__launch_bounds__\([^)]*\)//g; s/^__global__ *void *(\w+).*/\1/'
}
unknown=0
for kernels in Sources/CCUDA/kernels/*.cu; do
  module=Tests/SimulatedGPU/modules/$(basename "$kernels" .cu).cpp
  if [[ ! -e $module ]]; then
    printf 'error: %s: is not there; it lists the kernels of %s\n' "$module" "$kernels" >&2
    unknown=1
    continue
  fi
  entries=$("$compiler" -E -P "${flags[@]}" "$module" | grep -o 'simulated::Invoker<[a-z0-9_]*>' | sort -u)
  for name in $(device_names "$kernels"); do
    if ! grep -q "<$name>" <<<"$entries"; then
      printf 'error: %s: lacks KERNEL_ENTRY(%s) of %s\n' "$module" "$name" "$kernels" >&2
      unknown=1
    fi
  done
done

"$build/kernel-tests" "$@" || exit 1
exit "$unknown"
