#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# fallow map draws what the process has: its letters, its SVG and its PNG agree with what is known of a program, and what
# cannot be drawn is said, with no half of a file left.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/answers.sh"
. "$top_srcdir/test/cli/subject.sh"
command -v python3 >/dev/null || skip "there is no python3 to read SVG"
scratch

# The subject has a large block of 3 MiB and one of 1 MiB that is free again, at known places: a character is a granule.
still
answer 0 map $subject
cat >"$scratch/letters.py" <<'END'
import re, sys
said, text = (open(name).read() for name in sys.argv[1:])
assert "a character for each 32K" in text, text
place = {name: int(value, 16) for name, value in re.findall(r"(\w+)=(0x\w+)", said)}
panel = text[text.index("still <life>"):].split("\n\n")[0]
cells = "".join(re.findall(r"^\+\S+ +([^a-z ]+)$", panel, re.M))
base = place["large"] & -(1 << 30)
def granules(name, nbytes):
	first = place[name] - base >> 15
	return cells[first : first + (nbytes >> 15)]
assert granules("large", 3 << 20) == "-" * 96 or granules("large", 3 << 20) == "#" * 96, panel
assert granules("idle", 1 << 20) == "+" * 32, panel
assert granules("live", 1 << 15) == "#", panel
assert cells.count("+") == 32, panel
assert "nothing from here on" in panel, panel
hollow = text[text.index("hollow (map anon): 2M in use of 16T"):].split("\n\n")[0]
cells = "".join(re.findall(r"^\+\S+ +([^a-z ]+)$", hollow, re.M))
assert re.fullmatch(r"\.{100,}[#H]", cells), hollow
END
python3 "$scratch/letters.py" "$scratch/said" "$scratch/out" || fail "the letters are not true: $(cat "$scratch/out")"

answer 0 map -o "$scratch/picture.svg" $subject
[ ! -s "$scratch/out" ] || fail "it draws on stdout too"
cat >"$scratch/svg.py" <<'END'
import re, sys, xml.etree.ElementTree as ET
SVG = "{http://www.w3.org/2000/svg}"
root = ET.parse(sys.argv[1]).getroot()
width, height = (float(root.get(side)) for side in ("width", "height"))
texts = ["".join(t.itertext()) for t in root.iter(SVG + "text")]
assert any("still <life> (anon)" in t and "of" in t for t in texts), texts
assert any(t.startswith("free, still populated: 1M") or t.startswith("free, still populated: 1.0M") for t in texts), texts
assert any("A square is 32K" in t for t in texts), texts
idle, strips = 0, 0
for rect in root.iter(SVG + "rect"):
	x, y, w, h = (float(rect.get(side, 0)) for side in ("x", "y", "width", "height"))
	assert x >= 0 and y >= 0 and x + w <= width and y + h <= height, rect.attrib
	if rect.get("fill") == "#f0a93a" and h == 8:
		idle += w * h / 64
	strips += rect.get("fill") in ("#3f7fbf", "#1b3f73") and h == 1
assert idle == 32, f"{idle} squares are idle, not those of a MiB"
assert strips == 1, "the 2 MiB of a map of 16 TiB cannot be seen"
END
python3 "$scratch/svg.py" "$scratch/picture.svg" || fail "the SVG is not true"
if command -v rsvg-convert >/dev/null; then
	answer 0 map --output="$scratch/picture.png" $subject
	head -c 8 "$scratch/picture.png" | od -An -tx1 | grep -q "89 50 4e 47 0d 0a 1a 0a" || fail "that is no PNG"
	answer 1 map -o "$scratch/nowhere/picture.png" $subject
	[ -s "$scratch/err" ] || fail "a PNG that cannot be written is not explained"
fi
env PATH="$scratch" LD_LIBRARY_PATH="$top_builddir/.libs" "$(real fallow)" map -o "$scratch/other.png" $subject \
	2>"$scratch/err" && fail "a PNG comes without rsvg-convert"
err "a .png takes rsvg-convert (Debian's librsvg2-bin); a .svg does not"

# Colours and blocks, on a terminal that has them, and never beyond its last column.
cat >"$scratch/terminal.py" <<'END'
import fcntl, os, pty, re, struct, sys, termios, time
columns = int(sys.argv[1])
child, terminal = pty.fork()
if child == 0:
	os.environ.update(TERM="xterm-256color", LC_ALL="C.UTF-8")
	os.environ.pop("COLUMNS", None)
	time.sleep(0.3)
	os.execvp(sys.argv[2], sys.argv[2:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
text = b""
try:
	while chunk := os.read(terminal, 65536):
		text += chunk
except OSError:
	pass
os.waitpid(child, 0)
text = text.decode()
assert "█" in text and "\x1b[38;5;" in text, text
lines = re.sub(r"\x1b\[[0-9;]*m", "", text).replace("\r", "").split("\n")
assert max(map(len, lines)) <= columns, max(lines, key=len)
END
for columns in 40 80; do
	python3 "$scratch/terminal.py" $columns "$fallow" map $subject || fail "on a terminal of $columns columns"
done

# What it is asked for and cannot do.
for bad in "" "x" "1 2" "-o picture.gif $subject" "-o .svg $subject" "--output"; do
	# Unquoted on purpose: several words.
	answer 2 map $bad
done
answer 1 map -o "$scratch/nowhere/picture.svg" $subject
err "nowhere/picture.svg: No such file"
ln -s /dev/full "$scratch/full.svg"
answer 1 map -o "$scratch/full.svg" $subject
err "full.svg: No space left on device"
end
answer 1 map -o "$scratch/gone.svg" $subject
err "there is no process $subject"
[ ! -e "$scratch/gone.svg" ] || fail "a picture of nothing is left"

# While it changes as fast as it can, nothing is counted twice.
churn
for i in 1 2 3 4 5 6 7 8 9 10; do
	answer 0 map -o "$scratch/churn.svg" $subject
	python3 -c 'import sys, xml.etree.ElementTree as ET; ET.parse(sys.argv[1])' "$scratch/churn.svg" ||
		fail "the SVG of a busy process is not well-formed"
done
end
finish
