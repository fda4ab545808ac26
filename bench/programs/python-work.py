# SPDX-License-Identifier: BSD-2-Clause
"""Fixed work for python3: objects, strings, dictionaries, JSON, sorting, closures."""
import json
import random
import re
import sys


class Account:
    def __init__(self, number, owner):
        self.number = number
        self.owner = owner
        self.entries = []

    def book(self, text, amount):
        self.entries.append((text, amount))


def accounts_run(source):
    accounts = {}
    for step in range(60000):
        number = source.randrange(8000)
        account = accounts.get(number)
        if account is None:
            account = accounts[number] = Account(number, "owner %d" % number)
        account.book("step %d" % step, source.random())
        if len(account.entries) > 20:
            del accounts[number]
    return sum(amount for account in accounts.values() for _, amount in account.entries)


def text_run(source):
    words = ["".join(source.choice("abcdefgh") for _ in range(source.randrange(3, 12))) for _ in range(6000)]
    text = " ".join(words)
    counts = {}
    for word in re.split(r"\s+", text):
        counts[word] = counts.get(word, 0) + 1
    lines = ["%s=%d" % pair for pair in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))]
    return len("\n".join(lines).upper().replace("A", "aa"))


def json_run(source):
    document = [{"id": i, "tags": ["t%d" % source.randrange(50) for _ in range(5)], "value": source.random()}
                for i in range(4000)]
    return len(json.loads(json.dumps(document)))


def grid_run(source):
    grid = [[source.random() for _ in range(200)] for _ in range(200)]
    return sum(sorted(sum(row) for row in zip(*grid)))


def main():
    rounds = max(1, 3 * int(sys.argv[1]) // 100)
    source = random.Random(1)
    total = 0
    for _ in range(rounds):
        total += accounts_run(source) + text_run(source) + json_run(source) + grid_run(source)
    print("python operations=%d check=%.6f" % (rounds, total))


main()
