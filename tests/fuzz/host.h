/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Deferred work: it runs when the input says so, and at the end. */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include <linux/skbuff.h>
#include <linux/types.h>

/* Functions of the C library; its headers conflict with the kernel's. */
void *malloc(size_t size);
void *calloc(size_t num, size_t size);
void *aligned_alloc(size_t align, size_t size);
void free(void *ptr);
void abort(void) __noreturn;
int dprintf(int fd, const char *fmt, ...) __printf(2, 3);

/* Report a fault that the input has shown. */
#define fuzz_fault(fmt, ...)						\
	do {								\
		dprintf(2, "fault: " fmt "\n", ##__VA_ARGS__);		\
		abort();						\
	} while (0)

#define fuzz_require(cond)						\
	do {								\
		if (!(cond))						\
			fuzz_fault("%s", #cond);			\
	} while (0)

void host_init(void);
void host_run_tasklets(void);
void host_run_works(void);
void host_run_rcu(void);
void host_pass(unsigned int ms);
void host_settle(void);

struct sk_buff *host_skb(const void *data, size_t len);
size_t host_skbs(void);

#endif /* FUZZ_HOST_H */
