/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Users without privileges who take all that they can get, in processes of their own. */
#ifndef GREEDY_H
#define GREEDY_H

#include <sys/types.h>

#define NOBODY		65534
#define SOMEBODY	65533

/* Runs as root until it calls greedy_become(); returns how much it has got. */
typedef unsigned int (*greedy_fn)(unsigned int uid);

void greedy_become(unsigned int uid);
/* Fork a process that takes, and keeps what it got until greedy_end() or the test's end. */
pid_t greedy_fork(unsigned int uid, greedy_fn take, unsigned int *got);
void greedy_end(pid_t pid);

#endif /* GREEDY_H */
