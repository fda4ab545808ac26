#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow report shows what is whole of any recording, however it was cut off or damaged, and says what is not.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/answers.sh"
. "$top_srcdir/test/cli/subject.sh"
command -v python3 >/dev/null || skip "there is no python3 to damage recordings"
[ -f "$top_builddir/.libs/libfallow-malloc.so" ] || skip "built without shared libraries"
scratch
# Past libtool's wrappers, whose shells would be recorded instead.
export LD_LIBRARY_PATH="$top_builddir/.libs"
fallow=$(real fallow)
recording=$scratch/recording
"$fallow" record -o "$recording" -- "$(real test/cli/recorded)" course 300 2>"$scratch/err" || { cat "$scratch/err"; exit 99; }

answer 0 report "$recording"
out "recorded course 300$"
out "^process [0-9]*, started 20.*, ended with status 0 after [0-9]*\.[0-9]* s$"
out "^populated  *[0-9].* 3[2-5]\.*[0-9]*M  [0-9]*\.[0-9]* s$"
out "^[0-9]*\.[0-9]* s *100M *[0-9.]*M  arena limit$"
out "^populated  .*##$"
[ ! -s "$scratch/err" ] || fail "a whole recording has remarks: $(cat "$scratch/err")"
COLUMNS=40 answer 0 report "$recording"
awk '/^populated.*##$/ { n++; if (length > 40) exit 1 } END { if (n != 1) exit 1 }' "$scratch/out" || fail "a course beyond 40 columns"

# The page needs nothing but itself.
answer 0 report -o "$scratch/page.html" "$recording"
[ ! -s "$scratch/out" ] || fail "it writes on stdout too"
grep -q 'src=\|href=\|@import\|url(\|https*:' "$scratch/page.html" && fail "the page refers to something: $(grep -o '.\{20\}\(src=\|href=\|@import\|url(\|https*:\).\{20\}' "$scratch/page.html")"
head -n 1 "$scratch/page.html" | grep -qx '<!DOCTYPE html>' || fail "the page does not begin as one"
tail -n 1 "$scratch/page.html" | grep -qx '</html>' || fail "the page does not end as one"

# Cut anywhere, and changed anywhere: what is whole is shown, as much of it as there is, and what is not is said.
cat >"$scratch/damage.py" <<'END'
import json, random, subprocess, sys
fallow, recording, cut = sys.argv[1:]
whole = open(recording, "rb").read()
def report(data):
	open(cut, "wb").write(data)
	done = subprocess.run([fallow, "report", "--json", cut], capture_output=True, text=True, errors="replace", timeout=20)
	assert done.returncode in (0, 1), (len(data), done)
	return done, json.loads(done.stdout) if done.stdout else None
nsamples = report(whole)[1]["nsamples"]
seed = random.SystemRandom().randrange(1 << 32)
print("seed", seed)
random.seed(seed)
before = 0
for length in sorted(random.sample(range(len(whole)), 60)) + list(range(17)) + [len(whole) - 1]:
	done, run = report(whole[:length])
	assert done.returncode == 1 and done.stderr.count(cut) >= 1, (length, done)
	if length == 0:
		assert "is empty" in done.stderr, done
	elif length < 16:
		assert "is no recording" in done.stderr, done
	elif run is None:
		assert length < 200 and "cut off or damaged where it begins" in done.stderr, (length, done)
	else:
		assert "the recording breaks off" in done.stderr and not run["whole"], done
		assert run["nsamples"] >= before or length < 17 or length == len(whole) - 1, (length, run["nsamples"], before)
		before = run["nsamples"]
assert before == nsamples, "all but the end is whole, and yet samples lack"
for _ in range(60):
	place = random.randrange(len(whole))
	data = bytearray(whole)
	data[place] ^= 1 << random.randrange(8)
	done, run = report(bytes(data))
	assert done.returncode == 1, f"a change at {place} is not noticed"
	if place > 200:
		assert "damaged" in done.stderr and run["nsamples"] >= nsamples - 100, (place, done.stderr, run["nsamples"], nsamples)
# Something between blocks, and behind the last.
done, run = report(whole + b"x" * 100)
assert "the last 100 bytes" in done.stderr and run["nsamples"] == nsamples, done.stderr
# What has good checksums and says nonsense, as of a version to come.
def checksum(data):
	value = 0xffffffff
	for byte in data:
		value ^= byte
		for _ in range(8):
			value = value >> 1 ^ (0x82f63b78 if value & 1 else 0)
	return (value ^ 0xffffffff).to_bytes(4, "little")
def block(tag, payload):
	head = tag + len(payload).to_bytes(4, "little")
	return head + checksum(head + payload) + payload
done, run = report(whole + block(b"newt", b"of later days"))
assert done.returncode == 0 and run["nsamples"] == nsamples, done
for tag in b"samp", b"fail", b"pict", b"proc", b"end.":
	for _ in range(8):
		done, run = report(whole[:-1] + block(tag, random.randbytes(random.randrange(200))))
		assert done.returncode == 1, done
		done, run = report(whole + block(tag, b"\xff" * random.randrange(1, 40)))
		assert done.returncode == 1 and "damaged" in done.stderr, (tag, done)
done, run = report(b"fallow recording" + block(b"head", b"\x02" + bytes(20)))
assert done.returncode == 1 and "is of another version" in done.stderr, done
END
python3 "$scratch/damage.py" "$fallow" "$recording" "$scratch/cut" || fail "damaged recordings"

# What it is asked for and cannot do.
for bad in "" "$recording x" "-o page.txt $recording" "-o .html $recording" "--json -o page.html $recording" "--jason $recording"; do
	# Unquoted on purpose: several words.
	answer 2 report $bad
	[ ! -s "$scratch/out" ] || fail "fallow report $bad writes to stdout"
done
answer 1 report "$scratch/nonexistent"
err "nonexistent: No such file"
answer 1 report "$scratch"
err "Is a directory"
answer 1 report "$top_srcdir/README.md"
err "README.md: is no recording of fallow record"
answer 1 report -o "$scratch/nowhere/page.html" "$recording"
err "nowhere/page.html: No such file"
ln -s /dev/full "$scratch/full.html"
answer 1 report -o "$scratch/full.html" "$recording"
err "full.html: No space left on device"
finish
