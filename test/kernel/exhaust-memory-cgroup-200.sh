#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# exhaust-memory-cgroup, every case of it, two hundred times over, which takes half a day; RUNS in the environment is another
# number.

RUNS=${RUNS:-200}
EVERY=1
export RUNS EVERY
exec timeout -k 20 86400 "$top_builddir/test/kernel/exhaust-memory-cgroup"
