// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A dma-buf that moves. Each open of /dev/nopin_mover makes one; read() and write() on the
 * file access its contents. A move takes new pages, notifies the importers, and then checks
 * that nothing writes to the old pages any more.
 */
#include <linux/delay.h>
#include <linux/dma-buf.h>
#include <linux/dma-mapping.h>
#include <linux/dma-resv.h>
#include <linux/highmem.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#define MOVER_PAGES	6
#define MOVER_BYTES	(MOVER_PAGES * PAGE_SIZE)
#define MOVER_POISON	0x5a
#define MOVER_LINGER_US	300

/*
 * MOVER_EXPORT returns a file descriptor of the dma-buf. MOVER_MOVE moves it and returns 0,
 * or -EIO if an old page was written.
 */
#define MOVER_EXPORT	_IO('N', 1)
#define MOVER_MOVE	_IO('N', 2)

/* The buffer's reservation lock protects the pages. */
struct mover {
	struct dma_buf *buf;
	struct page *page[MOVER_PAGES];
};

static void mover_free_pages(struct page **page)
{
	int i;

	for (i = 0; i < MOVER_PAGES; i++)
		if (page[i])
			__free_page(page[i]);
}

static int mover_alloc_pages(struct page **page)
{
	int i;

	for (i = 0; i < MOVER_PAGES; i++) {
		page[i] = alloc_page(GFP_KERNEL | __GFP_ZERO);
		if (!page[i]) {
			mover_free_pages(page);
			return -ENOMEM;
		}
	}
	return 0;
}

static struct sg_table *mover_map(struct dma_buf_attachment *attach,
				  enum dma_data_direction dir)
{
	struct mover *mover = attach->dmabuf->priv;
	struct sg_table *sgt = kzalloc(sizeof(*sgt), GFP_KERNEL);
	int err;

	if (!sgt)
		return ERR_PTR(-ENOMEM);
	err = sg_alloc_table_from_pages(sgt, mover->page, MOVER_PAGES, 0, MOVER_BYTES,
					GFP_KERNEL);
	if (err)
		goto free_sgt;
	err = dma_map_sgtable(attach->dev, sgt, dir, 0);
	if (err)
		goto free_table;
	return sgt;

free_table:
	sg_free_table(sgt);
free_sgt:
	kfree(sgt);
	return ERR_PTR(err);
}

static void mover_unmap(struct dma_buf_attachment *attach, struct sg_table *sgt,
			enum dma_data_direction dir)
{
	dma_unmap_sgtable(attach->dev, sgt, dir, 0);
	sg_free_table(sgt);
	kfree(sgt);
}

/*
 * Without CONFIG_DMABUF_MOVE_NOTIFY the dma-buf core pins the buffer for each importer that
 * maps it. The mover moves it nevertheless, as it tests what importers do then.
 */
static int mover_pin(struct dma_buf_attachment *attach)
{
	return 0;
}

static void mover_unpin(struct dma_buf_attachment *attach)
{
}

static void mover_release(struct dma_buf *buf)
{
	struct mover *mover = buf->priv;

	mover_free_pages(mover->page);
	kfree(mover);
}

static const struct dma_buf_ops mover_buf_ops = {
	.map_dma_buf = mover_map,
	.unmap_dma_buf = mover_unmap,
	.pin = mover_pin,
	.unpin = mover_unpin,
	.release = mover_release,
};

static void mover_poison(struct page **page)
{
	int i;

	for (i = 0; i < MOVER_PAGES; i++)
		memset(page_address(page[i]), MOVER_POISON, PAGE_SIZE);
}

static bool mover_is_poisoned(struct page **page)
{
	int i;

	for (i = 0; i < MOVER_PAGES; i++)
		if (memchr_inv(page_address(page[i]), MOVER_POISON, PAGE_SIZE))
			return false;
	return true;
}

/* Importers must not access the old pages after the notification, so copy them after it. */
static void mover_swap(struct mover *mover, struct page **page)
{
	int i;

	dma_buf_move_notify(mover->buf);
	for (i = 0; i < MOVER_PAGES; i++) {
		copy_page(page_address(page[i]), page_address(mover->page[i]));
		swap(page[i], mover->page[i]);
	}
}

static int mover_move(struct mover *mover)
{
	struct page *page[MOVER_PAGES] = {};
	int err = mover_alloc_pages(page);

	if (err)
		return err;
	dma_resv_lock(mover->buf->resv, NULL);
	mover_swap(mover, page);
	mover_poison(page);
	dma_resv_unlock(mover->buf->resv);
	usleep_range(MOVER_LINGER_US, 2 * MOVER_LINGER_US);
	if (!mover_is_poisoned(page)) {
		pr_err("nopin_mover: FAIL an old page was written\n");
		err = -EIO;
	}
	mover_free_pages(page);
	return err;
}

static struct dma_buf *mover_export(struct mover *mover)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);

	info.ops = &mover_buf_ops;
	info.size = MOVER_BYTES;
	info.flags = O_RDWR;
	info.priv = mover;
	return dma_buf_export(&info);
}

static int mover_open(struct inode *inode, struct file *file)
{
	struct mover *mover = kzalloc(sizeof(*mover), GFP_KERNEL);
	int err;

	if (!mover)
		return -ENOMEM;
	err = mover_alloc_pages(mover->page);
	if (err)
		goto free_mover;
	mover->buf = mover_export(mover);
	if (IS_ERR(mover->buf)) {
		err = PTR_ERR(mover->buf);
		goto free_pages;
	}
	file->private_data = mover;
	return 0;

free_pages:
	mover_free_pages(mover->page);
free_mover:
	kfree(mover);
	return err;
}

/* Importers keep the buffer alive. */
static int mover_close(struct inode *inode, struct file *file)
{
	struct mover *mover = file->private_data;

	dma_buf_put(mover->buf);
	return 0;
}

/* Copy [pos, pos + len), which must lie in the buffer, page by page. */
static void mover_copy(struct mover *mover, loff_t pos, u8 *bytes, size_t len, bool out)
{
	size_t n;

	dma_resv_lock(mover->buf->resv, NULL);
	for (; len; len -= n, pos += n, bytes += n) {
		void *kaddr = page_address(mover->page[pos >> PAGE_SHIFT]) + offset_in_page(pos);

		n = min_t(size_t, len, PAGE_SIZE - offset_in_page(pos));
		if (out)
			memcpy(bytes, kaddr, n);
		else
			memcpy(kaddr, bytes, n);
	}
	dma_resv_unlock(mover->buf->resv);
}

static ssize_t mover_read(struct file *file, char __user *to, size_t len, loff_t *pos)
{
	ssize_t ret = -EFAULT;
	u8 *bytes;

	if (*pos < 0 || *pos > MOVER_BYTES)
		return -EINVAL;
	len = min_t(size_t, len, MOVER_BYTES - *pos);
	bytes = kvmalloc(MOVER_BYTES, GFP_KERNEL);
	if (!bytes)
		return -ENOMEM;
	mover_copy(file->private_data, *pos, bytes, len, true);
	if (!copy_to_user(to, bytes, len)) {
		*pos += len;
		ret = len;
	}
	kvfree(bytes);
	return ret;
}

static ssize_t mover_write(struct file *file, const char __user *from, size_t len,
			   loff_t *pos)
{
	ssize_t ret = -EFAULT;
	u8 *bytes;

	if (*pos < 0 || *pos > MOVER_BYTES)
		return -EINVAL;
	len = min_t(size_t, len, MOVER_BYTES - *pos);
	bytes = kvmalloc(MOVER_BYTES, GFP_KERNEL);
	if (!bytes)
		return -ENOMEM;
	if (!copy_from_user(bytes, from, len)) {
		mover_copy(file->private_data, *pos, bytes, len, false);
		*pos += len;
		ret = len;
	}
	kvfree(bytes);
	return ret;
}

static int mover_fd(struct mover *mover)
{
	int fd;

	get_dma_buf(mover->buf);
	fd = dma_buf_fd(mover->buf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(mover->buf);
	return fd;
}

static long mover_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case MOVER_EXPORT:
		return mover_fd(file->private_data);
	case MOVER_MOVE:
		return mover_move(file->private_data);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations mover_fops = {
	.owner = THIS_MODULE,
	.open = mover_open,
	.release = mover_close,
	.read = mover_read,
	.write = mover_write,
	.unlocked_ioctl = mover_ioctl,
};

static struct miscdevice mover_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "nopin_mover",
	.fops = &mover_fops,
};

module_misc_device(mover_device);
MODULE_DESCRIPTION("A dma-buf that moves, to test who has imported it");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_INFO(import_ns, "DMA_BUF");
