// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The pinning policy: what becomes of memory that a program registers without
 * IB_ACCESS_ON_DEMAND. The module parameter is for devices to come, the file
 * /sys/class/infiniband/DEVICE/pin for regions to come.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "device.h"
#include "verbs/verbs.h"

static char *nopin_pin = "ordinary";
module_param_named(pin, nopin_pin, charp, 0444);
MODULE_PARM_DESC(pin, "memory registered without ODP: ordinary (pinned, default) or never (mirrored like ODP)");

static const char * const nopin_policies[] = {
	[NOPIN_PIN_ORDINARY]	= "ordinary",
	[NOPIN_PIN_NEVER]	= "never",
};

static enum nopin_pin nopin_pin_default;

/**
 * nopin_policy_init - read the module parameter
 *
 * Context: module load.
 * Return: 0 or -EINVAL.
 */
int nopin_policy_init(void)
{
	int policy = sysfs_match_string(nopin_policies, nopin_pin);

	if (policy < 0) {
		pr_err("pin=%s: must be ordinary or never\n", nopin_pin);
		return policy;
	}
	nopin_pin_default = policy;
	return 0;
}

/**
 * nopin_policy_set_default - give a new device the module's policy
 * @dev: the device
 */
void nopin_policy_set_default(struct nopin_dev *dev)
{
	dev->pin = nopin_pin_default;
}

static ssize_t pin_show(struct device *device, struct device_attribute *attr, char *buf)
{
	struct nopin_dev *dev = rdma_device_to_drv_device(device, struct nopin_dev, ibdev);

	return sysfs_emit(buf, "%s\n", nopin_policies[READ_ONCE(dev->pin)]);
}

static ssize_t pin_store(struct device *device, struct device_attribute *attr,
			 const char *buf, size_t count)
{
	struct nopin_dev *dev = rdma_device_to_drv_device(device, struct nopin_dev, ibdev);
	int policy = sysfs_match_string(nopin_policies, buf);

	if (policy < 0)
		return policy;
	WRITE_ONCE(dev->pin, policy);
	return count;
}

static DEVICE_ATTR_RW(pin);

static struct attribute *nopin_attrs[] = {
	&dev_attr_pin.attr,
	NULL,
};

const struct attribute_group nopin_attr_group = {
	.attrs = nopin_attrs,
};
