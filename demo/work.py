# SPDX-License-Identifier: BSD-2-Clause
"""Half a million records in a dictionary, grouped, sorted, and forgotten; one in ten thousand is kept."""

import gc
import os
import re
import sys
import time

records = {f"key {i * 7919 % 1000003}": [i, str(i * 31), (i % 97, float(i))] for i in range(500_000)}
groups = {}
for name, record in records.items():
    groups.setdefault(record[2][0], []).append(name)
longest = sorted(groups.values(), key=len)[-1]
print(len(records), len(groups), sorted(longest)[:3], sum(record[0] for record in records.values()))

kept = [record for record in records.values() if record[0] % 10_000 == 0]
print(len(kept))
del records, groups, longest, name, record
gc.collect()
time.sleep(float(os.environ["DEMO_REST"]))
with open("/proc/self/status") as status, open(sys.argv[1], "w") as file:
    file.write(re.search(r"VmRSS:\s*(\d+)", status.read())[1])
