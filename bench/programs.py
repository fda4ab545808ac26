# SPDX-License-Identifier: BSD-2-Clause
"""Builds the benchmarks' own programs: what is missing, or older than its sources.

They are compiled with the same flags wherever they are built: a comparison is of allocators, not of builds.
"""
import os
import subprocess
import sys

here = os.path.dirname(os.path.abspath(__file__))

FLAGS = ["-O2", "-fno-builtin-malloc", "-fno-builtin-calloc", "-fno-builtin-realloc", "-fno-builtin-free", "-pthread"]
EXTRA = {"measure": ["-static"]}


def sources():
    """Every program by name, with its source."""
    found = {name: os.path.join(here, name + ".c") for name in ("measure", "pairs", "fresh-pages")}
    for file in sorted(os.listdir(os.path.join(here, "loads"))):
        stem, kind = os.path.splitext(file)
        if kind in (".c", ".cc"):
            found["loads/" + stem] = os.path.join(here, "loads", file)
    return found


def build(folder, names=None):
    """Builds the named programs, or all, into folder; ends the caller where one cannot be built."""
    os.makedirs(os.path.join(folder, "loads"), exist_ok=True)
    headers = max(os.path.getmtime(os.path.join(here, "loads", h)) for h in ("load.h", "threads.h"))
    for name, source in sources().items():
        target = os.path.join(folder, name)
        if names is not None and name not in names:
            continue
        if os.path.exists(target) and os.path.getmtime(target) >= max(os.path.getmtime(source), headers):
            continue
        cxx = source.endswith(".cc")
        compiler = (os.environ.get("CXX") or "c++") if cxx else (os.environ.get("CC") or "cc")
        words = compiler.split() + ([] if cxx else ["-std=gnu11"]) + FLAGS + ["-o", target, source] + EXTRA.get(name, [])
        if subprocess.run(words).returncode:
            sys.exit(f"bench: cannot build {name}: {' '.join(words)}")
