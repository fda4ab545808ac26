# SPDX-License-Identifier: BSD-2-Clause
"""Keeps measurements apart from the tests that change the machine, through the lock that those take for themselves."""
import contextlib
import fcntl
import sys
import time

LOCK = "/run/lock/fallow-machine.lock"
PATIENCE_S = 800


@contextlib.contextmanager
def quiet():
    """While this is held no test changes limits, pools or overcommit; measurements share it among themselves."""
    try:
        lock = open(LOCK)
    except OSError:
        # Nobody has run such a test here.
        yield
        return
    with lock:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    sys.exit(f"bench: a test that changes the machine has held {LOCK} for {PATIENCE_S} s")
                time.sleep(0.1)
        yield
