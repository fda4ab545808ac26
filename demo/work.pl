# SPDX-License-Identifier: BSD-2-Clause
# Three hundred thousand lines by name: put together, edited, searched, sorted, and forgotten.
use strict;
use warnings;

sub edit_lines {
	my (%lines, $found, $length);
	$lines{'name ' . $_ * 7919 % 1000003} = "line $_: " . 'word ' x ($_ % 61) for 1 .. 300_000;
	for my $line (values %lines) {
		$found++ if $line =~ /^line \d+7: (?:word ){3,7}$/;
		$line .= 'and the end';
		$length += length $line;
	}
	my @names = sort { length $lines{$b} <=> length $lines{$a} || $a cmp $b } keys %lines;
	print scalar(@names), " $length $found @names[0 .. 3]\n";
	undef @names;
	undef %lines;
}

edit_lines();
select undef, undef, undef, $ENV{DEMO_REST};
open my $status, '<', '/proc/self/status' or die;
my ($resident) = map { /VmRSS:\s*(\d+)/ } <$status>;
open my $file, '>', $ARGV[0] or die;
print $file $resident;
