// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Multicast groups: like QPs, all memberships of all devices and namespaces are in one
 * table. The receiver looks up the members of a datagram's group, and then checks that the
 * datagram came to the member's device. The interface joins the group once for each
 * member; the network stack counts that.
 */
#include <linux/hashtable.h>
#include <linux/jhash.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <net/ipv6.h>

#include "device.h"
#include "net/net.h"
#include "qp/group.h"
#include "qp/qp.h"

#define NOPIN_GROUP_BITS	12

static DEFINE_HASHTABLE(nopin_memberships, NOPIN_GROUP_BITS);
static DEFINE_MUTEX(nopin_group_lock);	/* serialises changes of the table */

/*
 * The list with the members of a group, among those of other groups. No program can choose
 * groups that meet in one list.
 */
static struct hlist_head *nopin_group_bucket(const struct in6_addr *group)
{
	static u32 seed __read_mostly;

	net_get_random_once(&seed, sizeof(seed));
	return &nopin_memberships[jhash(group, sizeof(*group), seed) %
				  HASH_SIZE(nopin_memberships)];
}

static bool nopin_group_is_full(const struct nopin_dev *dev, const struct in6_addr *group)
{
	struct nopin_membership *member;
	unsigned int n = 0;

	lockdep_assert_held(&nopin_group_lock);
	hlist_for_each_entry(member, nopin_group_bucket(group), node)
		n += member->handle->qp->dev == dev && ipv6_addr_equal(&member->group, group);
	return n >= NOPIN_MAX_MCAST_QP;
}

static int nopin_group_add(struct nopin_membership *member)
{
	struct nopin_dev *dev = member->handle->qp->dev;
	int err;

	if (nopin_group_is_full(dev, &member->group))
		return -ENOMEM;
	err = nopin_group_join(dev->ndev, &member->group, &member->joined);
	if (!err)
		hlist_add_head_rcu(&member->node, nopin_group_bucket(&member->group));
	return err;
}

/**
 * nopin_group_attach - make a QP a member of a group
 * @qp: a QP of datagrams, not attached to this group
 * @group: a multicast address
 *
 * Context: process, may sleep.
 * Return: 0 or -errno.
 */
int nopin_group_attach(struct nopin_qp *qp, const struct in6_addr *group)
{
	struct nopin_membership *member = kzalloc(sizeof(*member), GFP_KERNEL_ACCOUNT);
	int err;

	if (!member)
		return -ENOMEM;
	member->group = *group;
	member->handle = qp->handle;
	mutex_lock(&nopin_group_lock);
	err = nopin_group_add(member);
	mutex_unlock(&nopin_group_lock);
	if (err)
		kfree(member);
	return err;
}

static struct nopin_membership *nopin_group_find(const struct nopin_qp *qp,
						 const struct in6_addr *group)
{
	struct nopin_membership *member;

	lockdep_assert_held(&nopin_group_lock);
	hlist_for_each_entry(member, nopin_group_bucket(group), node)
		if (member->handle == qp->handle && ipv6_addr_equal(&member->group, group))
			return member;
	return NULL;
}

/**
 * nopin_group_detach - undo nopin_group_attach()
 * @qp: the QP
 * @group: the group
 *
 * Context: process, may sleep. A datagram that is being received may still be delivered.
 * Return: 0, or -EINVAL when it is not attached.
 */
int nopin_group_detach(struct nopin_qp *qp, const struct in6_addr *group)
{
	struct nopin_membership *member;

	mutex_lock(&nopin_group_lock);
	member = nopin_group_find(qp, group);
	if (member)
		hlist_del_rcu(&member->node);
	mutex_unlock(&nopin_group_lock);
	if (!member)
		return -EINVAL;
	nopin_group_leave(qp->dev->ndev, group, member->joined);
	kfree_rcu(member, rcu);
	return 0;
}

/**
 * nopin_group_next - iterate over the members of a group, on any device
 * @group: the group
 * @member: the previous member; NULL: start
 *
 * Context: an RCU read-side section, as long as the member is used.
 * Return: the next member, or NULL when there is none.
 */
struct nopin_membership *nopin_group_next(const struct in6_addr *group,
					  struct nopin_membership *member)
{
	struct hlist_node *node;

	node = member ? rcu_dereference(hlist_next_rcu(&member->node)) :
			rcu_dereference(hlist_first_rcu(nopin_group_bucket(group)));
	for (; node; node = rcu_dereference(hlist_next_rcu(node))) {
		member = hlist_entry(node, struct nopin_membership, node);
		if (ipv6_addr_equal(&member->group, group))
			return member;
	}
	return NULL;
}
