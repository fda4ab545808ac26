#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that python3, with every object of its own from malloc, does the same under the preload as without, and passes
# its own tests of what leans on the allocator.
#
# $modules names the tests, those of seconds unless python-long.sh says others.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
python=/usr/bin/python3
export PYTHONMALLOC=malloc PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1
modules=${modules:-test_gc test_list test_dict test_bytes test_json test_mmap}

need $python python3
prove_preloaded $python -c 'import json, threading' || exit 1

cat >"$scratch/work.py" <<'END'
import gc, hashlib, json, re, random, threading

random.seed(1)
words = ["".join(random.choices("abcdefgh", k=random.randint(1, 40))) for _ in range(60000)]
index = {}
for number, word in enumerate(words):
    index.setdefault(word[:2], []).append((number, word))
text = json.dumps(index)
copy = {key: [tuple(pair) for pair in pairs] for key, pairs in json.loads(text).items()}
assert copy == index
print(len(text), hashlib.sha256(text.encode()).hexdigest())
print(len(re.findall(r"a+b(c|d)e", text)), sum(10 ** 4000 // (n + 1) for n in range(50)) % 1000003)

def build(results, seed):
    generator = random.Random(seed)
    table = {}
    for _ in range(30000):
        table[generator.randrange(5000)] = bytes(generator.randrange(300))
    results[seed] = sum(len(value) for value in table.values())

results = {}
threads = [threading.Thread(target=build, args=(results, seed)) for seed in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(sorted(results.items()))

class Node:
    def __init__(self, other): self.other, self.payload = other, bytearray(500)
for _ in range(20000):
    a = Node(None); a.other = Node(a)
del a
gc.collect()
print(len([o for o in gc.get_objects() if isinstance(o, Node)]))
try:
    bytearray(1 << 62)
except MemoryError:
    print("MemoryError")
END
same $python "$scratch/work.py" || exit 1

failed=0
for module in $modules; do
    for variant in plain preload; do
        mkdir -p "$scratch/$module" && cd "$scratch/$module" || exit 99
        run=bounded
        [ $variant = plain ] || run=preloaded
        start=$EPOCHREALTIME
        $run $python -m test -v --tempdir "$scratch/$module" "$module" >"$scratch/$variant.log" 2>&1 </dev/null
        echo "exit $?" >"$scratch/$variant.sum"
        seconds=$(elapsed "$start")
        grep -E '^(Ran [0-9]+ test|OK|FAILED)' "$scratch/$variant.log" | sed 's/ in .*//' >>"$scratch/$variant.sum"
        cd / && rm -rf "${scratch:?}/$module"
    done
    if grep -q '^exit 0$' "$scratch/preload.sum" && grep -q '^Ran ' "$scratch/preload.sum" &&
        cmp -s "$scratch/plain.sum" "$scratch/preload.sum"; then
        echo "ok   $module: $(paste -sd' ' "$scratch/preload.sum"), $seconds s"
    else
        echo "FAIL $module: $(paste -sd' ' "$scratch/plain.sum"); preloaded $(paste -sd' ' "$scratch/preload.sum")"
        grep -E '^(FAIL|ERROR|Fatal)' -A 15 "$scratch/preload.log" | tail -n 40
        failed=1
    fi
done
exit $failed
