#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# exhaust-memory-cgroup two hundred times over; RUNS in the environment is another number.

RUNS=${RUNS:-200}
export RUNS
exec timeout -k 20 7200 "$top_builddir/test/kernel/exhaust-memory-cgroup"
