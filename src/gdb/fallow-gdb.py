# SPDX-License-Identifier: BSD-2-Clause
"""
gdb on a process or a core dump of a program on fallow: "source" this file, then

    fallow regions          what memory there is, and what of it is taken
    fallow arenas           who takes it
    fallow failures         what was refused last, and why
    fallow address ADDRESS  to which object an address belongs, and whether that is live or free

It reads the record that fallow/live.h describes, so it needs no debugging symbols and no other version of this script. In
a core dump the library's file must be where gdb finds it, as for a backtrace. Nothing of the process is called or changed.
"""

import errno
import os
import re
import struct
from types import SimpleNamespace

import gdb

MAGIC = b"fallow live page"
VERSION = 1
ID_SHIFT = 48
ID_LARGE = 1
WORD = struct.Struct("=Q")
RECORD = struct.Struct("=16sQII19Q")
RECORD_NAMES = """magic self version size started_ms fields nfields granule unit_granules slots nslots arenas narenas
failures nfailure_slots nfailures metadata ncaches caches classes nclasses reasons nreasons""".split()
FIELD = struct.Struct("=24sII")
CHUNK = 4096
TEXT = gdb.lookup_type("char").pointer()


def size_text(nbytes):
    """Bytes as 512, 64K or 1.5M."""
    for unit in ("", "K", "M", "G", "T"):
        if nbytes < 1024 or unit == "T":
            break
        nbytes /= 1024
    return f"{nbytes:.0f}{unit}" if nbytes == int(nbytes) else f"{nbytes:.1f}{unit}"


def read(address, length):
    try:
        return bytes(gdb.selected_inferior().read_memory(address, length))
    except gdb.MemoryError:
        raise gdb.GdbError(f"fallow: memory at {address:#x} cannot be read") from None


def read_word(address):
    return WORD.unpack(read(address, WORD.size))[0]


def segments():
    """Where files are mapped, those called like the library first."""
    mappings = gdb.execute("info proc mappings", to_string=True)
    found = []
    for line in mappings.splitlines():
        match = re.match(r"\s*(0x[0-9a-f]+)\s+(0x[0-9a-f]+)\s+0x[0-9a-f]+\s+0x[0-9a-f]+\s+(?:([-rwxsp]{4})\s+)?(/.*)$", line)
        if match and "w" in (match[3] or "w"):
            found.append((int(match[1], 16), int(match[2], 16), match[4]))
    return sorted(found, key=lambda segment: "libfallow" not in os.path.basename(segment[2]))


def records_in(start, end):
    while start < end:
        try:
            start = gdb.selected_inferior().search_memory(start, end - start, MAGIC)
        except gdb.MemoryError:
            return
        if start is None:
            return
        yield start
        start += 64


class Element:
    """One structure in the process: its fields by name, as numbers; class is a word of Python's."""

    def __init__(self, live, kind, address):
        self.live, self.kind, self.address = live, kind, address
        self.bytes = read(address, live.size_of(kind))

    def raw(self, name):
        offset, size = self.live.fields[f"{self.kind}.{name}"]
        return self.bytes[offset : offset + size]

    def __getattr__(self, name):
        return int.from_bytes(self.raw(name.rstrip("_")), "little")

    def text(self, name):
        return self.raw(name).split(b"\0")[0].decode(errors="replace")


class Live:
    """The record of the process that gdb looks at."""

    def __init__(self):
        self.record = record = self.find()
        if record.version != VERSION:
            raise gdb.GdbError(f"fallow: the record has version {record.version}; this script knows {VERSION}")
        table = read(record.fields, record.nfields * FIELD.size)
        self.fields = {name.split(b"\0")[0].decode(): (offset, size) for name, offset, size in FIELD.iter_unpack(table)}

    @staticmethod
    def find():
        for start, end, _ in segments():
            for address in records_in(start, end):
                record = SimpleNamespace(**dict(zip(RECORD_NAMES, RECORD.unpack(read(address, RECORD.size)))))
                if record.self == address and record.started_ms != 0:
                    return record
        raise gdb.GdbError("fallow: this program is not on fallow, or has not allocated anything yet")

    def size_of(self, kind):
        return self.fields[kind][1]

    def element(self, kind, first, i):
        """The i-th of an array."""
        return Element(self, kind, first + i * self.size_of(kind))

    def regions(self):
        for i in range(read_word(self.record.nslots)):
            slot = self.element("slot", self.record.slots, i)
            if slot.region and slot.version % 2 == 0:
                yield Element(self, "region", slot.region)

    def arenas(self):
        for i in range(read_word(self.record.narenas)):
            address = read_word(self.record.arenas + i * WORD.size)
            if address:
                yield Element(self, "arena", address)

    def arena_name(self, address):
        arena = Element(self, "arena", address)
        return f"arena {arena.serial}" if arena.explicit else "process heap"

    def failures(self):
        newest = read_word(self.record.nfailures)
        for number in range(newest, max(newest - self.record.nfailure_slots, 0), -1):
            failure = self.element("failure", self.record.failures, (number - 1) % self.record.nfailure_slots)
            if failure.version == 2 * number:
                yield number, failure

    def reason(self, number):
        if number >= self.record.nreasons:
            return f"reason {number}"
        return gdb.Value(read_word(self.record.reasons + number * WORD.size)).cast(TEXT).string()


class Finder:
    """To which object an address belongs."""

    def __init__(self, live, address):
        self.live, self.address, self.granule = live, address, live.record.granule

    def describe(self):
        for region in self.live.regions():
            if region.base <= self.address < region.base + region.nreserved * self.granule:
                return f'{self.address:#x}: region "{region.text("name")}": {self.describe_in(region)}'
        return f"{self.address:#x}: not in a region of fallow"

    def describe_in(self, region):
        granule = (self.address - region.base) // self.granule
        if granule >= region.frontier:
            return "reserved, not mapped"
        word = read_word(region.map + granule * WORD.size)
        if word >> ID_SHIFT > ID_LARGE:
            return self.describe_slot(word)
        large = word or self.large_before(region, granule)
        if large and self.address < self.large_end(region, large):
            return self.describe_large(region, large)
        unit = self.live.element("unit", region.units, granule // 64)
        if unit.free >> granule % 64 & 1:
            return "free: part of no object"
        return "taken, but of no object yet, or no more"

    @staticmethod
    def descriptor(word):
        return word & ((1 << ID_SHIFT) - 1)

    def large_before(self, region, granule):
        """The word of the nearest object that begins below a granule, if that is a large block."""
        while granule > 0:
            n = min(granule, CHUNK)
            words = [w for w, in WORD.iter_unpack(read(region.map + (granule - n) * WORD.size, n * WORD.size))]
            for word in reversed(words):
                if word:
                    return word if word >> ID_SHIFT == ID_LARGE else 0
            granule -= n
        return 0

    def large_start(self, region, word):
        """Descriptors lie as the granules do that they are of."""
        number = (self.descriptor(word) - region.descriptors) // self.live.size_of("descriptor")
        return region.base + number * self.granule

    def large_end(self, region, word):
        large = Element(self.live, "large", self.descriptor(word))
        return self.large_start(region, word) + large.n * self.granule

    def describe_large(self, region, word):
        large, start = Element(self.live, "large", self.descriptor(word)), self.large_start(region, word)
        where = f"large block {start:#x} of {large.size} bytes, {self.live.arena_name(large.arena)}, live"
        return f"{where}; {self.place(start, large.size)}"

    def place(self, start, size):
        offset = self.address - start
        return f"{offset} bytes into it" if offset < size else f"{offset - size} bytes behind its end"

    def describe_slot(self, word):
        slab = Element(self.live, "slab", self.descriptor(word))
        cache = Element(self.live, "cache", read_word(self.live.record.caches + (word >> ID_SHIFT) * WORD.size))
        size = self.live.element("class", self.live.record.classes, slab.class_).size
        number = (self.address - slab.below - 1) // size
        where = f"slab {slab.below + 1:#x} of slots of {size} bytes, {self.live.arena_name(cache.arena)}"
        if number >= slab.nslots:
            return f"{where}: behind its last slot"
        slot = slab.below + 1 + number * size
        state = self.state(slab, cache, number, slot)
        return f"{where}: slot {slot:#x}, {state}; {self.place(slot, size)}"

    def state(self, slab, cache, number, slot):
        if number >= slab.ncarved:
            return "free, never used"
        if read_word(slot + WORD.size) == slab.address:
            return "free"
        head = WORD.unpack_from(cache.raw("heads"), slab.class_ * WORD.size)[0]
        for _ in range(slab.nslots):
            if head == slot:
                return "free, never used"
            if head == 0:
                break
            head = read_word(head)
        return "live"


class Fallow(gdb.Command):
    """What the program has on fallow: fallow regions, arenas, failures, address ADDRESS."""

    def __init__(self):
        super().__init__("fallow", gdb.COMMAND_DATA, prefix=True)


class Regions(gdb.Command):
    """List the regions: what memory there is, and what of it is taken."""

    def __init__(self):
        super().__init__("fallow regions", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        live = Live()
        print(f"{'BASE':<16} {'NAME':<20} {'MAPPED':>9} {'TAKEN':>9} {'POPULATED':>9} {'LIMIT':>9}")
        for region in live.regions():
            limit = size_text(region.limit) if region.limit else "-"
            sizes = (size_text(n) for n in (region.frontier * live.record.granule, region.taken, region.present))
            print(f"{region.base:<#16x} {region.text('name'):<20}", *(f"{s:>9}" for s in (*sizes, limit)))


class Arenas(gdb.Command):
    """List the arenas: who takes memory, and from which regions."""

    def __init__(self):
        super().__init__("fallow arenas", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        live = Live()
        names = {region.address: region.text("name") for region in live.regions()}
        print(f"{'ARENA':<16} {'SLABS':>9} {'LARGE':>9} {'OF BYTES':>9} {'FAILURES':>9}  REGIONS")
        for arena in live.arenas():
            regions = ", ".join(
                names.get(address, "?") for address in dict.fromkeys((arena.region, arena.blocks, arena.spill)) if address
            )
            counts = (arena.nslabs, arena.nlarge, size_text(arena.large), arena.nfailures)
            print(f"{live.arena_name(arena.address):<16}", *(f"{c:>9}" for c in counts), f" {regions}")


class Failures(gdb.Command):
    """List the last requests that were refused, the latest first."""

    def __init__(self):
        super().__init__("fallow failures", gdb.COMMAND_DATA)

    def invoke(self, argument, from_tty):
        live = Live()
        for number, failure in live.failures():
            after = (failure.time_ms - live.record.started_ms) / 1000
            error = f" ({errno.errorcode.get(failure.error, failure.error)})" if failure.error else ""
            print(f"{number}: after {after:.3f} s, {size_text(failure.requested)}: {live.reason(failure.reason)}{error}")


class Address(gdb.Command):
    """Say to which object an address belongs: fallow address EXPRESSION."""

    def __init__(self):
        super().__init__("fallow address", gdb.COMMAND_DATA, gdb.COMPLETE_EXPRESSION)

    def invoke(self, argument, from_tty):
        if not argument:
            raise gdb.GdbError("fallow address takes an address")
        value = int(gdb.parse_and_eval(f"(unsigned long)({argument})"))
        print(Finder(Live(), value).describe())


for command in (Fallow, Regions, Arenas, Failures, Address):
    command()
