// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The controller's side of the processes: starting them, giving commands, reading answers,
 * killing them.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "chaos.h"

static struct {
	pid_t pid;
	int fd[LANES];
	bool busy[LANES];
} crew[CREW_MAX];

static void close_lanes(int w)
{
	for (int lane = 0; lane < LANES; lane++) {
		close(crew[w].fd[lane]);
		crew[w].busy[lane] = false;
	}
	crew[w].pid = 0;
}

/* Close the sockets of the other workers: only the controller may keep them open. */
static void become_worker(int w, int fds[LANES])
{
	for (int i = 0; i < CREW_MAX; i++)
		if (crew[i].pid && i != w)
			close_lanes(i);
	worker_main(w, fds);
}

static void spawn(int w)
{
	int pair[LANES][2], fds[LANES];

	for (int lane = 0; lane < LANES; lane++) {
		vt_ok(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair[lane]));
		crew[w].fd[lane] = pair[lane][0];
		fds[lane] = pair[lane][1];
	}
	fflush(stdout);
	crew[w].pid = fork();
	vt_require(crew[w].pid >= 0, "fork: %s", strerror(errno));
	if (!crew[w].pid) {
		setpgid(0, 0);
		for (int lane = 0; lane < LANES; lane++)
			close(pair[lane][0]);
		become_worker(w, fds);
	}
	setpgid(crew[w].pid, crew[w].pid);
	for (int lane = 0; lane < LANES; lane++)
		close(fds[lane]);
}

/* Wait until the worker reports that it is ready; false if it could not open its device. */
static bool is_ready(int w)
{
	char byte;

	return read(crew[w].fd[LANE_VERBS], &byte, 1) == 1;
}

/* Start a new process @w, with fresh memory and no regions. */
void crew_hire(int w)
{
	model_reset(w);
	plan_mm_reset(w);
	for (int tries = 0; tries < (chaos_opts.faults ? 50 : 1); tries++) {
		spawn(w);
		if (is_ready(w))
			return;
		waitpid(crew[w].pid, NULL, 0);
		close_lanes(w);
	}
	log_die("process %d did not start", w);
}

void crew_start(void)
{
	vt_ok(prctl(PR_SET_CHILD_SUBREAPER, 1));
	for (int w = 0; w < chaos_opts.crew; w++)
		crew_hire(w);
}

/*
 * Kill the process with its children, which also have its device open: only when all are
 * gone are its operations in flight over. The controller reaps orphans.
 */
void crew_kill(int w)
{
	kill(-crew[w].pid, SIGKILL);
	while (waitpid(-crew[w].pid, NULL, 0) > 0 || errno == EINTR)
		;
	close_lanes(w);
}

/* The next command on the desk of @w. */
struct cmd *crew_cmd(int w, enum lane lane, enum cmd_type type)
{
	struct desk *desk = &chaos->desks[w];
	struct cmd *cmd = &desk->cmds[lane][desk->num[lane]];

	vt_require(desk->num[lane] < CMDS_MAX, "too many commands");
	memset(cmd, 0, sizeof(*cmd));
	cmd->type = type;
	cmd->times = 1;
	desk->num[lane]++;
	return cmd;
}

static void start_lanes(unsigned int lanes)
{
	for (int w = 0; w < chaos_opts.crew; w++)
		for (int lane = 0; lane < LANES; lane++) {
			if (!(lanes & 1U << lane) || !chaos->desks[w].num[lane] ||
			    !crew[w].pid)
				continue;
			crew[w].busy[lane] = true;
			if (write(crew[w].fd[lane], "g", 1) != 1)
				log_die("process %d is gone", w);
		}
}

static void worker_died(int w)
{
	int status = 0;

	waitpid(crew[w].pid, &status, 0);
	if (WIFSIGNALED(status))
		log_die("process %d died of signal %d", w, WTERMSIG(status));
	log_die("process %d gave up (status %d)", w, WEXITSTATUS(status));
}

/* Read one answer, whichever comes first. Returns false when all workers have answered. */
static bool listen_once(void)
{
	struct pollfd fds[CREW_MAX * LANES];
	int who[CREW_MAX * LANES], n = 0;
	char byte;

	for (int i = 0; i < chaos_opts.crew * LANES; i++)
		if (crew[i / LANES].busy[i % LANES]) {
			fds[n] = (struct pollfd){ crew[i / LANES].fd[i % LANES], POLLIN, 0 };
			who[n++] = i;
		}
	if (!n)
		return false;
	if (poll(fds, n, 8 * vt_patience_ms()) <= 0)
		log_die("process %d hangs in lane %d", who[0] / LANES, who[0] % LANES);
	for (int i = 0; i < n; i++) {
		if (!fds[i].revents)
			continue;
		if (read(fds[i].fd, &byte, 1) != 1)
			worker_died(who[i] / LANES);
		crew[who[i] / LANES].busy[who[i] % LANES] = false;
	}
	return true;
}

static void clear_desks(unsigned int lanes)
{
	for (int i = 0; i < chaos_opts.crew * LANES; i++)
		if (lanes & 1U << i % LANES)
			chaos->desks[i / LANES].num[i % LANES] = 0;
}

/*
 * Let all workers run the commands on their desks in these lanes, in parallel, then clear
 * the desks. Kill @victim, unless it is -1, @delay_us after the start.
 */
void crew_run(unsigned int lanes, int victim, unsigned int delay_us)
{
	start_lanes(lanes);
	if (victim >= 0) {
		usleep(delay_us);
		crew_kill(victim);
	}
	while (listen_once())
		;
	model_judged();
	clear_desks(lanes);
}

/* Let all workers release their objects and exit. */
void crew_end(void)
{
	int status;

	for (int w = 0; w < chaos_opts.crew; w++) {
		crew_cmd(w, LANE_VERBS, CMD_QUIT);
		if (write(crew[w].fd[LANE_VERBS], "g", 1) != 1)
			log_die("process %d is gone", w);
	}
	for (int w = 0; w < chaos_opts.crew; w++) {
		waitpid(crew[w].pid, &status, 0);
		if (status)
			log_die("process %d: wait status %#x at its end", w, status);
		close_lanes(w);
	}
}
