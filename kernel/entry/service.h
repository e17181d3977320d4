/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The table of transport services. */
#ifndef NOPIN_ENTRY_SERVICE_H
#define NOPIN_ENTRY_SERVICE_H

#include <rdma/ib_verbs.h>

#include "qp/service.h"

const struct nopin_service *nopin_service_find(enum ib_qp_type type, bool user);

#endif /* NOPIN_ENTRY_SERVICE_H */
