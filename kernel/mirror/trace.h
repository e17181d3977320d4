/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Tracepoints of the mirror: /sys/kernel/tracing/events/nopin
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM nopin

#if !defined(NOPIN_MIRROR_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define NOPIN_MIRROR_TRACE_H

#include <linux/mm_types.h>
#include <linux/tracepoint.h>

TRACE_EVENT(nopin_mirror_fault,
	TP_PROTO(const struct mm_struct *mm, u64 va, size_t len,
		 unsigned int flags, u64 pages, int ret),
	TP_ARGS(mm, va, len, flags, pages, ret),
	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(u64, va)
		__field(size_t, len)
		__field(unsigned int, flags)
		__field(u64, pages)
		__field(int, ret)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->va = va;
		__entry->len = len;
		__entry->flags = flags;
		__entry->pages = pages;
		__entry->ret = ret;
	),
	TP_printk("mm=%p va=0x%llx len=%zu flags=0x%x pages=%llu ret=%d",
		  __entry->mm, __entry->va, __entry->len, __entry->flags,
		  __entry->pages, __entry->ret)
);

TRACE_EVENT(nopin_mirror_invalidate,
	TP_PROTO(const struct mm_struct *mm, unsigned long start,
		 unsigned long end, unsigned int event, unsigned int pages),
	TP_ARGS(mm, start, end, event, pages),
	TP_STRUCT__entry(
		__field(const void *, mm)
		__field(unsigned long, start)
		__field(unsigned long, end)
		__field(unsigned int, event)
		__field(unsigned int, pages)
	),
	TP_fast_assign(
		__entry->mm = mm;
		__entry->start = start;
		__entry->end = end;
		__entry->event = event;
		__entry->pages = pages;
	),
	TP_printk("mm=%p start=0x%lx end=0x%lx event=%u pages=%u",
		  __entry->mm, __entry->start, __entry->end, __entry->event,
		  __entry->pages)
);

#endif /* NOPIN_MIRROR_TRACE_H */

/* Found by way of -I: kernel/Kbuild names the directory of this file. */
#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH mirror
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
