/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The wire fuzzer: connections with live traffic, and a process without rights that
 * sends to their queue pairs what their peers might have sent.
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

/* A packet is due only if somebody knows the PSN, to which these keep a distance. */
#define FUZZ_APART	(1U << 22)

enum fuzz_aim {
	AIM_NEVER,	/* nothing is sent to this one */
	AIM_BLIND,	/* whatever is sent is not due */
	AIM_KNOWING,	/* the forger knows what is due */
};

/* PSNs of one direction: of the first packet, and of the next. */
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
 * @aim: what may be sent to it
 * @side: 0: at end a's device, 1: at end b's
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

/* Shared by both processes. */
struct fuzz {
	struct fuzz_target targets[FUZZ_ENDS];
	struct fuzz_region still;	/* in a protection domain of its own */
	_Atomic uint64_t sent, refused;
	atomic_bool over;
};

/* fuzz_forge.c: sends @packets, or fails; runs in a process of its own. */
pid_t fuzz_forger_start(struct fuzz *fuzz, uint64_t packets);

#endif /* FUZZ_H */
