#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The statistics in JSON are read by a parser that is not ours, hold every counter as a number, and do so too when they
# are written at exit on behalf of stats:exit.

. "$top_srcdir/test/lib/test.sh"
command -v python3 >/dev/null || skip "there is no python3 to read JSON"
scratch

cat >"$scratch/read.py" <<'END'
import json, sys
counters = """taken populated idle spilled metadata large nlarge nslabs npopulates ndiscards nfailures narenas
ncaches""".split()
found = json.load(open(sys.argv[1]))
bad = [name for name in counters if not isinstance(found.get(name), int)]
assert not bad, f"no number for {bad} in {found}"
failure, = found["failures"]
assert failure["requested"] == 2 << 20 and failure["reason"] == "arena limit" and failure["headroom"] < 1 << 20, failure
assert found["narenas"] >= 1 and found["nfailures"] >= 1 and found["taken"] >= 100, found
END

"$top_builddir/test/api/stats" json >"$scratch/json" || fail "the statistics are not written"
python3 -m json.tool "$scratch/json" >/dev/null || fail "no JSON: $(cat "$scratch/json")"
python3 "$scratch/read.py" "$scratch/json" || fail "counters are missing"
"$top_builddir/test/api/stats" text >"$scratch/text" || fail "the text is not written"
grep -q taken "$scratch/text" || fail "no text: $(cat "$scratch/text")"

FALLOW_CONF=stats:exit "$top_builddir/test/api/stats" text 2>"$scratch/exit" >/dev/null || fail "stats:exit breaks a program"
[ -s "$scratch/exit" ] || fail "stats:exit writes nothing on stderr"
finish
