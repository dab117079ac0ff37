#!/usr/bin/env python3
"""Compile every CUDA kernel for every GPU generation, with no GPU, and say what each needs of one.

    python3 scripts/check_kernels.py [FILE.cu ...] [--targets sm_80,sm_90]

Prints registers, shared memory and spilled bytes of each kernel and target; ends with status 1 when a kernel does not
compile or spills registers to memory. Needs NVIDIA's compiler library: pip install nvidia-cuda-nvrtc
(https://docs.nvidia.com/cuda/nvrtc). The library is loaded as gemmatune loads it; no driver is used.
"""

import argparse
import ctypes
import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

KERNELS = Path(__file__).resolve().parent.parent / "Sources" / "CCUDA" / "kernels"
TARGETS = "sm_80,sm_86,sm_89,sm_90,sm_100"
LIBRARIES = ["libnvrtc.so.13", "libnvrtc.so.12"]
MISSING = 69  # EX_UNAVAILABLE


def fail(status, message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(status)


def library_paths():
    """Where NVRTC may lie: in this Python's packages, then wherever the system's loader looks."""
    for folder in map(Path, sys.path):
        for name in LIBRARIES:
            yield from folder.glob(f"nvidia/*/lib/{name}")
    yield from LIBRARIES


def open_library():
    for path in library_paths():
        try:
            library = ctypes.CDLL(str(path))
        except OSError:
            continue
        library.nvrtcGetErrorString.restype = ctypes.c_char_p
        return library
    fail(MISSING, "libnvrtc.so: not found; run: python3 -m pip install nvidia-cuda-nvrtc")


def check(library, result, call):
    if result != 0:
        fail(MISSING, f"{call}: {library.nvrtcGetErrorString(result).decode()}")


def supported_targets(library):
    count = ctypes.c_int()
    check(library, library.nvrtcGetNumSupportedArchs(ctypes.byref(count)), "nvrtcGetNumSupportedArchs")
    numbers = (ctypes.c_int * count.value)()
    check(library, library.nvrtcGetSupportedArchs(numbers), "nvrtcGetSupportedArchs")
    return {f"sm_{number}" for number in numbers}


def compile_file(library, path, headers, target):
    """Whether `path` compiles for `target`, and the compiler's log."""
    program = ctypes.c_void_p()
    check(library, library.nvrtcCreateProgram(
        ctypes.byref(program), path.read_bytes(), path.name.encode(), len(headers),
        (ctypes.c_char_p * len(headers))(*headers.values()), (ctypes.c_char_p * len(headers))(*headers)),
        "nvrtcCreateProgram")
    options = ["--std=c++17", f"--gpu-architecture={target}", "-default-device", "--ptxas-options=-v"]
    encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
    result = library.nvrtcCompileProgram(program, len(options), encoded)
    size = ctypes.c_size_t()
    check(library, library.nvrtcGetProgramLogSize(program, ctypes.byref(size)), "nvrtcGetProgramLogSize")
    log = ctypes.create_string_buffer(size.value)
    check(library, library.nvrtcGetProgramLog(program, log), "nvrtcGetProgramLog")
    library.nvrtcDestroyProgram(ctypes.byref(program))
    return result == 0, log.value.decode(errors="replace")


def needs_of(log):
    """Registers, static shared memory and spilled bytes of each kernel of a log, and the lines that are warnings."""
    needs, warnings, kernel = {}, [], None
    for line in log.splitlines():
        if entry := re.search(r"Compiling entry function '(\w+)'", line):
            kernel = needs.setdefault(entry[1], {"registers": 0, "shared": 0, "spilled": 0})
        elif spills := re.search(r"(\d+) bytes spill stores, (\d+) bytes spill loads", line):
            if kernel is not None:
                kernel["spilled"] = max(int(spills[1]), int(spills[2]))
        elif used := re.search(r"Used (\d+) registers", line):
            shared = re.search(r"(\d+) bytes smem", line)
            if kernel is not None:
                kernel["registers"] = int(used[1])
                kernel["shared"] = int(shared[1]) if shared else 0
        elif "warning" in line:
            warnings.append(line.strip())
    return needs, warnings


def print_table(table, targets):
    """A line for each kernel; for each target registers, and +spilled bytes where there are any."""
    width = max(map(len, table))
    print(f"{'kernel':{width}}  {'shared':>7}  " + "  ".join(f"{target:>9}" for target in targets))
    for kernel in sorted(table):
        row = table[kernel]
        shared = max(needs["shared"] for needs in row.values())
        cells = []
        for target in targets:
            needs = row.get(target)
            text = "-" if needs is None else str(needs["registers"])
            if needs and needs["spilled"]:
                text += f"+{needs['spilled']}"
            cells.append(f"{text:>9}")
        print(f"{kernel:{width}}  {shared:7}  " + "  ".join(cells))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0],
                                     epilog="Needs the PyPI package nvidia-cuda-nvrtc; without it status 69.")
    parser.add_argument("files", nargs="*", type=Path, help="default: every .cu of Sources/CCUDA/kernels")
    parser.add_argument("--targets", default=TARGETS, help=f"GPU generations, with commas (default: {TARGETS})")
    parser.add_argument("--jobs", type=int, default=2, help="how many compile at once (default: 2)")
    arguments = parser.parse_args()
    files = arguments.files or sorted(KERNELS.glob("*.cu"))
    for path in files:
        if not path.is_file():
            fail(66, f"{path}: no such file; expected a .cu file")
    if not files:
        fail(66, f"{KERNELS}: holds no .cu file")
    targets = arguments.targets.split(",")

    library = open_library()
    unknown = [target for target in targets if target not in supported_targets(library)]
    if unknown:
        fail(MISSING, f"this NVRTC does not know {', '.join(unknown)}; "
             "run: python3 -m pip install --upgrade nvidia-cuda-nvrtc")
    major, minor = ctypes.c_int(), ctypes.c_int()
    check(library, library.nvrtcVersion(ctypes.byref(major), ctypes.byref(minor)), "nvrtcVersion")

    start = time.monotonic()
    headers = {path.name.encode(): path.read_bytes() for path in sorted(KERNELS.glob("*.cuh"))}
    pairs = [(path, target) for path in files for target in targets]
    with ThreadPoolExecutor(arguments.jobs) as pool:
        results = list(pool.map(lambda pair: compile_file(library, pair[0], headers, pair[1]), pairs))

    table, problems, warnings = {}, [], set()
    for (path, target), (compiles, log) in zip(pairs, results):
        if not compiles:
            problems.append(f"{path.name} does not compile for {target}:\n{log.strip()}")
            continue
        needs, said = needs_of(log)
        warnings.update(said)
        if not needs:
            problems.append(f"{path.name} for {target}: no kernel in the compiler's log")
        for kernel, numbers in needs.items():
            table.setdefault(kernel, {})[target] = numbers
            if numbers["spilled"]:
                problems.append(f"{path.name}: {kernel} spills {numbers['spilled']} bytes on {target}")
    if table:
        print("Registers a thread (+ spilled bytes) by target; shared: static bytes a block\n")
        print_table(table, targets)
    for line in sorted(warnings):
        print(line, file=sys.stderr)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    print(f"\n{len(table)} kernels in {len(files)} files, {len(targets)} targets, NVRTC {major.value}.{minor.value}, "
          f"{time.monotonic() - start:.0f} s: {len(problems)} problems")
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
