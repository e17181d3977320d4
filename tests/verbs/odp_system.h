/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Changes to the machine that some tests need: settings of the kernel, a swap device, a
 * mounted file system, a cgroup, a userfaultfd. The end of the test undoes all but the
 * last.
 */
#ifndef ODP_SYSTEM_H
#define ODP_SYSTEM_H

#include "rc.h"

/*
 * Run a shell command; returns true when it succeeds. Otherwise its output is printed as a
 * note.
 */
__printf(1, 2)
bool odp_run(const char *fmt, ...);

/* Files of procfs and sysfs. odp_write_file() returns 0 or an errno. */
int odp_write_file(const char *path, const char *text);
long odp_read_number(const char *path, int base);
long odp_read_field(const char *path, const char *field);
long odp_vmstat(const char *field);

/* Change a setting until the test ends; skip the test if the kernel has no such setting. */
void odp_set(const char *path, const char *text);

/* Make a temporary directory; the end of the test removes it. */
const char *odp_folder(void);

/* Mount something on such a directory until the test ends. */
__printf(1, 2)
const char *odp_mount(const char *fmt, ...);

void odp_swap_on(size_t mib);
/*
 * Page out memory. New pages wait in a batch of the CPU that brought them, a worker's perhaps,
 * where only a call on that CPU can take them: so one call on each CPU.
 */
void odp_page_out(void *addr, size_t len);

/* Pages that the machine has paged out; fail the test unless there are more than @before. */
long odp_paged_out(void);
void odp_want_paged_out(long before);

/*
 * Register memory with a new userfaultfd, in mode UFFDIO_REGISTER_MODE_MISSING or _WP. The
 * caller closes it. Pages faulted in from now on are not huge.
 */
int odp_uffd(void *mem, size_t len, uint64_t mode);
/* Wait until a fault can be read from @uffd. */
void odp_uffd_wait(int uffd);

/* Create a cgroup with a memory limit of @bytes; move this process into it. */
const char *odp_cgroup(size_t bytes);
void odp_cgroup_enter(const char *cgroup);

#endif /* ODP_SYSTEM_H */
