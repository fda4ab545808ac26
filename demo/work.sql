-- SPDX-License-Identifier: BSD-2-Clause
-- A table of 400,000 rows in memory, indexed, joined, grouped, and dropped; the shell at the end looks at its parent.
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, amount REAL);
INSERT INTO item
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)
    SELECT i, i * 7919 % 1000, 'a name of some length, number ' || (i * 104729 % 1000003), i * 0.25 FROM n;
CREATE INDEX item_name ON item(name);
CREATE INDEX item_kind ON item(kind, amount);
SELECT count(*), sum(amount), count(DISTINCT name) FROM item;
SELECT kind, count(*), max(name), avg(amount) FROM item GROUP BY kind ORDER BY kind LIMIT 5;
SELECT length(group_concat(name)) FROM item WHERE kind < 300;
DROP TABLE item;
VACUUM;
.shell sleep "$DEMO_REST"; sed -n 's/^VmRSS: *\t* *\([0-9]*\).*/\1/p' /proc/$PPID/status >"$DEMO_RESIDENT"
