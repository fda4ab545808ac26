#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The example of a database's shared pool, on a machine that has eight huge pages for it.

[ "$(id -u)" -eq 0 ] || { echo "skipped: huge pages are root's to give"; exit 77; }
. "$top_srcdir/test/lib/machine.sh"

machine_set /proc/sys/vm/nr_hugepages 8 || { echo "skipped: no huge pages"; exit 77; }
"$top_builddir/examples/shared-pool"
