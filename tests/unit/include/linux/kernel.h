/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef NOPIN_TEST_LINUX_KERNEL_H
#define NOPIN_TEST_LINUX_KERNEL_H

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

#endif /* NOPIN_TEST_LINUX_KERNEL_H */
