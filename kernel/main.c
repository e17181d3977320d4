// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The module. `rdma link add` makes a device, events of its network device change its
 * state, and it ends by `rdma link delete`, with its network device or with the module.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/dma-mapping.h>
#include <linux/if_arp.h>
#include <linux/if_vlan.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <net/addrconf.h>
#include <rdma/nopin-abi.h>
#include <rdma/rdma_netlink.h>

#include "compat.h"
#include "device.h"
#include "entry/entry.h"
#include "entry/receive.h"
#include "mem/engine.h"
#include "mem/prefetch.h"
#include "mirror/mirror.h"
#include "mirror/shrink.h"
#include "mirror/stored.h"
#include "net/net.h"
#include "store/store.h"
#include "verbs/port.h"
#include "verbs/verbs.h"
#include "wire/crc32.h"

#define NOPIN_DRIVER_ID	((enum rdma_driver_id)RDMA_DRIVER_NOPIN)

/* Held from the check that a network device has no nopin device until it has one. */
static DEFINE_MUTEX(nopin_link_mutex);

/* Returns the device on @ndev with a reference for ib_device_put(), or NULL. */
static struct nopin_dev *nopin_link_find(struct net_device *ndev)
{
	struct ib_device *ibdev;

	ibdev = ib_device_get_by_netdev(ndev, NOPIN_DRIVER_ID);
	return ibdev ? to_nopin_dev(ibdev) : NULL;
}

static void nopin_link_event(struct nopin_dev *dev, enum ib_event_type type)
{
	struct ib_event event = {
		.device = &dev->ibdev,
		.event = type,
		.element.port_num = 1,
	};

	ib_dispatch_event(&event);
}

/* Report each change of the port's state to programs and the core once. */
static void nopin_link_update(struct nopin_dev *dev)
{
	bool active = nopin_port_is_active(dev->ndev);

	ASSERT_RTNL();
	if (active == dev->active)
		return;
	dev->active = active;
	nopin_link_event(dev, active ? IB_EVENT_PORT_ACTIVE : IB_EVENT_PORT_ERR);
}

/*
 * The core calls this last, after a failed registration or an unregistration. The end
 * of the namespace may be waiting for it, even if the network device has moved on.
 */
static void nopin_link_free(struct ib_device *ibdev)
{
	struct nopin_dev *dev = to_nopin_dev(ibdev);

	WARN_ON(!xa_empty(&dev->keys));
	xa_destroy(&dev->keys);
	WARN_ON(!xa_empty(&dev->avs));
	xa_destroy(&dev->avs);
	WARN_ON(!xa_empty(&dev->xrc_srqns));
	xa_destroy(&dev->xrc_srqns);
	WARN_ON(!xa_empty(&dev->owners));
	xa_destroy(&dev->owners);
	nopin_policy_release(dev);
	netdev_put(dev->ndev, &dev->ndev_tracker);
	rcu_barrier(); /* address vectors release routes of the namespace (nopin_av_free()) */
	nopin_net_close(dev->net);
	nopin_stats_destroy(&dev->stats);
}

/* The core calls this before any client, when the device comes or has changed namespaces. */
static int nopin_life_enable(struct ib_device *ibdev)
{
	WRITE_ONCE(to_nopin_dev(ibdev)->leave.stopped, false);
	return 0;
}

/*
 * The core takes a device from its clients in the reverse order of their registration. So
 * this client, which is younger than ib_uverbs, ends the verbs that wait for a program's
 * on-demand memory before ib_uverbs waits for all verbs.
 */
static int nopin_life_add(struct ib_device *ibdev)
{
	return ibdev->ops.driver_id == NOPIN_DRIVER_ID ? 0 : -EOPNOTSUPP;
}

static void nopin_life_remove(struct ib_device *ibdev, void *client_data)
{
	nopin_mirrors_stop(&to_nopin_dev(ibdev)->leave);
}

static struct ib_client nopin_life_client = {
	.name = "nopin",
	.add = nopin_life_add,
	.remove = nopin_life_remove,
};

static const struct ib_device_ops nopin_life_ops = {
	.enable_driver = nopin_life_enable,
	.dealloc_driver = nopin_link_free,
};

/* The CPU copies, so its caches must keep what exporters of dma-bufs map and unmap. */
static void nopin_dev_set_coherent(struct device *dev)
{
#if defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_DEVICE) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU) || \
	defined(CONFIG_ARCH_HAS_SYNC_DMA_FOR_CPU_ALL)
	dev->dma_coherent = true;
#endif
}

static void nopin_link_init(struct nopin_dev *dev, struct net_device *ndev)
{
	struct ib_device *ibdev = &dev->ibdev;

	dev->ndev = ndev;
	netdev_hold(ndev, &dev->ndev_tracker, GFP_KERNEL);
	dev->net = dev_net(ndev);
	nopin_policy_set_default(dev);
	xa_init_flags(&dev->keys, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	xa_init_flags(&dev->avs, XA_FLAGS_ALLOC1 | XA_FLAGS_LOCK_IRQ | XA_FLAGS_ACCOUNT);
	xa_init_flags(&dev->xrc_srqns, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);
	xa_init_flags(&dev->owners, XA_FLAGS_ACCOUNT);

	strscpy(ibdev->node_desc, "nopin", sizeof(ibdev->node_desc));
	ibdev->node_type = RDMA_NODE_IB_CA;
	ibdev->phys_port_cnt = 1;
	ibdev->num_comp_vectors = num_possible_cpus();
	/*
	 * Keep the name that the user asked for. udev's rules name a device after its
	 * parent PCI function, unless they see that a user named it. Not all versions
	 * of them look for that, so this software device has no parent either.
	 */
	ib_mark_name_assigned_by_user(ibdev);
	/* Exporters map dma-bufs for it as for a device that reaches all memory. */
	ibdev->dev.dma_parms = &dev->dma_parms;
	dma_set_max_seg_size(&ibdev->dev, UINT_MAX);
	dma_coerce_mask_and_coherent(&ibdev->dev, DMA_BIT_MASK(64));
	nopin_dev_set_coherent(&ibdev->dev);
	addrconf_addr_eui48((u8 *)&ibdev->node_guid, ndev->dev_addr);
	/* The write() commands that serve as doorbells. */
	ibdev->uverbs_cmd_mask |= BIT_ULL(IB_USER_VERBS_CMD_POST_SEND) |
				  BIT_ULL(IB_USER_VERBS_CMD_POST_RECV) |
				  BIT_ULL(IB_USER_VERBS_CMD_REQ_NOTIFY_CQ);
	/*
	 * Where namespaces do not share RDMA devices, this one belongs to the
	 * namespace of its network device. The core has set init_net.
	 */
	if (!rdma_dev_access_netns(ibdev, dev->net))
		write_pnet(&ibdev->coredev.rdma_net, dev->net);
	ibdev->driver_def = nopin_uapi;
	ib_set_device_ops(ibdev, &nopin_device_ops);
	ib_set_device_ops(ibdev, &nopin_life_ops);
}

static int nopin_link_open_net(struct net_device *ndev)
{
	int err = nopin_net_open(dev_net(ndev));

	if (err == -EADDRINUSE)
		pr_err_ratelimited("%s: UDP port 4791 is in use in this network namespace, perhaps by another RoCE driver\n",
				   netdev_name(ndev));
	return err;
}

static struct nopin_dev *nopin_link_alloc(struct net_device *ndev)
{
	struct nopin_dev *dev;
	int err;

	dev = ib_alloc_device(nopin_dev, ibdev);
	if (!dev)
		return ERR_PTR(-ENOMEM);
	err = nopin_stats_init(&dev->stats);
	if (err)
		goto err_dev;
	rtnl_lock(); /* so @ndev stays in its namespace */
	err = nopin_link_open_net(ndev);
	if (!err)
		nopin_link_init(dev, ndev);
	rtnl_unlock();
	if (err)
		goto err_stats;
	return dev;

err_stats:
	nopin_stats_destroy(&dev->stats);
err_dev:
	ib_dealloc_device(&dev->ibdev);
	return ERR_PTR(err);
}

/*
 * The unregistration of @ndev may have begun before ib_register_device() made the
 * device findable by @ndev. Then no notifier has told the device, so look here:
 *
 *  newlink                            unregister_netdevice
 *                                     reg_state = NETREG_UNREGISTERING
 *                                     NETDEV_UNREGISTER: no such device
 *  ib_register_device
 *  reg_state is not NETREG_REGISTERED
 */
static int nopin_link_settle(struct net_device *ndev)
{
	struct nopin_dev *dev = nopin_link_find(ndev);
	int err = 0;

	if (!dev)
		return -ENODEV;

	rtnl_lock();
	if (ndev->reg_state != NETREG_REGISTERED || dev_net(ndev) != dev->net)
		err = -ENODEV;
	else
		nopin_link_update(dev);
	rtnl_unlock();

	if (err)
		ib_unregister_device_and_put(&dev->ibdev);
	else
		ib_device_put(&dev->ibdev);
	return err;
}

static int nopin_link_add(const char *name, struct net_device *ndev)
{
	struct nopin_dev *dev;
	int err;

	dev = nopin_link_find(ndev);
	if (dev) {
		ib_device_put(&dev->ibdev);
		return -EEXIST;
	}

	dev = nopin_link_alloc(ndev);
	if (IS_ERR(dev))
		return PTR_ERR(dev);
	err = ib_device_set_netdev(&dev->ibdev, ndev, 1);
	if (err)
		goto err_dev;
	err = ib_register_device(&dev->ibdev, name, NULL);
	if (err)
		goto err_dev;
	/* From here on others may have unregistered and freed the device. */
	return nopin_link_settle(ndev);

err_dev:
	ib_dealloc_device(&dev->ibdev);
	return err;
}

/* `rdma link add NAME type nopin netdev NDEV` */
static int nopin_newlink(const char *name, struct net_device *ndev)
{
	int err;

	/* GIDs are made of Ethernet and IP addresses. */
	if (ndev->type != ARPHRD_ETHER && ndev->type != ARPHRD_LOOPBACK)
		return -EOPNOTSUPP;
	/* The core adds a VLAN's addresses to the device of the interface below it. */
	if (is_vlan_dev(ndev))
		return -EOPNOTSUPP;

	mutex_lock(&nopin_link_mutex);
	err = nopin_link_add(name, ndev);
	mutex_unlock(&nopin_link_mutex);
	return err;
}

static struct rdma_link_ops nopin_link_ops = {
	.type = "nopin",
	.newlink = nopin_newlink,
};

/*
 * A new name or MTU needs no action: both are read when they are needed. A move to
 * another namespace arrives as NETDEV_UNREGISTER. The caller holds RTNL, so a work
 * item takes the device down.
 */
static int nopin_netdev_event(struct notifier_block *nb, unsigned long event,
			      void *info)
{
	struct nopin_dev *dev = nopin_link_find(netdev_notifier_info_to_dev(info));

	if (!dev)
		return NOTIFY_DONE;

	switch (event) {
	case NETDEV_UP:
	case NETDEV_DOWN:
	case NETDEV_CHANGE:
		nopin_link_update(dev);
		break;
	}
	/* NETDEV_UNREGISTER finds no device while `rdma dev set netns` moves it. */
	if (event == NETDEV_UNREGISTER || !net_eq(dev_net(dev->ndev), dev->net))
		ib_unregister_device_queued(&dev->ibdev);
	ib_device_put(&dev->ibdev);
	return NOTIFY_OK;
}

static struct notifier_block nopin_netdev_notifier = {
	.notifier_call = nopin_netdev_event,
};

static int __init nopin_init(void)
{
	int err;

	err = nopin_policy_init();
	if (err)
		return err;
	pr_info("ICRC by %s\n", nopin_crc32_init());
	nopin_store_init(nopin_mirror_returned);
	err = nopin_mirror_init();
	if (err)
		return err;
	err = nopin_shrink_init();
	if (err)
		goto err_mirror;
	err = nopin_engine_init();
	if (err)
		goto err_shrink;
	err = nopin_prefetch_init();
	if (err)
		goto err_engine;
	err = nopin_entry_init();
	if (err)
		goto err_prefetch;
	err = nopin_net_init(nopin_receive);
	if (err)
		goto err_entry;
	err = ib_register_client(&nopin_life_client);
	if (err)
		goto err_net;
	err = register_netdevice_notifier(&nopin_netdev_notifier);
	if (err)
		goto err_client;
	rdma_link_register(&nopin_link_ops);
	return 0;

err_client:
	ib_unregister_client(&nopin_life_client);
err_net:
	nopin_net_exit();
err_entry:
	nopin_entry_exit();
err_prefetch:
	nopin_prefetch_exit();
err_engine:
	nopin_engine_exit();
err_shrink:
	nopin_shrink_exit();
err_mirror:
	nopin_mirror_exit();
	return err;
}

static void __exit nopin_exit(void)
{
	/* Stop new devices, then end all devices; only then is nothing below in use. */
	rdma_link_unregister(&nopin_link_ops);
	unregister_netdevice_notifier(&nopin_netdev_notifier);
	ib_unregister_driver(NOPIN_DRIVER_ID);
	ib_unregister_client(&nopin_life_client);

	nopin_net_exit();
	nopin_entry_exit();
	rcu_barrier(); /* nopin_av_free() */
	nopin_prefetch_exit();
	nopin_engine_exit();
	nopin_shrink_exit();
	nopin_mirror_exit();
}

module_init(nopin_init);
module_exit(nopin_exit);

MODULE_DESCRIPTION("Software RoCEv2 NIC that pins no memory");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_ALIAS_RDMA_LINK("nopin");
