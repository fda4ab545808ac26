# SPDX-License-Identifier: BSD-2-Clause
"""From rows of results.csv to one table, geometric means and plots.

A figure is the median of a load's repetitions; spread is half the range between their quartiles, relative to it. The
base of a ratio is the least figure among the peers at their defaults: a peer with its huge pages on, and fallow in all
its variants, are compared with it and do not move it.
"""
import csv
import math
import os
import platform
import shutil
import statistics
import subprocess

CSV = "results.csv"
MACHINE = "machine.txt"
COLUMNS = ["load", "allocator", "repetition", "scale", "wall_s", "cpu_s", "system_s", "peak_kib", "final_kib", "faults",
           "status"]
MEASURES = [("wall_s", "time", "s", "{:.3f}"), ("cpu_s", "CPU time", "s", "{:.3f}"),
            ("peak_kib", "peak resident", "MiB", "{:.1f}")]


def file_line(path):
    try:
        with open(path) as file:
            return file.readline().strip()
    except OSError:
        return "unknown"


def machine_describe(options, chosen):
    processor = "unknown processor"
    try:
        with open("/proc/cpuinfo") as file:
            processor = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), processor)
    except OSError:
        pass
    lines = [f"{processor}, {os.cpu_count()} processors, Linux {platform.release()}, {' '.join(platform.libc_ver())}, "
             f"transparent huge pages {file_line('/sys/kernel/mm/transparent_hugepage/enabled')}",
             f"scale {options.scale} %, {options.repetitions} repetitions after {options.warm_up} warm-up, interleaved"]
    for peer in chosen:
        libraries = " ".join(os.path.basename(os.path.realpath(p)) for p in peer.path.split(":") if p) or "the C library's own"
        settings = " ".join(f"{k}={v}" for k, v in peer.settings.items())
        lines.append(f"{peer.name}: {libraries}{' with ' + settings if settings else ''}")
    return "\n".join(lines) + "\n"


class Rows:
    """results.csv while it grows: each row is on disk before the next run starts."""

    def __init__(self, folder, options, chosen):
        self.folder = folder
        self.scale = options.scale
        with open(os.path.join(folder, MACHINE), "w") as file:
            file.write(machine_describe(options, chosen))

    def __enter__(self):
        self.file = open(os.path.join(self.folder, CSV), "w", newline="")
        self.writer = csv.DictWriter(self.file, COLUMNS, restval="")
        self.writer.writeheader()
        self.file.flush()
        return self

    def __exit__(self, *_):
        self.file.close()

    def add(self, load, allocator, repetition, figures):
        self.writer.writerow(dict(figures, load=load, allocator=allocator, repetition=repetition, scale=self.scale))
        self.file.flush()


class Results:
    """Medians and spreads of a results.csv, by load and allocator in their order of appearance."""

    def __init__(self, folder):
        self.runs, self.status, self.loads, self.allocators = {}, {}, [], []
        with open(os.path.join(folder, CSV), newline="") as file:
            for row in csv.DictReader(file):
                self.row_take(row)

    def row_take(self, row):
        load, allocator = row["load"], row["allocator"]
        if load not in self.loads:
            self.loads.append(load)
        if allocator and allocator not in self.allocators:
            self.allocators.append(allocator)
        if row["status"] != "ok":
            self.status[load, allocator] = row["status"]
            return
        for name in COLUMNS[4:-1]:
            if row[name] != "":
                self.runs.setdefault((load, allocator, name), []).append(float(row[name]))

    def median(self, load, allocator, name):
        values = self.runs.get((load, allocator, name))
        if not values or (load, allocator) in self.status:
            return None
        return statistics.median(values)

    def spread(self, load, allocator, name):
        values = sorted(self.runs.get((load, allocator, name), []))
        middle = statistics.median(values) if values else 0
        if len(values) < 2 or not middle:
            return None
        quarter = (len(values) - 1) / 4
        low, high = (values[math.floor(at)] + (values[math.ceil(at)] - values[math.floor(at)]) * (at % 1)
                     for at in (quarter, 3 * quarter))
        return (high - low) / 2 / middle

    def peers(self):
        return [a for a in self.allocators if not a.startswith("fallow") and "+" not in a]

    def best(self, load, name, among):
        values = [(self.median(load, a, name), a) for a in among]
        return min((v for v in values if v[0]), default=(None, None))

    def ratio(self, load, allocator, name, among=None):
        value, base = self.median(load, allocator, name), self.best(load, name, among or self.peers())[0]
        # A duration below the clock's grain says nothing.
        return value / base if value is not None and value > 0 and base else None

    def mean(self, allocator, name, among=None):
        """Geometric mean of the ratios, and over how many loads."""
        ratios = [r for r in (self.ratio(load, allocator, name, among) for load in self.loads) if r]
        return (math.exp(sum(map(math.log, ratios)) / len(ratios)), len(ratios)) if ratios else (None, 0)


def cell(value, form="{:.2f}"):
    return form.format(value) if value is not None else "–"


def row_text(cells):
    return "| " + " | ".join(cells) + " |"


def means_table(results):
    lines = [row_text(["allocator", "time", "CPU time", "peak resident", "worst time", "worst peak", "time / best of all",
                       "peak / best of all", "loads", "spread of time"]),
             "|---" * 10 + "|"]
    order = sorted(results.allocators, key=lambda a: results.mean(a, "wall_s")[0] or 99)
    for a in order:
        worst = [max(((results.ratio(load, a, name) or 0, load) for load in results.loads)) for name in ("wall_s", "peak_kib")]
        spreads = [s for s in (results.spread(load, a, "wall_s") for load in results.loads) if s is not None]
        lines.append(row_text(
            [a] + [cell(results.mean(a, name)[0], "{:.3f}") for name, _, _, _ in MEASURES] +
            [f"{value:.2f} {load}" for value, load in worst] +
            [cell(results.mean(a, name, results.allocators)[0], "{:.3f}") for name in ("wall_s", "peak_kib")] +
            [str(results.mean(a, "wall_s")[1]), cell(statistics.mean(spreads) * 100 if spreads else None, "{:.1f} %")]))
    return lines


def measure_table(results, name, title, unit, form):
    divisor = 1024 if unit == "MiB" else 1
    lines = [f"### {title}", "", f"Ratio to the best peer of each load; the best peer's {title} in {unit}.", "",
             row_text(["load", "best peer", unit] + results.allocators), "|---" * (3 + len(results.allocators)) + "|"]
    for load in results.loads:
        value, who = results.best(load, name, results.peers())
        if value is None:
            continue
        cells = []
        for a in results.allocators:
            status = results.status.get((load, a))
            cells.append(status.split(":")[0] if status else cell(results.ratio(load, a, name)))
        lines.append(row_text([load, who, form.format(value / divisor)] + cells))
    lines.append(row_text(["**geometric mean**", "", ""] + [f"**{cell(results.mean(a, name)[0], '{:.3f}')}**" for a in results.allocators]))
    return lines + [""]


def absolute_table(results, name, title, form, divisor=1):
    lines = [f"### {title}", "", row_text(["load"] + results.allocators), "|---" * (1 + len(results.allocators)) + "|"]
    for load in results.loads:
        values = [results.median(load, a, name) for a in results.allocators]
        if any(v is not None for v in values):
            lines.append(row_text([load] + [cell(v / divisor if v is not None else None, form) for v in values]))
    return lines + [""]


def failures_list(results):
    return [f"- {load}{' on ' + a if a else ''}: {status}" for (load, a), status in results.status.items()]


def text_put(folder, name, lines):
    """Prints a finished table, and keeps it in folder where one is given."""
    print("\n".join(lines))
    if folder:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, name), "w") as file:
            file.write("\n".join(lines) + "\n")


def write_table(folder):
    results = Results(folder)
    if not results.allocators:
        return ""
    lines = ["# Allocators compared", ""]
    machine = os.path.join(folder, MACHINE)
    if os.path.exists(machine):
        with open(machine) as file:
            lines += [f"- {line.strip()}" for line in file] + [""]
    lines += ["## Geometric means", "",
              "Against the best peer of each load: the least of the peers at their defaults, fallow not among them. The columns "
              "\"best of all\" count every column of this run.", ""]
    means = means_table(results)
    lines += means + ["", "## Load by load", ""]
    for name, title, unit, form in MEASURES:
        lines += measure_table(results, name, title, unit, form)
    lines += absolute_table(results, "final_kib", "Resident at the end, MiB (after the last free; phases: after a rest)", "{:.1f}", 1024)
    lines += absolute_table(results, "faults", "Minor page faults, thousands", "{:.1f}", 1000)
    lines += absolute_table(results, "system_s", "System time, s", "{:.3f}")
    failures = failures_list(results)
    if failures:
        lines += ["### Not measured", ""] + failures + [""]
    path = os.path.join(folder, "table.md")
    with open(path + ".new", "w") as file:
        file.write("\n".join(lines))
    os.replace(path + ".new", path)
    return "\n".join(means)


def quoted(text):
    return '"' + text.replace('"', "'") + '"'


def plot_loads(results, name, title, path):
    """One column of points a load: each allocator's ratio, on a logarithmic scale."""
    script = [f"set terminal svg size {300 + 42 * len(results.loads)},520 font 'sans,11' background 'white'",
              f"set output {quoted(path)}", f"set title {quoted(title + ' against the best peer of each load (less is better)')}",
              "set logscale y 2", "set grid", "set key outside right", "set xtics rotate by -60",
              f"set xrange [-0.7:{len(results.loads) - 0.3}]", "set yrange [0.25:*]",
              "set xtics (" + ", ".join(f"{quoted(load)} {i}" for i, load in enumerate(results.loads)) + ")"]
    plots, blocks = ["1 with lines lc 'black' notitle"], []
    for index, a in enumerate(results.allocators):
        style = "pt 7 ps 1.1 lc rgb '#d00000'" if a == "fallow" else f"pt {5 + index % 10} ps 0.6 lc {index + 2}"
        points = [(i, results.ratio(load, a, name)) for i, load in enumerate(results.loads)]
        blocks.append(f"$d{index} << END\n" + "\n".join(f"{i} {r:.4f}" for i, r in points if r) + "\nEND")
        if any(r for _, r in points):
            plots.append(f"$d{index} with points {style} title {quoted(a)}")
    return blocks + script + ["plot " + ", ".join(plots)]


def plot_means(results, path):
    """Each allocator a point: time across, memory upwards."""
    points = [(results.mean(a, "wall_s")[0], results.mean(a, "peak_kib")[0], a) for a in results.allocators]
    block = "$m << END\n" + "\n".join(f"{t:.4f} {m:.4f} {quoted(a)}" for t, m, a in points if t and m) + "\nEND"
    return [block, "set terminal svg size 720,520 font 'sans,11' background 'white'", f"set output {quoted(path)}",
            "set title 'Geometric means against the best peer of each load (down and left is better)'", "set grid",
            "set xlabel 'time'", "set ylabel 'peak resident memory'", "set logscale xy", "unset key",
            "set offsets graph 0.1, graph 0.2, graph 0.1, graph 0.1",
            "plot $m using 1:2:3 with labels point pt 7 offset character 1,0.6 left"]


def write_plots(folder):
    if not shutil.which("gnuplot"):
        return "no plots: gnuplot is not installed (Debian: apt-get install gnuplot-nox)"
    results = Results(folder)
    scripts = {"time.svg": lambda path: plot_loads(results, "wall_s", "Time", path),
               "memory.svg": lambda path: plot_loads(results, "peak_kib", "Peak resident memory", path),
               "means.svg": lambda path: plot_means(results, path)}
    for name, script in scripts.items():
        done = subprocess.run(["gnuplot"], input="\n".join(script(os.path.join(folder, name))) + "\n", text=True,
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        if done.returncode:
            return f"no plot {name}: {done.stderr.strip().splitlines()[-1]}"
    return f"plots: {' '.join(os.path.join(folder, name) for name in scripts)}"


def write_all(folder):
    means = write_table(folder)
    if not means:
        return "nothing was measured"
    return f"\n{means}\n\ntable: {os.path.join(folder, 'table.md')}\n{write_plots(folder)}"
