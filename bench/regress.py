# SPDX-License-Identifier: BSD-2-Clause
"""Fails when the fast paths' instructions, or system calls or page faults of fixed loads, outgrow bench/baseline by 3 %.

What is compared does not depend on how busy the machine is. It depends on how the library was built, so the
baseline names the compiler and its flags, and a differently built library is skipped.

    regress.py            compare (exit 0, 1, or 77 with the reason)
    regress.py --record   write the baseline anew
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, here)
import callgrind    # noqa: E402
import machine    # noqa: E402
import programs     # noqa: E402

BASELINE = os.path.join(here, "baseline")
TOLERANCE = 1.03
# Calls and faults: where the loader and the stack happen to lie, and how the page cache holds the libraries, decide some.
SLACK = 5
INSTRUCTIONS = [(pattern, size) for pattern in ("pair", "batch", "random") for size in (16, 64, 256, 1024, 0)] + [
    ("calloc", 64), ("cxx", 64)]
# load, arguments: single-threaded, so that nothing but the allocator decides what the kernel is asked.
TRACES = [("simple", ["2"]), ("churn", ["2"]), ("live-set", ["10"]), ("compiler", ["5"]), ("growth", ["9"]),
          ("buffers", ["2"]), ("large", ["20"])]
FAULT_RUNS = 5


def build_describe():
    """The compiler and flags of the build tree one runs in."""
    top = os.environ.get("top_builddir", ".")
    words = []
    try:
        with open(os.path.join(top, "Makefile")) as file:
            flags = dict(re.findall(r"^(CFLAGS|DEBUG|SANITIZER|CC) = *(.*)$", file.read(), re.M))
    except OSError:
        return "unknown"
    version = subprocess.run(flags.get("CC", "cc").split() + ["-dumpfullversion"], stdout=subprocess.PIPE, text=True).stdout
    words = [flags.get("CC", "cc"), version.strip()] + [flags.get(name, "") for name in ("CFLAGS", "DEBUG", "SANITIZER")]
    return " ".join(word for word in words if word)


def environment_make(library):
    environment = {key: value for key, value in os.environ.items() if key not in ("FALLOW_CONF", "LD_PRELOAD")}
    # A slow run must not decay more often than a fast one, nor find huge pages too slow to be worth it.
    environment.update(LD_PRELOAD=library, FALLOW_CONF="decay:never,thp:never")
    return environment


def calls_count(folder, command, environment):
    """System calls of a program, through strace."""
    output = os.path.join(folder, "calls")
    # strace itself stays on the system's malloc.
    given = [f"-E{key}={environment[key]}" for key in ("LD_PRELOAD", "FALLOW_CONF")]
    plain = {key: value for key, value in environment.items() if key not in ("LD_PRELOAD", "FALLOW_CONF")}
    subprocess.run(["strace", "-f", "-qq", "-o", output] + given + command, env=plain, check=True,
                   stdout=subprocess.DEVNULL)
    with open(output) as file:
        return sum(1 for line in file if "(" in line and "resumed" not in line)


def faults_count(folder, build, command, environment):
    """Minor faults of a program: the least of some runs."""
    output = os.path.join(folder, "measured")
    given = [f"{key}={environment[key]}" for key in ("LD_PRELOAD", "FALLOW_CONF")]
    plain = {key: value for key, value in environment.items() if key not in ("LD_PRELOAD", "FALLOW_CONF")}
    least = None
    for _ in range(FAULT_RUNS):
        subprocess.run([os.path.join(build, "measure"), output] + given + ["--"] + command, env=plain, check=True,
                       stdout=subprocess.DEVNULL)
        with open(output) as file:
            fields = list(map(int, file.read().split()))
        if fields[6]:
            raise RuntimeError(f"{command[0]} ended with status {fields[6]}")
        least = min(least or fields[4], fields[4])
    return least


def figures_collect(library, build, folder):
    environment = environment_make(library)
    figures, nulls = {}, {}
    for pattern, size in INSTRUCTIONS:
        cost = callgrind.pair_cost(os.path.join(build, "pairs"), pattern, size, environment, nulls)
        figures[f"instructions/{pattern}/{size or 'mix'}"] = round(cost, 1)
    traces = [("true", ["true"])] + [(name, [os.path.join(build, "loads", name)] + words) for name, words in TRACES]
    for name, command in traces:
        with machine.quiet():
            figures[f"calls/{name}"] = calls_count(folder, command, environment)
            figures[f"faults/{name}"] = faults_count(folder, build, command, environment)
    return figures


def baseline_read():
    figures, build = {}, ""
    with open(BASELINE) as file:
        for line in file:
            if line.startswith("build "):
                build = line[6:].strip()
            elif line.strip() and not line.startswith("#"):
                name, value = line.split()
                figures[name] = float(value)
    return build, figures


def baseline_write(figures):
    with open(BASELINE + ".new", "w") as file:
        file.write("# What the regression check allows, plus 3 %. make bench-baseline writes this file.\n")
        file.write(f"build {build_describe()}\n")
        for name, value in figures.items():
            file.write(f"{name} {value:g}\n")
    os.replace(BASELINE + ".new", BASELINE)


def verdict(name, value, recorded):
    if recorded is None:
        return "not recorded"
    slack = 0 if name.startswith("instructions/") else SLACK
    if value > max(recorded * TOLERANCE, recorded + slack):
        return "WORSE"
    return "better" if value < min(recorded / TOLERANCE, recorded - slack) else ""


def skip(reason):
    print(f"skipped: {reason}")
    sys.exit(77)


def main():
    record = sys.argv[1:] == ["--record"]
    if sys.argv[1:] and not record:
        sys.exit("usage: regress.py [--record]")
    library = os.environ.get("FALLOW_PRELOAD", "")
    if not os.path.isfile(library):
        sys.exit("regress: FALLOW_PRELOAD does not name the built libfallow-malloc.so")
    for tool in ("valgrind", "strace"):
        if not shutil.which(tool):
            skip(f"{tool} is not installed")
    if not record:
        if not os.path.exists(BASELINE):
            skip("no baseline is recorded")
        build, allowed = baseline_read()
        if build != build_describe():
            skip(f"the baseline is of another build: {build}; this one: {build_describe()}")
    with tempfile.TemporaryDirectory(prefix="fallow-regress-") as folder:
        programs.build(folder, ["measure", "pairs"] + ["loads/" + name for name, _ in TRACES])
        figures = figures_collect(library, folder, folder)
    if record:
        baseline_write(figures)
        print(f"{len(figures)} figures recorded")
        return
    verdicts = {name: verdict(name, value, allowed.get(name)) for name, value in figures.items()}
    for name, value in figures.items():
        print(f"{name:28} {value:10g} recorded {allowed.get(name, '-'):>10} {verdicts[name]}")
    worse = sum(v in ("WORSE", "not recorded") for v in verdicts.values())
    if worse:
        print(f"{worse} figures outgrew bench/baseline; make bench-baseline records what is meant to be")
        sys.exit(1)


if __name__ == "__main__":
    main()
