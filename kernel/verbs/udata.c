// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The driver's part of commands: read once, checked, answered. */
#include <linux/uaccess.h>
#include <rdma/uverbs_ioctl.h>

#include "verbs/verbs.h"

/**
 * nopin_udata_read - take the driver's part of a request
 * @udata: of the command
 * @req: receives it; what the program did not send is zero
 * @len: bytes of @req, all that this kernel knows
 *
 * Return: 0, -EFAULT, or -EOPNOTSUPP when the program asks for more than this
 *	kernel knows.
 * Context: process.
 */
int nopin_udata_read(struct ib_udata *udata, void *req, size_t len)
{
	size_t sent = min(len, udata->inlen);

	memset(req, 0, len);
	if (sent && ib_copy_from_udata(req, udata, sent))
		return -EFAULT;
	if (udata->inlen > len &&
	    !ib_is_udata_cleared(udata, len, udata->inlen - len))
		return -EOPNOTSUPP;
	return 0;
}

/* Zero the rest of a response, whose fields only a later kernel knows. */
static int nopin_udata_clear(struct ib_udata *udata, size_t from)
{
	if (udata->outlen <= from)
		return 0;
	return clear_user(udata->outbuf + from, udata->outlen - from) ? -EFAULT : 0;
}

/**
 * nopin_udata_empty - check that a command has no driver's part
 * @udata: of the command, NULL: the kernel's own; its response is filled with zeros
 *
 * The operations that destroy objects do not call this. When a command that makes an object
 * fails late, the core destroys the object with the udata of that command, which the program
 * may have changed meanwhile, and warns if that fails.
 *
 * Return: 0; -EOPNOTSUPP when there is one that is not all zero; -EFAULT.
 * Context: process.
 */
int nopin_udata_empty(struct ib_udata *udata)
{
	if (!udata)
		return 0;
	if (udata->inlen && !ib_is_udata_cleared(udata, 0, udata->inlen))
		return -EOPNOTSUPP;
	return nopin_udata_clear(udata, 0);
}

/**
 * nopin_udata_write - give the driver's part of a response
 * @udata: of the command
 * @resp: the response
 * @len: bytes of @resp; the program gets what it has room for, then zeros
 *
 * Return: 0 or -EFAULT.
 * Context: process.
 */
int nopin_udata_write(struct ib_udata *udata, const void *resp, size_t len)
{
	size_t given = min(len, udata->outlen);

	return ib_copy_to_udata(udata, (void *)resp, given) ?:
	       nopin_udata_clear(udata, given);
}

/**
 * nopin_udata_ucontext - the user context that a command came by
 * @udata: of a command on an object, NULL: the kernel's own
 *
 * Return: the context, or NULL.
 * Context: process.
 */
struct ib_ucontext *nopin_udata_ucontext(struct ib_udata *udata)
{
	struct nopin_ucontext *uctx;

	uctx = rdma_udata_to_drv_context(udata, struct nopin_ucontext, ibuctx);
	return uctx ? &uctx->ibuctx : NULL;
}
