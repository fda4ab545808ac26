#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow record sees a program that ends before it could look, and the very moment of a failure; it ends as the program does,
# whatever ends it; and a full disk costs the recording its rest, and the program nothing.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/answers.sh"
. "$top_srcdir/test/cli/subject.sh"
command -v python3 >/dev/null || skip "there is no python3 to read JSON"
[ -f "$top_builddir/.libs/libfallow-malloc.so" ] || skip "built without shared libraries"
scratch
# Past libtool's wrappers, whose shells would be recorded instead.
export LD_LIBRARY_PATH="$top_builddir/.libs"
fallow=$(real fallow)
recorded=$(real test/cli/recorded)
recording=$scratch/recording

# record STATUS ARGUMENT...: fallow record ends with it.
record() {
	wanted=$1
	shift
	rm -f "$recording"
	answer "$wanted" record -o "$recording" "$@"
}

# has EXPRESSION...: they are true of the recording, run, in Python.
cat >"$scratch/has.py" <<'END'
import json, shlex, subprocess, sys
report = subprocess.run([sys.argv[1], "report", "--json", sys.argv[2]], stdout=subprocess.PIPE)
if not report.stdout:
	sys.exit("that is no recording")
run, MiB = json.loads(report.stdout), 1 << 20
run["good"] = report.returncode == 0
last = {name: values[-1] for name, values in run["counters"].items() if values}
most = {name: max(values) for name, values in run["counters"].items() if values}
def mix(picture, name):
	"""Bytes by state of the panels of that name."""
	sums = {}
	for panel in picture["panels"]:
		for n, *mix in panel["runs"] if panel["name"] == name else []:
			for state, nbytes in zip(mix[::2], mix[1::2]):
				sums[run["states"][state]["text"]] = sums.get(run["states"][state]["text"], 0) + n * nbytes
	return sums
pictures = {occasion: picture for picture in run["pictures"] for occasion in picture["occasions"]}
for expression in sys.argv[3:]:
	try:
		true = eval(expression)
	except Exception as error:
		true, run["error"] = False, repr(error)
	if not true:
		sys.exit(f"not true: {expression} of {json.dumps(run)[:4000]}")
END
has() { python3 "$scratch/has.py" "$fallow" "$recording" "$@" 2>"$scratch/why" || fail "$(cat "$scratch/why")"; }

# A program of a few milliseconds, with a sample a minute: its end is seen all the same.
record 0 --interval=60000 -- "$recorded" short 5
err "recording: 0\.[0-9] s, [23] samples, 1 map, 0 failures"
has 'run["good"] and run["end_seen"] and run["remarks"] == [] and run["end"] == "ended with status 0"' \
	'last["taken"] >= 5 * MiB and last["resident"] > 5 * MiB and run["counters"]["taken"][0] == 0' \
	'pictures["end"]["panels"] and mix(pictures["end"], "short")["in use"] >= 5 * MiB' \
	'run["command"].endswith("recorded short 5")'

# The arena of this failure is gone when the call that was refused has returned.
record 7 --interval=60000 -- "$recorded" refused 7
has 'run["good"] and run["end"] == "ended with status 7" and last["nfailures"] == 1' \
	'[(f["number"], f["requested"], f["reason"]) for f in run["failures"]] == [(1, 100 * MiB, "arena limit")]' \
	'run["failures"][0]["headroom"] == 5 * MiB' \
	'pictures["failure"]["failure"] == 1 and abs(pictures["failure"]["time"] - run["failures"][0]["time"]) <= 200' \
	'mix(pictures["failure"], "short </script> life")["in use"] == 3 * MiB' \
	'not any(panel["name"].startswith("short") for panel in pictures["end"]["panels"])'

# What happens too often to wait for each time is counted, and costs the program little.
begin=$(date +%s%N)
record 0 -- "$recorded" storm 200000
spent=$((($(date +%s%N) - begin) / 1000000))
[ $spent -lt 10000 ] || fail "200000 failures take $spent ms under record"
has 'run["good"] and last["nfailures"] == 200000 and 16 <= len(run["failures"]) < 200000' \
	'[remark for remark in run["remarks"] if remark.startswith("of 200000 failures, ")]' \
	'1 <= sum("failure" in picture["occasions"] for picture in run["pictures"]) < 300'

# Memory over time, with maps at new peaks.
record 0 -- "$recorded" course 600
has 'len(run["time"]) > 30 and run["time"] == sorted(run["time"]) and run["ended"] >= 1200' \
	'32 * MiB <= most["populated"] < 36 * MiB and most["idle"] >= 31 * MiB' \
	'sum("peak" in picture["occasions"] for picture in run["pictures"]) >= 3' \
	'32 * MiB <= mix(pictures["failure"], "course")["in use"] < 34 * MiB'

# How it ends. What does not end by exit(3) is not seen to its end, which is said.
record 137 -i 5 -- "$recorded" killed 5
has 'run["end"] == "was ended by SIGKILL" and not run["end_seen"]' \
	'any("ms were not seen" in remark for remark in run["remarks"])'
record 127 -- "$scratch/nonexistent"
err "nonexistent: No such file"
[ ! -e "$recording" ] || fail "a recording of no program is left"
record 126 -- "$top_srcdir/README.md"
record 0 --limit=64M -- sh -c 'exec "$0" short 3' "$recorded" ''
has 'shlex.split(run["command"])[2::2] == ["exec \"$0\" short 3", ""]' \
	'last["taken"] >= 3 * MiB and "became another program 1 time," in run["remarks"][0]'
[ "$("$fallow" record -o "$recording" --limit=64M -- sh -c 'echo "$FALLOW_CONF"' 2>/dev/null)" = limit:64M ] ||
	fail "the options of fallow run do not reach the program"

# Somebody ends the recorder, or a terminal both: the program says how it ends.
waiting() {
	"$fallow" record -o "$recording" -- "$recorded" waits >"$scratch/out" 2>"$scratch/err" &
	recorder=$!
	tries=0
	until grep -q ready "$scratch/out" || [ $tries -ge 200 ]; do
		sleep 0.05
		tries=$((tries + 1))
	done
}
waiting
kill -TERM $recorder
wait $recorder
[ $? -eq 9 ] || fail "SIGTERM is not handed on"
has 'run["end"] == "ended with status 9"'
cat >"$scratch/terminal.py" <<'END'
import os, pty, sys
child, terminal = pty.fork()
if child == 0:
	os.execvp(sys.argv[1], sys.argv[1:])
text = b""
while b"ready" not in text:
	text += os.read(terminal, 1000)
os.write(terminal, b"\x03")
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
sys.exit(f"it ends with {status}" if status != 8 else 0)
END
timeout 60 python3 "$scratch/terminal.py" "$fallow" record -o "$recording" -- "$recorded" waits || fail "a terminal's interrupt"
has 'run["good"] and run["end"] == "ended with status 8"'
waiting
sleep 0.5
program=$(cat /proc/$recorder/task/$recorder/children)
kill -KILL $recorder
wait $recorder 2>/dev/null
has 'not run["good"] and len(run["time"]) >= 1 and "breaks off" in run["remarks"][0]'
kill -0 $program || fail "the program ended with the recorder"
kill -TERM $program

# A recorder that does not answer is not waited for.
"$fallow" record -o "$recording" -- sh -c 'kill -STOP $PPID; exec "$0" refused 0' "$recorded" 2>"$scratch/err" &
recorder=$!
tries=0
until grep -qs '^State:.Z' "/proc/$(cat /proc/$recorder/task/$recorder/children | tr -d ' ')/status" || [ $tries -ge 100 ]; do
	sleep 0.05
	tries=$((tries + 1))
done
[ $tries -lt 100 ] || fail "the program waits for a recorder that has been stopped"
kill -CONT $recorder
wait $recorder || fail "a recorder that was stopped ends with $?"

# A full disk, from the first byte on, and in the middle of the recording.
"$fallow" record -o /dev/full -- sh -c 'exit 3' 2>"$scratch/err"
[ $? -eq 3 ] || fail "on a full disk the status is not the program's"
"$fallow" record -o /dev/full -- "$recorded" short 1 2>"$scratch/err"
[ $? -eq 125 ] || fail "a full disk is not told by the status"
err "/dev/full: No space left on device: the recording breaks off, the program went on"
python3 -c 'import resource, subprocess, sys
subprocess.run(sys.argv[1:], stderr=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
sys.exit(used.ru_utime + used.ru_stime > 0.12)' "$fallow" record -o /dev/full -- sh -c 'true >"$0"; sleep 1' /dev/null ||
	fail "on a full disk the recorder waits busily"
"$fallow" record -o "$scratch/nowhere/recording" -- touch "$scratch/started" 2>"$scratch/err"
[ $? -eq 125 ] || fail "a file that cannot be made is not told by the status"
err "nowhere/recording: No such file"
[ ! -e "$scratch/started" ] || fail "the program was started all the same"
if [ "$(id -u)" -eq 0 ]; then
	mkdir "$scratch/small"
	# In a mount namespace of its own: a tmpfs with room for one page.
	unshare -m sh -c '
		mount -t tmpfs -o size=8192 none "$1/small" && head -c 4096 /dev/zero >"$1/small/filler" || exit 99
		"$2" record -i 1 -o "$1/small/recording" -- "$3" storm 100000 2>"$1/err"
		echo $? >"$1/status"
		cp "$1/small/recording" "$1/recording"' sh "$scratch" "$fallow" "$recorded"
	[ "$(cat "$scratch/status")" = 125 ] || fail "a disk that fills up is not told by the status but by $(cat "$scratch/status")"
	err "No space left on device"
	has 'not run["good"] and run["failures"] and "breaks off" in run["remarks"][0] and "damaged" not in str(run["remarks"])'
fi

# Of a program that is another user's the recorder sees what it can see without it.
nobody="setpriv --reuid=65534 --regid=65534 --clear-groups"
if [ "$(id -u)" -eq 0 ] && $nobody test -x "$recorded" -a -x "$fallow"; then
	# Unquoted on purpose: a command.
	record 0 -i 2 -- $nobody "$recorded" course 300
	has 'most["populated"] >= 30 * MiB and len(run["failures"]) == 1'
	has 'any(p["failure"] == 1 and p["occasions"][0] == "after failure" for p in run["pictures"])'
	mkdir -m 777 "$scratch/public"
	chmod 755 "$scratch"
	$nobody "$fallow" record -o "$scratch/public/recording" -- "$recorded" refused 0 2>"$scratch/err" ||
		fail "it takes root: $(cat "$scratch/err")"
	recording=$scratch/public/recording
	has 'pictures["failure"]["failure"] == 1'
	recording=$scratch/recording
fi

# What it is asked for and cannot do.
for bad in "" "--interval=0 true" "--interval=x true" "--interval=99999 true" "--nonsense true" "--limit=12X true" "-o"; do
	# Unquoted on purpose: several words.
	"$fallow" record $bad >"$scratch/out" 2>"$scratch/err"
	[ $? -eq 125 ] || fail "fallow record $bad does not end with 125"
	[ -s "$scratch/err" ] || fail "fallow record $bad says nothing"
done
cd "$scratch" && "$fallow" record -- "$recorded" short 1 2>err
ls recorded.*.fallow >/dev/null 2>&1 || fail "without -o the recording has another name: $(cat err)"
finish
