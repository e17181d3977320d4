/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Creates one of each object that a program can create by verbs. */
#ifndef EVERYTHING_H
#define EVERYTHING_H

#include "rc.h"

/* Objects that cannot be created are left out; no object is destroyed. */
void everything_make(struct vt_dev *dev);

#endif /* EVERYTHING_H */
