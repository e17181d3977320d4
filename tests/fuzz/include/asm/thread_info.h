/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* User Mode Linux finds it by the stack pointer; this program has one. */
#ifndef FUZZ_THREAD_INFO_H
#define FUZZ_THREAD_INFO_H

#define current_thread_info	um_current_thread_info
#include_next <asm/thread_info.h>
#undef current_thread_info

#ifndef __ASSEMBLY__
extern struct thread_info fuzz_thread_info;

static inline struct thread_info *current_thread_info(void)
{
	return &fuzz_thread_info;
}
#endif

#endif /* FUZZ_THREAD_INFO_H */
