// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* What a process's mappings allow, beyond what its page tables say. */
#include <linux/mm.h>
#include <linux/mmu_context.h>

#include "../compat.h"
#include "span.h"

/**
 * nopin_vma_allows - may memory be accessed through this mapping?
 * @vma: the mapping
 * @write: to be written?
 *
 * Return: true when it may, as far as the mapping is concerned.
 * Context: mmap_lock held.
 */
bool nopin_vma_allows(const struct vm_area_struct *vma, bool write)
{
	mmap_assert_locked(vma->vm_mm);
	if (vma->vm_flags & (VM_IO | VM_PFNMAP)) /* no memory that could be copied */
		return false;
	if (!write)
		return vma->vm_flags & VM_READ;
	return vma->vm_flags & VM_WRITE && !(vma->vm_flags & VM_SHADOW_STACK);
}

/* May the calling thread access it, by the rules of pinning? */
static bool nopin_vma_allows_current(struct vm_area_struct *vma, bool write)
{
	return vma->vm_flags & VM_READ && nopin_vma_allows(vma, write) &&
	       arch_vma_access_permitted(vma, write, false, false);
}

/* May it access all of [va, end)? With mmap_lock held. */
static bool nopin_mm_allows(struct mm_struct *mm, unsigned long va,
			    unsigned long end, bool write)
{
	struct vm_area_struct *vma;

	for (; va < end; va = vma->vm_end) {
		vma = find_vma(mm, va);
		if (!vma || vma->vm_start > va || !nopin_vma_allows_current(vma, write))
			return false;
	}
	return true;
}

/**
 * nopin_mirror_check_current - has the calling process this memory, as of now?
 * @va: first byte
 * @len: bytes; va + len does not wrap
 * @write: must it be writable?
 *
 * Return: 0; -EFAULT when some of it is a hole, lacks the rights, is kept from the
 * calling thread by a protection key, or is not memory; -EINTR when the caller has been killed.
 * Context: process, sleeps; takes time in proportion to the mappings in the range.
 */
int nopin_mirror_check_current(u64 va, u64 len, bool write)
{
	struct mm_struct *mm = current->mm;
	bool allows;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	allows = nopin_mm_allows(mm, va, va + len, write);
	mmap_read_unlock(mm);
	return allows ? 0 : -EFAULT;
}
