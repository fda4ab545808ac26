#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow stat says of a running process what it has and why it was refused, as text, JSON and Prometheus's exposition, and says
# clearly when there is nothing to be seen.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/answers.sh"
. "$top_srcdir/test/cli/subject.sh"
command -v python3 >/dev/null || skip "there is no python3 to read JSON"
scratch

still
answer 0 stat $subject
out "^subject ($subject), on fallow for "
out "^still <life> *anon *3\.[0-9]*M *4\.[0-9]*M *1M *8M$"
out "^arena 2 *[1-9][0-9]* *1 *3M *1$"
out " ago *100M *[34]\.[0-9]*M  arena limit$"
grep "$(printf '\033')" "$scratch/out" && fail "escape sequences where there is no terminal"

answer 0 stat --json $subject
cat >"$scratch/is-true.py" <<'END'
import json, sys
now, MiB = json.load(open(sys.argv[1])), 1 << 20
assert now["pid"] == int(sys.argv[2]) and now["command"] == "subject", now
hollow, = [r for r in now["regions"] if r["map"]]
assert (hollow["name"], hollow["populated"], hollow["mapped"], now["in_maps"]) == ("hollow", 2 * MiB, 1 << 44, 2 * MiB), hollow
region, = [r for r in now["regions"] if r["name"] == "still <life>"]
assert region["limit"] == 8 * MiB and not region["spilled"] and region["backing"] == "anon", region
assert 3 * MiB + 200000 <= region["taken"] <= 4 * MiB, region
assert region["populated"] == region["taken"] + MiB <= region["mapped"] <= region["reserved"], region
arena, = [a for a in now["arenas"] if a["name"] != "process heap"]
assert (arena["nlarge"], arena["large"], arena["nfailures"]) == (1, 3 * MiB, 1), arena
failure, = now["failures"]
assert (failure["number"], failure["requested"], failure["reason"]) == (1, 100 * MiB, "arena limit"), failure
assert failure["headroom"] == region["limit"] - region["populated"], failure
assert failure["age_ms"] < 60000 and now["age_ms"] >= failure["age_ms"], now
for counter in "taken", "populated", "npopulates":
	assert now[counter] == sum(r[counter] for r in now["regions"] if not r["map"]), counter
assert now["idle"] == MiB and now["nfailures"] == 1 and now["resident"] > now["populated"], now
END
python3 "$scratch/is-true.py" "$scratch/out" $subject || fail "the JSON is not true: $(cat "$scratch/out")"

# A parser of the exposition format by its description: lines, names, labels, one block a name, a type before samples.
answer 0 stat --prometheus $subject
cat >"$scratch/prometheus.py" <<'END'
import re, sys
name, value = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'"(?:[^"\\\n]|\\["\\n])*"'
label = rf"[a-zA-Z_][a-zA-Z0-9_]*={value}"
sample = re.compile(rf"({name})\{{({label}(?:,{label})*)\}} (\d+)\n")
types, done, now, seen = {}, set(), None, set()
for line in open(sys.argv[1]):
	head = re.fullmatch(rf"# (HELP|TYPE) ({name}) (.+)\n", line)
	if head:
		kind, metric, text = head.groups()
		assert metric not in done, f"{metric} comes twice"
		if kind == "TYPE":
			assert text in ("gauge", "counter"), line
			assert (text == "counter") == metric.endswith("_total"), line
			types[metric] = text
		if metric != now:
			done.add(now)
			now = metric
		continue
	match = sample.fullmatch(line)
	assert match, f"no sample: {line!r}"
	assert match[1] == now and now in types, f"{line!r} is not under its name"
	assert (match[1], match[2]) not in seen, f"{line!r} comes twice"
	seen.add((match[1], match[2]))
values = {n: v for n, v in re.findall(r"^(\w+)\{[^}]*\} (\d+)$", open(sys.argv[1]).read(), re.M)}
assert values["fallow_failures_total"] == "1" and values["fallow_idle_bytes"] == str(1 << 20), values
assert len(types) >= 15, types
END
python3 "$scratch/prometheus.py" "$scratch/out" || fail "Prometheus would not read: $(cat "$scratch/out")"
if command -v promtool >/dev/null; then
	promtool check metrics <"$scratch/out" || fail "promtool does not take it"
fi

# On a terminal, of 40 columns and of 100, it refreshes in place and never writes beyond the last column or row.
cat >"$scratch/terminal.py" <<'END'
import fcntl, os, pty, re, select, signal, struct, sys, termios, time
columns, rows = int(sys.argv[1]), int(sys.argv[2])
child, terminal = pty.fork()
if child == 0:
	os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
	os.environ.pop("COLUMNS", None)
	time.sleep(0.3)
	os.execvp(sys.argv[3], sys.argv[3:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
text, until = b"", time.time() + 20
while text.count(b"\x1b[H") < 3 and time.time() < until:
	if select.select([terminal], [], [], 1)[0]:
		text += os.read(terminal, 65536)
os.kill(child, signal.SIGINT)
status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
assert status == 0, f"it ends with {status} when interrupted"
pages = text.decode().split("\x1b[H")[1:-1]
assert len(pages) >= 2, f"no refresh: {text!r}"
for page in pages:
	lines = re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", page).replace("\r", "").split("\n")
	assert len(lines) <= rows, f"{len(lines)} lines on {rows}"
	assert max(map(len, lines)) <= columns, max(lines, key=len)
	assert "\x1b[J" in page and "taken" in page, page
END
for size in "40 24" "100 40" "40 8" "25 24"; do
	# Unquoted on purpose: columns and rows.
	python3 "$scratch/terminal.py" $size "$fallow" stat --watch $subject || fail "on a terminal of $size"
done

# What it is asked for and cannot do.
for bad in "" "x" "-5" "0" "1 2" "99999999999" "--watch=0 $subject" "--watch=x $subject" "--jason $subject"; do
	# Unquoted on purpose: several words.
	answer 2 stat $bad
	[ ! -s "$scratch/out" ] || fail "fallow stat $bad writes to stdout"
done
sleep 60 7>&- &
other=$!
answer 1 stat $other
err "process $other (sleep) does not run on fallow"
kill $other
wait $other 2>/dev/null
answer 1 stat $other
err "there is no process $other$"
answer 1 stat 2147483647
err "there is no process"

# Who ends while being watched. The page before that is whole.
"$fallow" stat --watch --json $subject >"$scratch/out" 2>"$scratch/err" 7>&- &
watcher=$!
until [ -s "$scratch/out" ]; do sleep 0.05; done
end
wait $watcher && fail "watching a process that ended ends with 0"
err "process $subject has ended"
tail -n 1 "$scratch/out" | python3 -m json.tool >/dev/null || fail "the last page is torn: $(tail -n 1 "$scratch/out")"

# Nobody is stopped or traced, and nothing is torn, while two threads allocate as fast as they can and arenas and maps come and go.
churn
cat >"$scratch/churn.py" <<'END'
import json, subprocess, sys
before, passing, n = None, 0, 100
for _ in range(n):
	now = json.loads(subprocess.check_output([*sys.argv[1:]]))
	for region in now["regions"]:
		assert region["taken"] % 32768 == 0 and region["populated"] % 4096 == 0, region
		assert region["taken"] <= region["mapped"] <= region["reserved"] <= 1 << 46, region
		assert region["name"] in ("fallow heap", "fallow large blocks", "passing"), region
		passing += region["name"] == "passing"
	for failure in now["failures"]:
		assert (failure["requested"], failure["reason"]) == (3 << 20, "arena limit"), failure
		assert failure["headroom"] <= 1 << 20, failure
	assert len(now["failures"]) <= 16 and now["taken"] < 1 << 31, now
	if before:
		for counter in "nfailures", "age_ms":
			assert now[counter] >= before[counter], (counter, before, now)
	before = now
assert before["nfailures"] > n, "nothing went on meanwhile"
print(passing, "passing arenas and maps seen,", before["nfailures"], "failures")
END
LD_LIBRARY_PATH=$top_builddir/.libs python3 "$scratch/churn.py" "$(real fallow)" stat --json $subject ||
	fail "what is read of a busy process is torn"
grep -q '^TracerPid:	0$' /proc/$subject/status || fail "it is traced"
end
finish
