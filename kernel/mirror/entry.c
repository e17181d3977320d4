// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * From what HMM says about a page to the mirror's entry for it: may the NIC read
 * it, may the NIC write it, and will the kernel keep what the NIC writes?
 */
#include <linux/fs.h>
#include <linux/hmm.h>
#include <linux/magic.h>
#include <linux/pagemap.h>

#include "span.h"
#include "store/store.h"

/*
 * memfd_secret() memory is not in the kernel's direct mapping, so it cannot be
 * copied. HMM does not know about it.
 */
static bool nopin_folio_has_kaddr(struct folio *folio)
{
	struct address_space *mapping;

	if (folio_test_anon(folio) || folio_test_swapbacked(folio))
		return true;
	mapping = folio_mapping(folio);
	return !mapping || !mapping->host ||
	       mapping->host->i_sb->s_magic != SECRETMEM_MAGIC;
}

/*
 * The kernel must not drop what the NIC writes as clean. HMM tells whether the
 * CPU's entry is writable but not whether it is dirty, and the NIC's writes set no
 * dirty bit. Where can an entry of the CPU be writable and clean, so that a write
 * fault changes nothing?
 *
 *  - Anonymous memory: after MADV_FREE, and after a swap-in for reading, when
 *    the swap slot still holds a copy. Reclaim drops such a page if neither the
 *    entry nor the folio is dirty. So mark the folio. The mark lasts for as long
 *    as the mirror's entry: swap-out, migration and another MADV_FREE clear it
 *    only after or while they unmap the page, and the mirror is told first.
 *  - tmpfs and shared memory map clean pages writable. The same holds for them.
 *  - Filesystems with write-back keep clean pages write-protected. A write fault
 *    runs their page_mkwrite(), which also keeps the folio dirty; write-back
 *    protects the page again (page_mkclean), of which the mirror is told, before it
 *    clears the mark. Marking the folio here would be wrong: the filesystem does it,
 *    under the folio's lock.
 *  - hugetlbfs and ramfs do not reclaim.
 *
 *  - A page in a NIC's memory is anonymous. It has no copy in swap, and its mark moves
 *    with it.
 *
 * The zero page, KSM pages, private file mappings and pages shared with a fork
 * are never writable in the CPU's tables, so they do not get here. A fault for
 * reading installs nothing writable, or reading alone would make pages dirty.
 *
 * A page that only lies beside those asked for (@asked false) becomes writable only
 * where the mark changes nothing: memory that was freed lazily, or is clean in swap,
 * stays so.
 *
 * folio_mark_dirty() does not sleep for these two kinds. The folio can't be
 * truncated meanwhile: it is mapped, and unmapping it waits until the span is open.
 */
static bool nopin_folio_take_write(struct folio *folio, bool asked)
{
	bool anon = folio_test_anon(folio);
	bool swapbacked = folio_test_swapbacked(folio);

	if ((!anon && !swapbacked) || folio_test_dirty(folio))
		return true;
	if (!asked && (!anon || !swapbacked || folio_test_swapcache(folio)))
		return false;
	folio_mark_dirty(folio);
	return true;
}

/**
 * nopin_entry_make - make the entry for a page
 * @hmm: what hmm_range_fault() said about it, with HMM_PFN_VALID set
 * @write: this is a fault for writing
 * @asked: the fault is for this page, not for one beside it
 *
 * Return: the entry, with NOPIN_ENTRY_WRITE only if the kernel will keep what is
 * written; 0 when the kernel itself cannot reach the page.
 * Context: the span is shut and the notifier's sequence was found
 * unchanged, so the page stays what it is.
 */
unsigned long nopin_entry_make(unsigned long hmm, bool write, bool asked)
{
	struct page *page = hmm_pfn_to_page(hmm);
	struct folio *folio = page_folio(page);
	unsigned long entry;

	if (!nopin_folio_has_kaddr(folio))
		return 0;
	entry = page_to_pfn(nopin_store_backing(page)) << NOPIN_ENTRY_PFN_SHIFT |
		NOPIN_ENTRY_VALID;
	if (write && hmm & HMM_PFN_WRITE && nopin_folio_take_write(folio, asked))
		entry |= NOPIN_ENTRY_WRITE;
	return entry;
}
