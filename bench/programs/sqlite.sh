#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# sqlite3: a database in memory is filled, indexed, joined, changed and dropped.
# usage: sqlite.sh prepare|run SCALE
set -eu
command -v sqlite3 >/dev/null || { echo "sqlite3 is not installed"; exit 77; }
[ "$1" = prepare ] && exit 0
rows=$((2000 * $2))
exec sqlite3 :memory: "
PRAGMA cache_size = -64000;
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, place TEXT, value REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $rows)
INSERT INTO item SELECT i, 'name ' || (i * 7919 % 100003), printf('place-%05d', i * 31 % 997), i * 0.5 FROM n;
CREATE INDEX item_name ON item(name);
CREATE INDEX item_place ON item(place, value);
CREATE TABLE total AS SELECT place, count(*) c, sum(value) s, group_concat(substr(name, 6), ' ') g FROM item GROUP BY place;
UPDATE item SET name = name || ' changed', value = value + 1 WHERE id % 3 = 0;
DELETE FROM item WHERE id % 5 = 0;
SELECT 'sqlite operations=$rows check=' || (SELECT count(*) FROM item a JOIN item b ON a.name = b.name) || (SELECT sum(length(g)) FROM total);
"
