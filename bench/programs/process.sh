# SPDX-License-Identifier: BSD-2-Clause
# For the server programs: reads what one process has used, from /proc.

# process_cpu_ms PID: user and system time of the process and of its reaped children.
process_cpu_ms() {
    awk -v tick="$(getconf CLK_TCK)" '{ sub(/^.*\) /, ""); print int(($12 + $13 + $14 + $15) * 1000 / tick) }' "/proc/$1/stat"
}

# process_peak_kib PID, process_resident_kib PID
process_peak_kib() { awk '/^VmHWM/ { print $2 }' "/proc/$1/status"; }
process_resident_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$1/status"; }

# process_faults PID: minor faults of the process and of its reaped children.
process_faults() { awk '{ sub(/^.*\) /, ""); print $8 + $9 }' "/proc/$1/stat"; }

clock_ms() { date +%s%3N; }
