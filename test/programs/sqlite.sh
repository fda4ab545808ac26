#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that sqlite3 does the same with a million rows under the preload as without, to the last byte of the database.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
need sqlite3 sqlite3
prove_preloaded sqlite3 :memory: 'select 1' || exit 1
input=$scratch/work.sql
cat >"$input" <<'END'
PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE item(id INTEGER PRIMARY KEY, kind INTEGER, name TEXT, amount REAL);
INSERT INTO item
    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000)
    SELECT i, i * 7919 % 1000, 'name ' || (i * 104729 % 1000003), i * 0.25 FROM n;
CREATE INDEX item_name ON item(name);
CREATE INDEX item_kind ON item(kind, amount);
SELECT count(*), sum(amount), count(DISTINCT name) FROM item;
SELECT kind, count(*), max(name), avg(amount) FROM item GROUP BY kind ORDER BY kind LIMIT 50;
SELECT count(*) FROM item a JOIN item b ON a.name = 'name ' || b.id WHERE b.kind < 10;
SELECT length(group_concat(name)) FROM item WHERE kind < 300;
UPDATE item SET name = name || '!' WHERE kind % 10 = 3;
DELETE FROM item WHERE kind % 10 = 7;
BEGIN; DELETE FROM item WHERE id % 2; SELECT count(*) FROM item; ROLLBACK;
SELECT count(*), min(name), max(name) FROM item;
PRAGMA integrity_check;
PRAGMA journal_mode = DELETE;
VACUUM;
END
same sqlite3 work.db
