/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Proves that a wrong pointer given to free and its like ends the process by SIGABRT after exactly one line on stderr, which
 * names what is wrong and the address.
 */
#include "test/abort/misuse.h"
#include "test/lib/preload.h"

int main(int argc, char **argv)
{
	(void)argc;
	test_preload(argv, NULL);
	return misuse_run(NULL, 0);
}
