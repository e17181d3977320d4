/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A random model test. One controller draws every step from the seed and keeps the model:
 * for each process of its crew a shadow of its memory and the expected state of each page.
 * The controller puts commands on the processes' desks. Each process runs them in two lanes
 * (threads), so that memory-management calls run in parallel with verbs operations.
 *
 * The draws depend on the seed only, never on answers of the crew, so a seed replays a run.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include "rc.h"

#define PAGE		4096U
#define ARENA_PAGES	1024U
#define ARENA_LEN	(ARENA_PAGES * PAGE)
/* In the model, device memory follows the arena. */
#define DM_PAGES	64U
#define DM_LEN		(DM_PAGES * PAGE)
#define MODEL_PAGES	(ARENA_PAGES + DM_PAGES)
#define MODEL_LEN	(MODEL_PAGES * PAGE)
/* The arena's address in every process; User Mode Linux has 39 bits of address space. */
#define ARENA_BASE	0x6000000000ULL
#define FIXED_PAGE	(ARENA_PAGES / 8 * 7)	/* --pin: pages from here on stay */

#define CREW_MAX	6
#define LINKS_MAX	(CREW_MAX * (CREW_MAX + 1))
#define REGIONS		8
#define PIECES		4
#define DRAWN_MAX	24	/* most operations drawn for a batch */
#define OPS_MAX		(DRAWN_MAX + LINKS_MAX)	/* and one more of each link */
#define CMDS_MAX	256
#define CHILDREN	4
#define MESSAGE_MAX	(256U * 1024)
#define GRH_LEN		40U

#define CHAOS_REMOTE	(IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | \
			 IBV_ACCESS_REMOTE_ATOMIC)

enum lane { LANE_VERBS, LANE_MM, LANES };

struct chaos_opts {
	unsigned int seconds;
	uint64_t steps;		/* 0: limited by @seconds */
	int crew;
	bool faults, pin, verbose;
};

extern struct chaos_opts chaos_opts;

/* --- the model's state, in memory shared by all --- */

enum prot { PROT_HOLE, PROT_NOTHING, PROT_RO, PROT_RW };
enum backing { BACK_ANON, BACK_SHARED, BACK_PRIVATE, BACKINGS };

struct page {
	uint8_t prot, backing;
	bool lazy;	/* MADV_FREE: old or zero until it is written */
	bool eof;	/* beyond the end of its file: it was truncated */
};

#define KIND_DM	VT_KINDS	/* device memory */

struct region {
	bool valid;
	uint8_t kind;	/* enum vt_kind, or KIND_DM */
	bool window;	/* peers use a window over all of it, if they have rights */
	int access;
	uint32_t off, len;
	uint64_t iova;
	uint32_t lkey, rkey;	/* the process fills these in */
};

/* Some registered bytes; @off is in the arena. */
struct piece {
	int region;
	uint32_t off, len;
};

enum cmd_type {
	CMD_REG, CMD_DEREG, CMD_REREG, CMD_ADVISE,
	CMD_QP_MAKE, CMD_QP_RESET, CMD_QP_CONNECT,
	CMD_RECV, CMD_POST, CMD_WAIT_SENT, CMD_WAIT_RECEIVED,
	CMD_COUNT, CMD_REASON,
	CMD_FILL, CMD_CHECK, CMD_SETTLE,
	CMD_MM, CMD_QUIT,
};

enum mm_call {
	/* keep the data, whatever operations run */
	MM_PAGEOUT, MM_COLD, MM_COLLAPSE, MM_HUGE, MM_NOHUGE, MM_MERGE, MM_UNMERGE,
	MM_LOCK, MM_MOVE_PAGES, MM_SOFT_DIRTY, MM_COMPACT, MM_TOUCH, MM_DIRTY,
	MM_TO_NIC, MM_FROM_NIC, MM_SCRIBBLE,
	MM_KEEP_LAST = MM_SCRIBBLE,
	/* need memory that no operation uses, and keep its data */
	MM_SNAPSHOT, MM_SNAPSHOT_CHECK, MM_FLIP, MM_AWAY,
	/* change the data */
	MM_UNMAP, MM_MAP, MM_DONTNEED, MM_FREE, MM_PROTECT, MM_REMAP,
	MM_TRUNCATE, MM_EXTEND, MM_PUNCH, MM_REMAP_FRESH,
	MM_CALLS
};

#define SETTLE_ZERO	1	/* each byte may also be zero */
#define SETTLE_PAGE	2	/* the page is all as in shadow, or all as in alt */
#define SETTLE_LOSS	4	/* bytes as in alt were lost, which needs a reason */
#define SETTLE_ANY	8	/* any value is right */

/* One command, and its result. */
struct cmd {
	enum cmd_type type;
	int arg;		/* an advice, a call, a count, a prot */
	int flags;
	int region, link, end, op;
	uint32_t off, len, off2;
	unsigned int times, delay_us;
	/* requests */
	enum ibv_wr_opcode opcode;
	int num;
	struct piece piece[PIECES];
	int peer, peer_region;
	uint32_t peer_off, imm, key_xor, psn, peer_psn;
	uint64_t compare_add, swap;
	bool more;		/* posted with the next one */
	struct region as;	/* (re)registration */
	/* the result */
	int err;
	uint32_t bad;		/* offset in the arena */
	uint8_t got[32];	/* from @bad on */
};

struct result {
	bool sent, received;
	enum ibv_wc_status send_status, recv_status;
	enum ibv_wc_opcode send_opcode, recv_opcode;
	uint32_t recv_len, imm;
	bool has_imm;
};

enum { SERVICE_RC, SERVICE_UC, SERVICE_UD, SERVICE_XRC, SERVICES };

struct service {
	const char *name;
	enum ibv_qp_type type;	/* of the sending QP */
	uint32_t ops;		/* 1 << enum ibv_wr_opcode */
	uint32_t most;		/* bytes of a message */
	uint32_t header;	/* bytes in front of the data in a receive */
	bool one_packet;	/* a message must fit in one packet */
	bool reliable;		/* if not, the sender does not learn of losses */
};

struct link {
	const struct service *service;
	int worker[2];
	bool shared[2];		/* receives come from an SRQ */
	struct rc_addr addr[2];
	struct rc_addr target[2];	/* XRC: the receiving QP */
	uint32_t srqn[2];
};

struct desk {
	struct cmd cmds[LANES][CMDS_MAX];
	int num[LANES];
	struct region regions[REGIONS];
	struct page pages[MODEL_PAGES];
	uint32_t file_pages;
	uint8_t shadow[MODEL_LEN], alt[MODEL_LEN], file[ARENA_LEN];
};

struct chaos {
	int num_links;
	unsigned int mtu[CREW_MAX];	/* of the port */
	struct link links[LINKS_MAX];
	struct result results[OPS_MAX + LINKS_MAX];
	struct desk desks[CREW_MAX];
};

extern struct chaos *chaos;

/* --- service.c: what links can do --- */

extern const struct service services[SERVICES];
uint32_t link_most(const struct link *link);

/* --- crew.c: the processes, seen from the controller --- */

void crew_start(void);
void crew_hire(int w);
void crew_kill(int w);
void crew_end(void);
struct cmd *crew_cmd(int w, enum lane lane, enum cmd_type type);
void crew_run(unsigned int lanes, int victim, unsigned int delay_us);

/* --- log.c: what was done, to print after a failure --- */

extern uint64_t chaos_step;

__printf(4, 5)
void log_event(int w, uint32_t off, uint32_t len, const char *fmt, ...);
uint64_t log_hash(void);
void log_count(const char *what);
void log_summary(void);
__printf(1, 2) __noreturn
void log_die(const char *fmt, ...);
__noreturn
void log_mismatch(int w, const struct cmd *cmd);

/* --- model.c: what memory should be --- */

void model_reset(int w);
bool model_readable(int w, uint32_t off, uint32_t len);
bool model_writable(int w, uint32_t off, uint32_t len);
bool model_has_lazy(int w, uint32_t off, uint32_t len);
bool model_fixed(uint32_t page);

void model_step_begin(void);
bool model_claimed(int w, uint32_t off, uint32_t len, bool write);
void model_claim(int w, uint32_t off, uint32_t len, bool write);
bool model_claimed_before(int saved, int w, uint32_t off, uint32_t len);
int model_claims_save(void);
void model_claims_restore(int saved);

void model_write(int w, uint32_t off, uint32_t len, const uint8_t *data);
void model_write_maybe(int w, uint32_t off, uint32_t len, const uint8_t *data,
		       const uint8_t *other, int flags);
void model_settle(int w, uint32_t off, uint32_t len, int flags);
void model_touch(int w, uint32_t off, uint32_t len);
void model_judge(int skip, bool all);
void model_judged(void);

void model_leave(int w, uint32_t page);
void model_map(int w, uint32_t page, enum backing backing);
void model_zap(int w, uint32_t page);

/* --- plans, drawn from the seed --- */

struct op {
	const struct rc_op *kind;
	int id, link, dir, from, to;
	uint32_t len;
	uint32_t inside;		/* @partly: bytes of the target that may be transferred */
	int num_local, num_target;
	struct piece local[PIECES], target[PIECES];
	uint32_t allowed;		/* 1 << enum ibv_wc_status, of the send */
	bool effect, maybe, closes, partly;
	int maybe_flags;		/* SETTLE_* flags of the data written */
	bool or_zero;			/* the data are new or zero, never old */
	bool in_line, quiet, beside;	/* @quiet: not signaled */
	bool dropped;			/* the target refuses it silently */
	bool recv_fails;		/* its receive fails: an error of the receiving program */
	bool last;			/* shows that earlier ones of its link are done */
	int trouble;
	uint32_t key_xor, imm;
	uint64_t compare_add, swap;
};

struct batch {
	int victim;			/* -1: no process is killed */
	int num;
	struct op ops[OPS_MAX];
	bool closed[LINKS_MAX];		/* must be connected again */
	int8_t dir[LINKS_MAX];		/* -1: not used yet */
	uint16_t uses[CREW_MAX][REGIONS];
	bool dereg[CREW_MAX][REGIONS];
};

extern struct batch batch;

void plan_ops(void);
const struct service *op_service(const struct op *op);
void op_effect(struct op *op);
const struct piece *op_landing(const struct op *op, int *w, int *num);
bool plan_race(struct op *op, int claims);
void plan_race_after(struct op *op);
void plan_mm(int w);
void plan_mm_reset(int w);
struct cmd *plan_mm_cmd(int w, enum mm_call call, uint32_t page, uint32_t num);
void plan_regions(int w);
void plan_regions_all(int w);
bool region_covers(const struct region *region, uint32_t off, uint32_t len);

void step_first(void);
void step_run(void);
void step_check_all(void);
void step_lost(int w, uint32_t off);

/* --- the process itself --- */

__noreturn
void worker_main(int w, int fds[LANES]);
extern int worker_id;
uint8_t *worker_addr(uint32_t off);
void worker_verbs_open(void);
bool worker_verbs(struct cmd *cmd, int left);
void worker_verbs_close(void);
void worker_dm_get(uint32_t off, uint8_t *to, uint32_t len);
void worker_dm_put(uint32_t off, const uint8_t *from, uint32_t len);
void worker_migrate(const struct cmd *cmd, bool to_nic);
void worker_mm_open(void);
void worker_mm(struct cmd *cmd);
int worker_mm_file(void);

#endif /* CHAOS_H */
