/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What a nopin device can do beyond verbs. Link with -lnopindv. Functions are only added;
 * each has its manual page.
 */
#ifndef NOPINDV_H
#define NOPINDV_H

#include <stdbool.h>
#include <stddef.h>

#include <infiniband/verbs.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Each function that is added increments it. */
#define NOPINDV_VERSION	1

/* NOPINDV_VERSION of the library that the program runs with. */
unsigned int nopindv_version(void);

/* Move pages of the calling process into the memory of the PD's device, or back. */
int nopindv_migrate(struct ibv_pd *pd, void *addr, size_t length, bool to_device);

#ifdef __cplusplus
}
#endif

#endif /* NOPINDV_H */
