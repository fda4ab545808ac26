#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The page of fallow report works in a browser: nothing goes wrong in it and nothing is asked for, a drag zooms, hovering says
# what was when, and the moment of a failure can be seen.

. "$top_srcdir/test/lib/test.sh"
. "$top_srcdir/test/cli/subject.sh"
command -v python3 >/dev/null || skip "there is no python3 to drive a browser"
[ -f "$top_builddir/.libs/libfallow-malloc.so" ] || skip "built without shared libraries"
python3 -B -c "import sys; sys.path.insert(0, '$top_srcdir/test/cli'); import browser; sys.exit(browser.find() is None)" ||
	skip "there is no Chromium"
scratch
# Past libtool's wrappers, whose shells would be recorded instead.
export LD_LIBRARY_PATH="$top_builddir/.libs"
fallow=$(real fallow)
recorded=$(real test/cli/recorded)

# page NAME RECORDED...: a page of a recording of it.
page() {
	name=$1
	shift
	"$fallow" record -o "$scratch/$name.fallow" -- "$recorded" "$@" 2>"$scratch/err" &&
		"$fallow" report -o "$scratch/$name.html" "$scratch/$name.fallow" 2>>"$scratch/err" ||
		{ cat "$scratch/err"; exit 99; }
}
page course course 400
page hostile refused 0
page still short 1
head -c 400 "$scratch/course.fallow" >"$scratch/cut.fallow"
"$fallow" report -o "$scratch/cut.html" "$scratch/cut.fallow" 2>/dev/null
"$fallow" report --json "$scratch/course.fallow" >"$scratch/course.json"

cat >"$scratch/look.py" <<'END'
import json, re, sys
sys.path.insert(0, sys.argv[1])
import browser
scratch = sys.argv[2]
run = json.load(open(scratch + "/course.json"))
failure, = run["failures"]
LEFT, RIGHT = 76, 8    # of a chart, beside its axes

def page(name, scheme="light"):
	b.open(f"file://{scratch}/{name}.html")
	assert b.errors == [], b.errors

def ms(text):
	return float(re.search(r"([\d.]+) s", text)[1]) * 1000

def part(time, since=0, until=run["ended"]):
	"""Where on the width of the chart a time is."""
	width = b.evaluate("document.querySelector('#memory').clientWidth")
	return (LEFT + (time - since) / (until - since) * (width - LEFT - RIGHT)) / width

def size(n):
	unit = 0
	while n >= 1024:
		n, unit = n / 1024, unit + 1
	return (f"{n:.0f}" if n >= 100 or n == round(n) else f"{n:.1f}") + ("" if n == 0 else [" B", " KiB", " MiB"][unit])

def is_sample_at(text, time):
	"""Whether a text tells of the last sample before that time, give or take the time of a pixel or so."""
	return any(abs(ms(text) - ([0] + [t for t in run["time"] if t <= time + late])[-1]) < 1 for late in range(-8, 9))

def ink(selector):
	"""The colours on a canvas, as #rrggbb, with the number of their pixels."""
	return b.evaluate("""(() => {
		const one = document.querySelector(%s), copy = document.createElement('canvas'), counts = {};
		Object.assign(copy, { width: one.width, height: one.height });
		copy.getContext('2d', { willReadFrequently: true }).drawImage(one, 0, 0);
		const data = copy.getContext('2d').getImageData(0, 0, one.width, one.height).data;
		for (let i = 0; i < data.length; i += 4)
			if (data[i + 3] === 255) {
				const name = '#' + [0, 1, 2].map(j => data[i + j].toString(16).padStart(2, '0')).join('');
				counts[name] = (counts[name] || 0) + 1;
			}
		return counts;
	})()""" % json.dumps(selector))

def like(counts, colour):
	"""Pixels of about that colour: lines are thinned out where they lie between pixels."""
	channels = lambda name: [int(name[i : i + 2], 16) for i in (1, 3, 5)]
	return sum(n for name, n in counts.items() if all(abs(a - b) <= 60 for a, b in zip(channels(name), channels(colour))))

with browser.Browser(browser.find(), "about:blank") as b:
	page("course")
	# What the page says is what the recording has.
	assert b.text_of("#command").endswith("recorded course 400"), b.text_of("#command")
	assert "ended with status 0" in b.text_of("#about") and f"{run['nsamples']} samples" in b.text_of("#about"), b.text_of("#about")
	assert b.evaluate("document.querySelector('#remarks').hidden")
	for name in "taken", "populated", "resident":
		assert size(max(run["counters"][name])) in b.text_of("#figures"), (name, b.text_of("#figures"))
	for colour in "#3f7fbf", "#1b3f73", "#d98a12":
		assert like(ink("#memory"), colour) > 100, (colour, ink("#memory"))

	# Hovering over the rise says how much there was then; over the failure, why.
	half = failure["time"] / 2
	b.hover("#memory", part(half))
	said = b.text_of("#hover")
	assert is_sample_at(said, half), (said, half)
	sample = max(i for i, time in enumerate(run["time"]) if time == round(ms(said)))
	for name in "taken", "populated", "idle", "resident":
		value = size(run["counters"][name][sample])
		assert re.search(rf"^{name}\s+{value}$", said, re.M), (said, name, value)
	b.hover("#memory", part(failure["time"]))
	assert "failure 1: asked for 100 MiB, arena limit" in b.text_of("#hover"), b.text_of("#hover")
	b.mouse("Moved", (5, 5))
	b.settle()
	assert b.evaluate("document.querySelector('#hover').hidden")

	# A drag zooms both charts in, until a double click or the button.
	assert b.evaluate("document.querySelector('#whole').disabled")
	b.drag("#memory", part(100), part(300))
	since, until = (ms(text) for text in b.text_of("#view").split(" to "))
	assert abs(since - 100) < 10 and abs(until - 300) < 10, b.text_of("#view")
	b.hover("#calls", part(200, since, until))
	assert is_sample_at(b.text_of("#hover"), 200), b.text_of("#hover")
	b.drag("#calls", part(150, since, until), part(250, since, until))
	assert abs(ms(b.text_of("#view")) - 150) < 10, b.text_of("#view")
	b.click("#memory", count=2)
	assert b.text_of("#view") == "" and b.evaluate("document.querySelector('#whole').disabled")
	b.drag("#memory", part(300), part(100))
	b.click("#whole")
	assert b.text_of("#view") == ""

	# A series can be left out.
	b.click("#memory-legend button:nth-child(4)")
	b.mouse("Moved", (5, 5))
	b.settle()
	assert ink("#memory").get("#d98a12", 0) == 0, "a series that is switched off is drawn"

	# The moment of the failure: all of the arena's 32 MiB in use. The last map, and one by a click on the chart, are others.
	b.click("#after")
	b.evaluate("document.querySelector('#chosen').value = 0, document.querySelector('#chosen').dispatchEvent(new Event('input'))")
	assert abs(ms(b.text_of("#moment")) - run["pictures"][0]["time"]) < 1 and "failure" not in b.text_of("#occasion")
	b.click("#memory", part(run["pictures"][-1]["time"]))
	assert abs(ms(b.text_of("#moment")) - run["pictures"][-1]["time"]) < 1 and "the very end" in b.text_of("#occasion")
	b.click("#failure-rows button")
	assert "the moment of failure 1: asked for 100 MiB, arena limit" in b.text_of("#occasion"), b.text_of("#occasion")
	assert abs(ms(b.text_of("#moment")) - failure["time"]) <= 200, b.text_of("#moment")
	assert re.search(r"in use: 3[23](\.\d)? MiB", b.text_of("#states")), b.text_of("#states")
	panels = b.evaluate("[...document.querySelectorAll('#panels h3')].map(each => each.innerText)")
	course = panels.index("course (anon)")
	b.evaluate(f"document.querySelectorAll('#panels canvas')[{course}].id = 'course'")
	squares = ink("#course").get("#3f7fbf", 0) / 49
	assert 1000 <= squares <= 1056, f"{squares} squares of 32 KiB are in use, not those of 32 MiB"
	b.hover("#course", 0.01, 0.02)
	assert re.match(r"course \+\d+(\.\d)?( KiB)?: 32 KiB in use", b.text_of("#cell")), b.text_of("#cell")

	# In the dark, and on a narrow screen.
	b.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
	b.settle()
	assert like(ink("#memory"), "#b3cdf0") > 100 and "#3f7fbf" not in ink("#memory"), ink("#memory")
	b.call("Emulation.setDeviceMetricsOverride", width=400, height=800, deviceScaleFactor=2, mobile=False)
	b.settle()
	assert b.evaluate("document.documentElement.scrollWidth") <= 400, "the page is wider than a narrow screen"
	assert b.errors == [], b.errors
	b.call("Emulation.clearDeviceMetricsOverride")

	# Names may hold what ends scripts, recordings may hold next to nothing.
	page("hostile")
	assert "short </script> life (anon)" in b.text_of("#panels"), b.text_of("#panels")
	page("still")
	assert b.evaluate("document.querySelector('#failures').hidden") and b.text_of("#moment"), "a run without failures"
	page("cut")
	assert "breaks off" in b.text_of("#remarks"), b.text_of("#remarks")
	b.hover("#memory")
	b.drag("#memory", 0.3, 0.6)
	assert b.errors == [], b.errors
END
timeout 120 python3 -B "$scratch/look.py" "$top_srcdir/test/cli" "$scratch" || fail "the page in a browser"
finish
