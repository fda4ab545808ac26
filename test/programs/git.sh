#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that git does the same under the preload as without: clone, gc, fsck, log and blame of a repository that the test
# makes, with packing in threads and processes that feed each other.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
need git git
export HOME=$scratch GIT_CONFIG_NOSYSTEM=1 GIT_TERMINAL_PROMPT=0

# 300 commits over 40 files of text, the same at each run.
awk -v commits=300 'BEGIN {
    srand(1)
    for (commit = 1; commit <= commits; commit++) {
        name = "file" int(rand() * 40) ".txt"
        for (line = 0; line < 20; line++) {
            words = ""
            for (word = 0; word < 10; word++) words = words sprintf("%x ", int(rand() * 4096))
            lines[name] = lines[name] words "\n"
        }
        message = "Change " name " for the " commit ". time"
        printf "commit refs/heads/main\ncommitter T <t@example.org> %d +0000\n", 1600000000 + commit
        printf "data %d\n%s\nM 644 inline %s\ndata %d\n%s\n", length(message), message, name, length(lines[name]), lines[name]
    }
}' >"$scratch/import"
git init -q -b main "$scratch/origin" && git -C "$scratch/origin" fast-import --quiet <"$scratch/import" ||
    hard_error "cannot make a repository"

cat >"$scratch/work" <<END
set -e
git clone -q --no-local "$scratch/origin" copy
cd copy
git rev-parse HEAD
git -c pack.threads=2 gc -q --aggressive --prune=now
git fsck --full --strict --no-progress
git count-objects -v | grep -v size
git verify-pack -v .git/objects/pack/*.idx | cut -d' ' -f1,2 | grep -E ' (commit|tree|blob)' | sort | sha256sum
git log -p | sha256sum
for file in file1.txt file2.txt file3.txt; do git blame \$file | sha256sum; done
git grep -c abc | sha256sum
git bundle create -q ../bundle HEAD main
git clone -q ../bundle again
git -C again rev-parse HEAD
cd ..
rm -rf copy again bundle
END
cp -r "$scratch/origin" "$scratch/proof"
prove_preloaded git -C "$scratch/proof" gc -q || exit 1
same bash "$scratch/work"
