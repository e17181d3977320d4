/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef NOPIN_PORT_H
#define NOPIN_PORT_H

#include <linux/types.h>

struct net_device;

bool nopin_port_is_active(const struct net_device *ndev);

#endif /* NOPIN_PORT_H */
