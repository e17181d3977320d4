// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Between views of memory and packets. */
#include "transport/internal.h"

/**
 * nopin_copy_to_buffer - nopin_view_fn that gathers memory
 * @view: a view of it
 * @off: of the view in the access
 * @buffer: where the access as a whole goes
 *
 * Return: 0.
 * Context: any.
 */
int nopin_copy_to_buffer(const struct nopin_view *view, size_t off, void *buffer)
{
	nopin_view_read(view, buffer + off);
	return 0;
}

/**
 * nopin_copy_from_buffer - nopin_view_fn that scatters a buffer
 * @view: a view of the memory
 * @off: of the view in the access
 * @buffer: what the access as a whole writes
 *
 * Return: 0.
 * Context: any.
 */
int nopin_copy_from_buffer(const struct nopin_view *view, size_t off, void *buffer)
{
	nopin_view_write(view, buffer + off);
	return 0;
}

/**
 * nopin_copy_from_skb - nopin_view_fn that scatters a packet's payload
 * @view: a view of the memory
 * @off: of the view in the access
 * @source: struct nopin_skb_source; its length was checked
 *
 * Return: 0.
 * Context: any.
 */
int nopin_copy_from_skb(const struct nopin_view *view, size_t off, void *source)
{
	const struct nopin_skb_source *from = source;
	unsigned int i;

	if (likely(!skb_is_nonlinear(from->skb))) {
		nopin_view_write(view, from->skb->data + from->offset + off);
		return 0;
	}
	for (i = 0; i < view->runs; i++) {
		const struct nopin_run *run = &view->run[i];

		WARN_ON_ONCE(skb_copy_bits(from->skb, from->offset + off, run->kaddr,
					   run->len));
		off += run->len;
	}
	return 0;
}
