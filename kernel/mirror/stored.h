/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Pages of a process in the memory of NICs. */
#ifndef NOPIN_STORED_H
#define NOPIN_STORED_H

#include <linux/types.h>

struct mm_struct;
struct nopin_mirror;
struct nopin_stop;
struct nopin_store;

int nopin_mirror_move(struct nopin_mirror *mirror, struct nopin_store *store, u64 va,
		      u64 length, const struct nopin_stop *leave);
s64 nopin_mirror_resident(struct nopin_mirror *mirror, u64 va, u64 length,
			  unsigned long patience);
void nopin_mirror_returned(struct mm_struct *mm, unsigned long va);

#endif /* NOPIN_STORED_H */
