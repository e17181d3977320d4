/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What some of the tests need of the machine: settings of the kernel, a swap
 * device, a mounted file system, a cgroup, a userfaultfd. All but the last is
 * undone after the test.
 */
#ifndef ODP_SYSTEM_H
#define ODP_SYSTEM_H

#include "rc.h"

/* A shell command; true when it succeeded. Its output is a note if not. */
__printf(1, 2)
bool odp_run(const char *fmt, ...);

/* Files of the kernel. A write gives 0 or an errno. */
int odp_write_file(const char *path, const char *text);
long odp_read_number(const char *path, int base);
long odp_read_field(const char *path, const char *field);
long odp_vmstat(const char *field);

/* As long as the test runs; it is skipped where there is no such setting. */
void odp_set(const char *path, const char *text);

/* A folder of its own, gone after the test. */
const char *odp_folder(void);

/* Something mounted on such a folder, for as long as the test runs. */
__printf(1, 2)
const char *odp_mount(const char *fmt, ...);

void odp_swap_on(size_t mib);

/*
 * A userfaultfd over memory, with UFFDIO_REGISTER_MODE_MISSING or _WP; the
 * caller's to close. Pages that are not there yet will be small.
 */
int odp_uffd(void *mem, size_t len, uint64_t mode);
/* A fault is waiting to be read. */
void odp_uffd_wait(int uffd);

/* A new cgroup with this much memory; a process enters it by its pid. */
const char *odp_cgroup(size_t bytes);
void odp_cgroup_enter(const char *cgroup);

#endif /* ODP_SYSTEM_H */
