/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef NOPIN_FUZZ_H
#define NOPIN_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* One input: two bytes for the length that UDP claims, then the packet. */
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);

/* The number of inputs that were accepted as packets. */
extern unsigned long fuzz_accepted;

#endif /* NOPIN_FUZZ_H */
