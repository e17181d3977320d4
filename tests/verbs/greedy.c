// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Users without privileges who take all that they can get. */
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "greedy.h"
#include "vt.h"

void greedy_become(unsigned int uid)
{
	vt_require(!setgroups(0, NULL) && !setresgid(uid, uid, uid) &&
		   !setresuid(uid, uid, uid), "cannot become user %u", uid);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* vt_fork() has set it, but another user has none */
}

static void end(void *obj)
{
	pid_t pid = (intptr_t)obj;

	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

pid_t greedy_fork(unsigned int uid, greedy_fn take, unsigned int *got)
{
	int fd[2];
	pid_t pid;

	vt_ok(pipe(fd));
	pid = vt_fork();
	if (!pid) {
		unsigned int n = take(uid);

		if (write(fd[1], &n, sizeof(n)) == sizeof(n))
			pause();
		_exit(1);
	}
	vt_defer(end, (void *)(intptr_t)pid);
	close(fd[1]);
	vt_require(read(fd[0], got, sizeof(*got)) == sizeof(*got), "user %u failed", uid);
	close(fd[0]);
	return pid;
}

void greedy_end(pid_t pid)
{
	vt_release((void *)(intptr_t)pid);
}
