// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Every symbol of the provider resolves against the installed libibverbs, which
 * is loaded as a program would load it.
 */
#include <dlfcn.h>
#include <stdio.h>

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: %s PROVIDER\n", argv[0]);
		return 2;
	}
	if (!dlopen(argv[1], RTLD_NOW)) {
		fprintf(stderr, "%s\n", dlerror());
		return 1;
	}
	return 0;
}
