#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A long life costs no more than a short one: the random work of test/stress and a program under the preload, for
# SOAK_SECONDS together (40; 3600 in make check-soak), have at the end no more resident memory, mappings and descriptors than
# they had in the second quarter of their time.

. "$top_srcdir/test/lib/test.sh"
cd "$top_builddir" || exit 99
scratch
each=$((${SOAK_SECONDS:-40} / 4))
pause=$(awk "BEGIN { print ($each < 300 ? $each / 60 : 5) }")

# grown FILE: what has grown by more than a fifth and a bit, from lines of KiB, mappings and descriptors; true if something has.
grown() {
	awk '
		{ for (i = 1; i <= 3; i++) seen[NR, i] = $i }
		function peak(i, from, to,   n, most) {
			for (n = int(from) + 1; n <= to; n++) if (seen[n, i] > most) most = seen[n, i]
			return most
		}
		END {
			split("KiB resident,mappings,descriptors", name, ","); split("8192,64,8", bit, ",")
			for (i = 1; i <= 3; i++) {
				early = peak(i, NR / 4, NR / 2); late = peak(i, NR * 3 / 4, NR)
				printf "  %s: %d, then %d\n", name[i], early, late
				if (late > early * 1.2 + bit[i]) any = 1
			}
			exit NR < 20 || !any
		}' "$1"
}

# watch NAME COMMAND...: run it to its end and look at it all the time.
watch() {
	name=$1
	shift
	"$@" >"$scratch/out" 2>&1 &
	pid=$!
	: >"$scratch/samples"
	while kill -0 $pid 2>/dev/null; do
		kib=$(sed -n 's/^VmRSS:[[:space:]]*\([0-9]*\).*/\1/p' /proc/$pid/status 2>/dev/null)
		[ -z "$kib" ] || echo "$kib $(wc -l </proc/$pid/maps) $(ls /proc/$pid/fd | wc -l)" >>"$scratch/samples"
		sleep "$pause"
	done 2>/dev/null
	wait $pid || { fail "$name"; tail -n 5 "$scratch/out"; }
	echo "$name, seen $(wc -l <"$scratch/samples") times:"
	[ "$(wc -l <"$scratch/samples")" -ge 20 ] || fail "$name was seen too seldom"
	! grown "$scratch/samples" || fail "$name grows"
}

# What does grow is seen.
awk 'BEGIN { for (i = 0; i < 60; i++) print 50000, 300 + 10 * i, 9 }' >"$scratch/growing"
grown "$scratch/growing" >/dev/null || fail "mappings that grow are not seen"

export STRESS_SECONDS=$each STRESS_SEED="${STRESS_SEED:-$$}"
echo "seed $STRESS_SEED"
for work in heap-under-random-work arenas-under-random-work maps-under-random-work; do
	watch $work test/stress/$work
done
if command -v python3 >/dev/null; then
	watch python env LD_PRELOAD="$FALLOW_PRELOAD" python3 -c "
import random, threading, time
end = time.time() + $each
def work():
    held = {}
    while time.time() < end:
        held[random.randrange(500)] = bytearray(random.choice((40, 400, 4000, 40000, 400000)))
for _ in range(1000000):
    threads = [threading.Thread(target=work) for _ in range(2)]
    if time.time() >= end: break
    [t.start() for t in threads]
    [t.join() for t in threads]
"
fi
finish
