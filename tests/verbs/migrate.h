/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A bench whose memory can move to the NIC's own memory: what the files of migrate share. */
#ifndef MIGRATE_H
#define MIGRATE_H

#include "nic.h"
#include "nopindv.h"
#include "odp_bench.h"

#define PAGES	(LEN / PAGE)
#define MEMORY	(4 * MIB)

struct nic {
	struct odp_bench b;
	struct rc_end *end;	/* has the memory under test */
	uint8_t *mem;		/* LEN bytes */
};

/* Make a bench, and give its device @memory bytes until the test ends. */
struct nic nic_of(const void *variant, size_t memory);
/* Move pages to the NIC's memory, or back; returns 0 or an errno. */
int nic_move_some(struct nic *nic, void *addr, size_t len, bool to_device);
/* Move all pages of the bench; fail the test unless all have moved. */
void nic_move(struct nic *nic, bool to_device);
/* Wait until a counter is @want; false: it does not become that. */
bool nic_counts(const struct vt_dev *dev, const char *name, long long want);

/* The tests of migrate_limits.c. */
void migrate_limits_add(void);

#endif /* MIGRATE_H */
