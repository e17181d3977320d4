// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Between mirrored memory and packets, one piece at a time. */
#include "transport/internal.h"

/**
 * nopin_copy_to_buffer - nopin_chunk_fn that gathers memory
 * @kaddr: piece of memory
 * @off: of the piece in the access
 * @len: bytes
 * @buffer: where the access as a whole goes
 *
 * Context: any.
 */
void nopin_copy_to_buffer(void *kaddr, size_t off, size_t len, void *buffer)
{
	memcpy(buffer + off, kaddr, len);
}

/**
 * nopin_copy_from_skb - nopin_chunk_fn that scatters a packet's payload
 * @kaddr: piece of memory
 * @off: of the piece in the access
 * @len: bytes
 * @source: struct nopin_skb_source; its length was checked
 *
 * Context: any.
 */
void nopin_copy_from_skb(void *kaddr, size_t off, size_t len, void *source)
{
	const struct nopin_skb_source *from = source;

	WARN_ON_ONCE(skb_copy_bits(from->skb, from->offset + off, kaddr, len));
}
