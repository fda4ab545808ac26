# SPDX-License-Identifier: BSD-2-Clause
"""The allocators that are compared: where they lie and how each is told to use huge pages.

A peer is preloaded, never linked. Its huge page variant is the same library with the setting that its own
documentation names for transparent huge pages.
"""
import collections
import os
import re
import shlex
import shutil
import subprocess
import sys

Peer = collections.namedtuple("Peer", "name path settings base huge")

FOLDERS = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib", "/usr/local/lib"]

# name, libraries to preload in order, settings that turn huge pages on (None: there is no such setting)
KNOWN = [
    ("glibc", [], {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}),
    ("jemalloc", ["libjemalloc.so.2"], {"MALLOC_CONF": "thp:always"}),
    ("mimalloc", ["libmimalloc.so.2"], {"MIMALLOC_ALLOW_LARGE_OS_PAGES": "1", "MIMALLOC_LARGE_OS_PAGES": "1"}),
    ("tcmalloc", ["libtcmalloc_minimal.so.4"], None),
    ("tbbmalloc", ["libtbbmalloc_proxy.so.2"], {"TBB_MALLOC_USE_HUGE_PAGES": "1"}),
]
FALLOW_HUGE = {"FALLOW_CONF": "thp:always"}
FALLOW_VARIANTS = {"strict": {"FALLOW_CONF": "populate:strict"},
                   "hugetlb": {"FALLOW_CONF": "backing:hugetlb,spill:anon"}}


def library_find(name):
    for folder in FOLDERS:
        path = os.path.join(folder, name)
        if os.path.exists(path):
            return path
    return None


def fallow_find():
    """The library under test: FALLOW_PRELOAD, or the one in the build tree one works in."""
    path = os.environ.get("FALLOW_PRELOAD")
    if path:
        return path
    top = os.environ.get("top_builddir", ".")
    path = os.path.join(top, ".libs", "libfallow-malloc.so")
    return os.path.abspath(path) if os.path.exists(path) else None


def installed():
    """Every allocator that this machine has, fallow first."""
    found = []
    path = fallow_find()
    if path:
        replaces_check("fallow", path)
        found.append(Peer("fallow", path, {}, "fallow", FALLOW_HUGE))
    for name, libraries, huge in KNOWN:
        paths = [library_find(library) for library in libraries]
        if all(paths):
            found.append(Peer(name, ":".join(paths), {}, name, huge))
    for word in shlex.split(os.environ.get("PEERS", "")):
        found.append(named(word))
    return found


def replaces_check(name, path):
    """Ends with a message where a library leaves malloc to the C library: it would be measured as if it were glibc."""
    if not shutil.which("nm"):
        return
    symbols = subprocess.run(["nm", "-D", "--defined-only", path], stdout=subprocess.PIPE, text=True).stdout
    if not re.search(r" [TWi] malloc\b", symbols):
        sys.exit(f"{name}: {path} does not define malloc")


def named(word):
    """A peer from name=/path.so."""
    name, _, path = word.partition("=")
    if not name or not path:
        sys.exit(f"a peer is name=/path.so, not {word!r}")
    path = os.path.abspath(path)
    if not os.path.isfile(path):
        sys.exit(f"peer {name}: there is no library {path}")
    replaces_check(name, path)
    huge = FALLOW_HUGE if name.startswith("fallow") else next((h for n, _, h in KNOWN if name.startswith(n)), None)
    return Peer(name, path, {}, name, huge)


def huge_variant(peer):
    """The same library with its huge pages on, or None where it has no such setting."""
    if not peer.huge:
        return None
    return Peer(peer.name + "+huge", peer.path, peer.huge, peer.base, None)


def fallow_variant(peer, variant):
    """fallow under another of its policies."""
    if not peer.name.startswith("fallow") or variant not in FALLOW_VARIANTS:
        return None
    return Peer(f"{peer.name}+{variant}", peer.path, FALLOW_VARIANTS[variant], peer.base, None)


def pool_pages_free():
    """Free pages in the system's pool of huge pages."""
    with open("/proc/meminfo") as file:
        return next((int(line.split()[1]) for line in file if line.startswith("HugePages_Free:")), 0)


def choose(words, huge, policies=False):
    """The peers that a comma separated list names; with huge also their huge page variants, with policies fallow's."""
    known = {peer.name: peer for peer in installed()}
    if words:
        chosen = []
        for word in words.split(","):
            name, plus, variant = word.partition("=" if "=" in word else "+")
            if plus == "=":
                peer = known[name] = named(word)
            elif word == "fallow" and "fallow" not in known:
                sys.exit("fallow is not built here: set FALLOW_PRELOAD=/path/libfallow-malloc.so or give fallow=/path.so")
            elif name not in known:
                sys.exit(f"unknown allocator {word}; allowed here: {' '.join(known)} or name=/path.so")
            else:
                peer = known[name]
                if plus:
                    peer = huge_variant(peer) if variant == "huge" else fallow_variant(peer, variant)
                    if not peer:
                        sys.exit(f"{name} has no variant {variant}; variants are +huge and, for fallow, "
                                 + " ".join("+" + v for v in FALLOW_VARIANTS))
            chosen.append(peer)
    else:
        chosen = list(known.values())
    plain = list(chosen)
    if huge:
        chosen += [variant for variant in map(huge_variant, plain) if variant]
    if policies:
        wanted = [v for v in FALLOW_VARIANTS if v != "hugetlb" or pool_pages_free()]
        chosen += [variant for peer in plain for variant in (fallow_variant(peer, v) for v in wanted) if variant]
    return chosen


def environment(peer):
    """The environment in which a program runs on this peer, free of settings meant for another."""
    result = {key: value for key, value in os.environ.items()
              if key not in ("LD_PRELOAD", "MALLOC_CONF", "GLIBC_TUNABLES", "FALLOW_CONF", "PEERS")
              and not key.startswith(("MIMALLOC_", "TCMALLOC_", "TBB_MALLOC_", "MALLOC_"))}
    if peer.path:
        result["LD_PRELOAD"] = peer.path
    result.update(peer.settings)
    return result
