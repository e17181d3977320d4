/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The kernel's names of byte order conversions, from those exported to user space. */
#ifndef NOPIN_TEST_ASM_BYTEORDER_H
#define NOPIN_TEST_ASM_BYTEORDER_H

#include_next <asm/byteorder.h>

#define be16_to_cpu	__be16_to_cpu
#define be32_to_cpu	__be32_to_cpu
#define be64_to_cpu	__be64_to_cpu
#define cpu_to_be16	__cpu_to_be16
#define cpu_to_be32	__cpu_to_be32
#define cpu_to_be64	__cpu_to_be64
#define cpu_to_le32	__cpu_to_le32

#endif /* NOPIN_TEST_ASM_BYTEORDER_H */
