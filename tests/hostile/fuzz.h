/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The wire fuzzer: connections with live traffic, and an unprivileged process that sends
 * forged packets to their QPs in the name of their peers.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "rc.h"

#define FUZZ_LINKS	5
#define FUZZ_ENDS	(2 * FUZZ_LINKS)

/* Blind packets keep this distance to the PSNs in use, so that none is due by accident. */
#define FUZZ_APART	(1U << 22)

enum fuzz_aim {
	AIM_NEVER,	/* no forged packets */
	AIM_BLIND,	/* no forged packet is due */
	AIM_KNOWING,	/* the forger knows the expected PSNs */
};

/* PSNs of one direction: of the first packet of the connection, and of the next. */
struct fuzz_psns {
	uint32_t first;
	_Atomic uint32_t next;
};

struct fuzz_region {
	uint64_t va;
	uint32_t rkey, len;
};

/**
 * struct fuzz_target - a queue pair, as the forger sees it
 * @aim: which packets the forger may send to it
 * @side: 0: a QP of end a's device, 1: of end b's
 * @qpn: its number
 * @requests: PSNs of the requests that it receives
 * @responses: PSNs of its own requests
 * @region: memory that its peer may read and write
 */
struct fuzz_target {
	enum fuzz_aim aim;
	int side;
	uint32_t qpn;
	struct fuzz_psns requests, responses;
	struct fuzz_region region;
};

/* Memory shared by both processes. */
struct fuzz {
	struct fuzz_target targets[FUZZ_ENDS];
	struct fuzz_region still;	/* in a PD of its own, without traffic */
	_Atomic uint64_t sent, refused;
	atomic_bool over;
};

/* fuzz_forge.c: start a process that sends @packets packets. */
pid_t fuzz_forger_start(struct fuzz *fuzz, uint64_t packets);

#endif /* FUZZ_H */
