/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Which QPs are attached to which multicast groups (IBTA 10.5). */
#ifndef NOPIN_GROUP_H
#define NOPIN_GROUP_H

#include <linux/in6.h>
#include <linux/list.h>
#include <linux/rcupdate.h>

struct nopin_qp;
struct nopin_qp_handle;

/**
 * struct nopin_membership - a QP is attached to a group
 * @node: in the table of all memberships
 * @group: the multicast address, IPv4 as a mapped address
 * @handle: of the QP, for nopin_qp_hold(); the QP is detached before it ends
 * @joined: of nopin_group_join()
 * @rcu: lookups are lock-free
 */
struct nopin_membership {
	struct hlist_node node;
	struct in6_addr group;
	struct nopin_qp_handle *handle;
	void *joined;
	struct rcu_head rcu;
};

int nopin_group_attach(struct nopin_qp *qp, const struct in6_addr *group);
int nopin_group_detach(struct nopin_qp *qp, const struct in6_addr *group);
struct nopin_membership *nopin_group_next(const struct in6_addr *group,
					  struct nopin_membership *member);

#endif /* NOPIN_GROUP_H */
