/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* One of everything that a program can make of a device by verbs. */
#ifndef EVERYTHING_H
#define EVERYTHING_H

#include "rc.h"

/* What cannot be made is left out; nothing is ended. */
void everything_make(struct vt_dev *dev);

#endif /* EVERYTHING_H */
