/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* What the programs that measure costs share: medians, and bounds for busy machines. */
#ifndef COST_H
#define COST_H

#include <stddef.h>

double cost_slack(void);
double cost_quantile(double *v, size_t n, double q);
double cost_median(double *v, size_t n);

#endif /* COST_H */
