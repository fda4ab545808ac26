# SPDX-License-Identifier: BSD-2-Clause
"""Instructions of one malloc and its free, counted with callgrind.

Each figure is the slope between two runs of bench/pairs.c with different round counts, less the same slope over
functions that return at once: neither start-up nor the driver's loop is in it. It repeats to the instruction on one
machine, which a time does not.
"""
import os
import re
import subprocess

SIZES = [16, 64, 256, 1024, 0]
PATTERNS = ["pair", "lone", "batch", "reverse", "random", "calloc", "cxx"]
BATCH = 1000
# The first rounds pay for fresh memory: they belong to the start-up.
ROUNDS = (3, 9)


def run_count(driver, arguments, environment):
    """Instructions of one whole run under callgrind."""
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", driver] + [str(a) for a in arguments],
        env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f"callgrind run failed ({done.returncode}): {done.stderr[-400:]}")
    return int(found.group(1))


def slope(driver, pattern, size, environment, null=False):
    first, last = (run_count(driver, [pattern, size, rounds] + (["null"] if null else []), environment)
                   for rounds in ROUNDS)
    return (last - first) / ((ROUNDS[1] - ROUNDS[0]) * BATCH)


def pair_cost(driver, pattern, size, environment, nulls):
    """Instructions of one malloc and its free; nulls keeps the loop's cost of each pattern."""
    if pattern not in nulls:
        nulls[pattern] = slope(driver, pattern, 64, {"PATH": os.environ["PATH"]}, null=True)
    # The two instructions are the returns of the functions that do nothing.
    return slope(driver, pattern, size, environment) - nulls[pattern] + 2
