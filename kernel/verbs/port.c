// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The single port of a device: the state of its network device, in terms of verbs. */
#include <linux/ethtool.h>
#include <linux/netdevice.h>
#include <linux/rtnetlink.h>
#include <rdma/ib_addr.h>
#include <rdma/ib_mad.h>

#include "device.h"
#include "net/net.h"
#include "verbs/port.h"
#include "verbs/verbs.h"

/**
 * nopin_port_is_active - can the port carry traffic?
 * @ndev: the network device
 *
 * Return: true when it is up and has carrier.
 * Context: any.
 */
bool nopin_port_is_active(const struct net_device *ndev)
{
	return netif_running(ndev) && netif_carrier_ok(ndev);
}

static enum ib_port_phys_state nopin_port_phys_state(const struct net_device *ndev)
{
	if (nopin_port_is_active(ndev))
		return IB_PORT_PHYS_STATE_LINK_UP;
	return netif_running(ndev) ? IB_PORT_PHYS_STATE_POLLING :
				     IB_PORT_PHYS_STATE_DISABLED;
}

/* How verbs express an Ethernet speed: by the first row that is at least as fast. */
static const struct {
	u32 mbps;
	u16 speed;
	u8 width;
} nopin_port_rates[] = {
	{ SPEED_1000, IB_SPEED_SDR, IB_WIDTH_1X },
	{ SPEED_10000, IB_SPEED_FDR10, IB_WIDTH_1X },
	{ SPEED_20000, IB_SPEED_DDR, IB_WIDTH_4X },
	{ SPEED_25000, IB_SPEED_EDR, IB_WIDTH_1X },
	{ SPEED_40000, IB_SPEED_FDR10, IB_WIDTH_4X },
	{ SPEED_50000, IB_SPEED_HDR, IB_WIDTH_1X },
	{ SPEED_100000, IB_SPEED_EDR, IB_WIDTH_4X },
	{ SPEED_200000, IB_SPEED_HDR, IB_WIDTH_4X },
	{ U32_MAX, IB_SPEED_NDR, IB_WIDTH_4X },
};

/*
 * 0: the network device has no speed or is being unregistered. The core's helper is
 * not used, as it would then log a line at each query.
 */
static u32 nopin_port_mbps(struct net_device *ndev)
{
	struct ethtool_link_ksettings settings = {};
	u32 mbps = 0;

	rtnl_lock();
	if (ndev->reg_state == NETREG_REGISTERED &&
	    !__ethtool_get_link_ksettings(ndev, &settings) &&
	    settings.base.speed != (u32)SPEED_UNKNOWN)
		mbps = settings.base.speed;
	rtnl_unlock();
	return mbps;
}

static void nopin_port_fill_rate(struct net_device *ndev, struct ib_port_attr *attr)
{
	u32 mbps = nopin_port_mbps(ndev);
	unsigned int i = 0;

	while (nopin_port_rates[i].mbps < mbps)
		i++;
	attr->active_speed = nopin_port_rates[i].speed;
	attr->active_width = nopin_port_rates[i].width;
}

/**
 * nopin_query_port - ib_device_ops.query_port
 * @ibdev: the device
 * @port: 1
 * @attr: zeroed by the core
 *
 * Return: 0.
 * Context: process; RTNL not held.
 */
int nopin_query_port(struct ib_device *ibdev, u32 port, struct ib_port_attr *attr)
{
	struct net_device *ndev = to_nopin_dev(ibdev)->ndev;

	attr->state = nopin_port_is_active(ndev) ? IB_PORT_ACTIVE : IB_PORT_DOWN;
	attr->phys_state = nopin_port_phys_state(ndev);
	attr->max_mtu = IB_MTU_4096;
	attr->active_mtu = nopin_net_mtu(ndev);
	attr->gid_tbl_len = NOPIN_GID_TABLE_LEN;
	attr->pkey_tbl_len = 1;
	attr->max_msg_sz = NOPIN_MAX_MSG;
	attr->port_cap_flags = IB_PORT_CM_SUP;
	attr->ip_gids = true;
	attr->max_vl_num = 1;
	nopin_port_fill_rate(ndev, attr);
	return 0;
}

/**
 * nopin_report_port_event - ib_device_ops.report_port_event
 * @ibdev: the device
 * @ndev: its interface
 * @event: NETDEV_*
 *
 * The driver listens to its interface itself (main.c), on a bond as well.
 */
void nopin_report_port_event(struct ib_device *ibdev, struct net_device *ndev,
			     unsigned long event)
{
}

/**
 * nopin_query_port_speed - ib_device_ops.query_port_speed
 * @ibdev: the device
 * @port: 1
 * @speed: receives the network device's speed, in 100 Mb/s; 0: it is down
 *
 * Unlike the steps of ib_port_attr's speed and width this is exact. A network device
 * that has no speed of its own counts as one of 2.5 Gb/s.
 *
 * Return: 0.
 * Context: process; RTNL not held.
 */
int nopin_query_port_speed(struct ib_device *ibdev, u32 port, u64 *speed)
{
	struct net_device *ndev = to_nopin_dev(ibdev)->ndev;

	*speed = nopin_port_is_active(ndev) ?
		 (nopin_port_mbps(ndev) ?: SPEED_2500) / 100 : 0;
	return 0;
}

/**
 * nopin_query_pkey - ib_device_ops.query_pkey
 * @ibdev: the device
 * @port: 1
 * @index: 0
 * @pkey: filled in
 *
 * Return: 0 or -EINVAL.
 */
int nopin_query_pkey(struct ib_device *ibdev, u32 port, u16 index, u16 *pkey)
{
	if (index)
		return -EINVAL;
	*pkey = IB_DEFAULT_PKEY_FULL;
	return 0;
}

/**
 * nopin_get_port_immutable - ib_device_ops.get_port_immutable
 * @ibdev: the device
 * @port: 1
 * @immutable: filled in
 *
 * Return: 0.
 */
int nopin_get_port_immutable(struct ib_device *ibdev, u32 port,
			     struct ib_port_immutable *immutable)
{
	immutable->core_cap_flags = RDMA_CORE_PORT_IBA_ROCE_UDP_ENCAP;
	immutable->pkey_tbl_len = 1;
	immutable->gid_tbl_len = NOPIN_GID_TABLE_LEN;
	immutable->max_mad_size = IB_MGMT_MAD_SIZE;
	return 0;
}

/**
 * nopin_get_link_layer - ib_device_ops.get_link_layer
 * @ibdev: the device
 * @port: 1
 *
 * Return: Ethernet.
 */
enum rdma_link_layer nopin_get_link_layer(struct ib_device *ibdev, u32 port)
{
	return IB_LINK_LAYER_ETHERNET;
}
