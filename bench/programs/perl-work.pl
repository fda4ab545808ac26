# SPDX-License-Identifier: BSD-2-Clause
# Fixed work for perl: records in hashes, words split and joined, substitution, sorting.
use strict;
use warnings;

my $rounds = int(8 * $ARGV[0] / 100) || 1;
my $state  = 12345;

sub number_below {
    $state = ($state * 1103515245 + 12345) & 0x7fffffff;
    return ($state >> 8) % $_[0];
}

my $check = 0;
for my $round (1 .. $rounds) {
    my %records;
    for my $step (1 .. 40000) {
        my $key = "key" . number_below(15000);
        push @{ $records{$key}{lines} }, "line $step of $key";
        $records{$key}{count}++;
        delete $records{$key} if $records{$key}{count} > 6;
    }
    my @sorted = sort { $records{$b}{count} <=> $records{$a}{count} || $a cmp $b } keys %records;
    my $text = join ' ', map { "$_:" . join ',', @{ $records{$_}{lines} } } @sorted;
    $text =~ s/line (\d+)/<$1>/g;
    my %words;
    $words{$_}++ for split /[\s,:]+/, $text;
    $check += scalar(keys %words) + length $text;
}
print "perl operations=$rounds check=$check\n";
