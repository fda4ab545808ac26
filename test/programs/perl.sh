#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
#
# Proves that perl does the same under the preload as without: hashes, sorting, regular expressions, long strings, closures,
# references in circles, forks.
set -u
. "${top_srcdir:=.}/test/programs/harness.sh" || exit 99
need perl perl
prove_preloaded perl -MPOSIX -e 1 || exit 1
export PERL_HASH_SEED=0

cat >"$scratch/work.pl" <<'END'
use strict; use warnings; use Digest::SHA qw(sha256_hex); use Scalar::Util qw(weaken);
srand(1);
my @words = map { join "", map { chr(97 + int rand 8) } 1 .. 1 + int rand 30 } 1 .. 100000;
my %count; $count{$_}++ for @words; $count{substr $_, 0, 2} .= ",$_" for @words;
my @sorted = sort { length $count{$a} <=> length $count{$b} || $a cmp $b } keys %count;
print scalar(@sorted), " ", sha256_hex(join "\n", map { "$_=$count{$_}" } @sorted), "\n";
my $text = join " ", @words; my $found = 0; $found++ while $text =~ /a+b(?:c|d)e?/g; print "$found\n";
(my $swapped = $text) =~ s/(\w+) (\w+)/$2 $1/g; print sha256_hex($swapped), "\n";
my $long = ""; $long .= "x" x 1000 for 1 .. 20000; substr($long, 100, 10000000) = ""; print length $long, "\n";
my @closures = map { my $n = $_; sub { $n += shift } } 1 .. 50000; my $sum = 0; $sum += $_->(3) for @closures; print "$sum\n";
for (1 .. 50000) { my $a = { payload => "y" x 200 }; my $b = { other => $a }; $a->{other} = $b; weaken $a->{other}; }
my @pids = map { my $pid = fork; die unless defined $pid; if (!$pid) { my %h = map { $_ => "z" x $_ } 1 .. 2000; exit(keys(%h) == 2000 ? 0 : 1) } $pid } 1 .. 5;
for (@pids) { waitpid $_, 0; print "child $?\n"; }
END
same perl "$scratch/work.pl"
