/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Mirrors under memory pressure. */
#ifndef NOPIN_SHRINK_H
#define NOPIN_SHRINK_H

int nopin_shrink_init(void);
void nopin_shrink_exit(void);

#endif /* NOPIN_SHRINK_H */
