// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Functions that the transport refers to but does not call here, as there are no programs
 * that map rings, no kernel users that map pages, and no DMA engine. No headers are
 * included, so the functions are defined without their types.
 */
void never(const char *name) __attribute__((noreturn));

#define NEVER(name)							\
	void name(void);						\
	void name(void)							\
	{								\
		never(#name);						\
	}

NEVER(__devm_add_action)
NEVER(__var_waitqueue)
NEVER(dst_release)
NEVER(finish_wait)
NEVER(ib_sg_to_pages)
NEVER(init_wait_var_entry)
NEVER(is_vmalloc_addr)
NEVER(prepare_to_wait_event)
NEVER(rdma_user_mmap_entry_get)
NEVER(rdma_user_mmap_entry_insert)
NEVER(rdma_user_mmap_entry_put)
NEVER(rdma_user_mmap_entry_remove)
NEVER(schedule)
NEVER(vm_insert_page)
NEVER(vmalloc_to_page)
