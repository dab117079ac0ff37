#!/usr/bin/env python3
"""Check the form of the sources where the formatter does not look.

    scripts/lint_form.py FOLDER...

- A line with a comment has at most 110 columns.
- A function has at most as many lines as LONGEST says for its language, or LONGEST_TEST in Tests.
- There is no fatalError, no `as!`, no `try!` and no TODO.

One line for each fault, and status 1 when there is any.
"""

import re
import sys
from pathlib import Path

WIDTH = 110
# CUDA kernels keep what one block does in one function, so that registers and barriers are read together.
LONGEST = {".swift": 45, ".c": 50, ".h": 50, ".cpp": 75, ".hpp": 75, ".cu": 105, ".cuh": 60}
# A test may walk through a long table.
LONGEST_TEST = 80
FORBIDDEN = re.compile(r"\bfatalError\b|\bas!|\btry!|\bTODO\b|\bFIXME\b")
SWIFT_FUNCTION = re.compile(r"^\s*(?:[\w@()]+\s+)*(?:func\s+[^\s(<]+|init[?!]?|deinit|subscript)\s*[(<{]")
C_FUNCTION = re.compile(r"^[A-Za-z_][\w\s*<>,:&]*\b(\w+)\s*\(")


def without_text(source):
    """The source with comments and the insides of strings blanked: positions and lines stay as they are."""
    pattern = re.compile(
        r'//[^\n]*|/\*.*?\*/|#"""(?:.|\n)*?"""#|"""(?:.|\n)*?"""|#"[^\n]*?"#|"(?:\\.|[^"\\\n])*"', re.DOTALL)
    return pattern.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), source)


def functions(code, suffix):
    """Start line (from 1) and number of lines of each function that has a body."""
    lines = code.split("\n")
    head = SWIFT_FUNCTION if suffix == ".swift" else C_FUNCTION
    for start, line in enumerate(lines):
        if not head.match(line) or suffix != ".swift" and line.startswith((" ", "#", "typedef")):
            continue
        depth = parentheses = 0
        opened = False
        for end in range(start, len(lines)):
            for character in lines[end]:
                if character in "([":
                    parentheses += 1
                elif character in ")]":
                    parentheses -= 1
                elif character == "{":
                    depth += 1
                    opened = opened or parentheses == 0
                elif character == "}":
                    depth -= 1
            if opened and depth <= 0:
                yield start + 1, end - start + 1
                break
            # A requirement of a protocol or a declaration: nothing follows that could be a body.
            following = lines[end + 1].strip() if end + 1 < len(lines) else ""
            if not opened and parentheses <= 0 and not following.startswith(("{", "->", "async", "throws", "where", "rethrows")):
                break


def faults(path):
    source = path.read_text()
    code = without_text(source)
    for number, (line, bare) in enumerate(zip(source.split("\n"), code.split("\n")), 1):
        # What the formatter cannot break is left: addresses.
        if len(line) > WIDTH and ("//" in line or "/*" in line) and "http" not in line:
            yield number, f"a comment of {len(line)} columns; expected at most {WIDTH}"
        found = FORBIDDEN.search(bare) or re.search(r"//.*\b(TODO|FIXME)\b", line)
        if found:
            yield number, f"{found.group()}: not used here"
    longest = max(LONGEST[path.suffix], LONGEST_TEST if path.parts[0] == "Tests" else 0)
    for number, length in functions(code, path.suffix):
        if length > longest:
            yield number, f"a function of {length} lines; expected at most {longest}"


def main():
    paths = [
        path
        for folder in sys.argv[1:]
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in LONGEST and path.is_file() and "Fixtures" not in path.parts
    ]
    if not paths:
        sys.exit("usage: scripts/lint_form.py FOLDER...")
    lines = [f"{path}:{number}: {fault}" for path in paths for number, fault in faults(path)]
    print("\n".join(lines) if lines else f"{len(paths)} files in form")
    sys.exit(1 if lines else 0)


if __name__ == "__main__":
    main()
