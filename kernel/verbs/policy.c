// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Settings of the administrator. A module parameter applies to devices that are added
 * later, a file /sys/class/infiniband/DEVICE/… to that device.
 *
 *   pin	whether memory that a program registers without IB_ACCESS_ON_DEMAND is
 *		pinned or mirrored, for regions that are made from now on
 *   copy	what copies from now on: the CPU, or a DMA engine
 *   memory	size of the device's own memory, to which pages of programs may move
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "device.h"
#include "mem/engine.h"
#include "verbs/verbs.h"

static char *nopin_pin = "ordinary";
module_param_named(pin, nopin_pin, charp, 0444);
MODULE_PARM_DESC(pin, "memory registered without ODP: ordinary (pinned, default) or never (mirrored like ODP)");

static char *nopin_copying = "cpu";
module_param_named(copy, nopin_copying, charp, 0444);
MODULE_PARM_DESC(copy, "who copies large pieces: cpu (default), dma (a DMA engine) or auto (that while it is idle)");

static char *nopin_memory = "0";
module_param_named(memory, nopin_memory, charp, 0444);
MODULE_PARM_DESC(memory, "memory of its own that a device has, to which pages move: bytes, or with K, M or G (default 0)");

static const char * const nopin_policies[] = {
	[NOPIN_PIN_ORDINARY]	= "ordinary",
	[NOPIN_PIN_NEVER]	= "never",
};

static const char * const nopin_copyings[] = {
	[NOPIN_COPY_CPU]	= "cpu",
	[NOPIN_COPY_DMA]	= "dma",
	[NOPIN_COPY_AUTO]	= "auto",
};

static enum nopin_pin nopin_pin_default;
static enum nopin_copying nopin_copying_default;
static u64 nopin_memory_default;

/* Parse a size such as "64M". False: @text is none. */
static bool nopin_policy_read_size(const char *text, u64 *size)
{
	char *end;

	*size = memparse(text, &end);
	return end != text && *text != '-' && !*skip_spaces(end);
}

/**
 * nopin_policy_init - read the module parameters
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
	policy = sysfs_match_string(nopin_copyings, nopin_copying);
	if (policy < 0) {
		pr_err("copy=%s: must be cpu, dma or auto\n", nopin_copying);
		return policy;
	}
	nopin_copying_default = policy;
	if (!nopin_policy_read_size(nopin_memory, &nopin_memory_default)) {
		pr_err("memory=%s: must be a size\n", nopin_memory);
		return -EINVAL;
	}
	return 0;
}

/* Without a DMA engine NOPIN_COPY_DMA is refused; with NOPIN_COPY_AUTO the CPU copies. */
static int nopin_policy_set_copying(struct nopin_dev *dev, enum nopin_copying copying)
{
	int err = 0;

	mutex_lock(&dev->copy_mutex);
	if (copying != NOPIN_COPY_CPU && !dev->engine) {
		err = nopin_engine_get();
		dev->engine = !err;
	}
	if (!err || copying == NOPIN_COPY_AUTO) {
		WRITE_ONCE(dev->copying, copying);
		err = 0;
	}
	if (copying == NOPIN_COPY_CPU && dev->engine) {
		nopin_engine_put();
		dev->engine = false;
	}
	mutex_unlock(&dev->copy_mutex);
	return err;
}

/**
 * nopin_policy_set_default - give a new device the module's policies
 * @dev: the device
 *
 * Context: process.
 */
void nopin_policy_set_default(struct nopin_dev *dev)
{
	int err;

	mutex_init(&dev->copy_mutex);
	init_rwsem(&dev->store_sem);
	dev->pin = nopin_pin_default;
	if (nopin_policy_set_copying(dev, nopin_copying_default))
		pr_warn("copy=%s: there is no DMA engine, the CPU copies\n", nopin_copying);
	err = nopin_memory_set(dev, nopin_memory_default);
	if (err == -EOPNOTSUPP)
		pr_warn("memory=%s: this kernel has none of devices (CONFIG_DEVICE_PRIVATE)\n",
			nopin_memory);
	else if (err)
		pr_warn("memory=%s: not to be had: %pe\n", nopin_memory, ERR_PTR(err));
}

/**
 * nopin_policy_release - give up the engine and the memory of a device that ends
 * @dev: the device
 *
 * Context: process, sleeps.
 */
void nopin_policy_release(struct nopin_dev *dev)
{
	nopin_policy_set_copying(dev, NOPIN_COPY_CPU);
	nopin_memory_set(dev, 0);
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

static ssize_t copy_show(struct device *device, struct device_attribute *attr, char *buf)
{
	struct nopin_dev *dev = rdma_device_to_drv_device(device, struct nopin_dev, ibdev);

	return sysfs_emit(buf, "%s\n", nopin_copyings[READ_ONCE(dev->copying)]);
}

static ssize_t copy_store(struct device *device, struct device_attribute *attr,
			  const char *buf, size_t count)
{
	struct nopin_dev *dev = rdma_device_to_drv_device(device, struct nopin_dev, ibdev);
	int copying = sysfs_match_string(nopin_copyings, buf);
	int err = copying < 0 ? copying : nopin_policy_set_copying(dev, copying);

	return err ?: count;
}

static DEVICE_ATTR_RW(copy);

static ssize_t memory_show(struct device *device, struct device_attribute *attr, char *buf)
{
	struct nopin_dev *dev = rdma_device_to_drv_device(device, struct nopin_dev, ibdev);

	return sysfs_emit(buf, "%llu\n", nopin_memory_size(dev));
}

static ssize_t memory_store(struct device *device, struct device_attribute *attr,
			    const char *buf, size_t count)
{
	struct nopin_dev *dev = rdma_device_to_drv_device(device, struct nopin_dev, ibdev);
	u64 size;
	int err = -EINVAL;

	if (nopin_policy_read_size(buf, &size))
		err = nopin_memory_set(dev, size);
	return err ?: count;
}

static DEVICE_ATTR_RW(memory);

static struct attribute *nopin_attrs[] = {
	&dev_attr_pin.attr,
	&dev_attr_copy.attr,
	&dev_attr_memory.attr,
	NULL,
};

const struct attribute_group nopin_attr_group = {
	.attrs = nopin_attrs,
};
