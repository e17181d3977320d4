// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Removing the DMA addresses of all mirrors, when no device wants an engine any more. */
#include <linux/err.h>
#include <linux/sched.h>

#include "dma.h"
#include "span.h"

static void nopin_span_unmap_all(struct nopin_span *span)
{
	unsigned int l;

	nopin_span_shut(span);
	for (l = 0; l < NOPIN_SPAN_LINES; l++)
		nopin_span_unmap(span, l, U64_MAX);
	nopin_span_open(span);
}

/**
 * nopin_mirror_unmap_all - remove all DMA addresses of all mirrors
 *
 * The caller makes sure that nopin_view_map() is not called meanwhile.
 *
 * Context: process, sleeps.
 */
void nopin_mirror_unmap_all(void)
{
	struct nopin_span *span;

	while ((span = nopin_dma_next())) {
		struct nopin_mirror *mirror;

		if (IS_ERR(span)) {
			schedule_timeout_uninterruptible(1);
			continue;
		}
		mirror = span->mirror;
		nopin_span_unmap_all(span);
		nopin_span_put(span);
		nopin_mirror_put(mirror);
	}
}
