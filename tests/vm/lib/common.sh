# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# Messages, exit statuses and locks of nopin-vm. Its own messages go to standard error:
# standard output belongs to the guest's command.
#
# Needs: cache, tree. Sets: lock_fd, the lock that is held; ended_by, the status of a signal that
# waits.

readonly EXIT_KERNEL=120	# the guest's kernel complained, died or hung
readonly EXIT_TIMEOUT=124	# --timeout ran out
readonly EXIT_SETUP=125		# the VM could not be set up

say() { printf 'nopin-vm: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit "$EXIT_SETUP"
}

# signals_call FUNCTION: a signal that ends us calls it with the exit status for the signal.
signals_call() {
	trap "$1 129" HUP
	trap "$1 130" INT
	trap "$1 143" TERM
}

# A signal ends this run: at once, or not before signals_end is called. A second one, as by
# timeout(1), does not break off the cleanup.
signals_end() {
	signals_call signal_exit
	[ -z "$ended_by" ] || exit "$ended_by"
}
signals_wait() {
	ended_by=''
	signals_call signal_keep
}
signal_exit() {
	trap '' HUP INT TERM
	exit "$1"
}
signal_keep() { ended_by=$1; }

# Runs a slow step quietly; shows its output only if it fails.
# step LOG COMMAND…
step() {
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null && return
	# Replace paths of mirrored sources by those of the checkout.
	sed "s,$cache/build/[^/]*/[^/]*/,$tree/,g; s/^/  | /" "$log" >&2
	return 1
}

objects() { find "$1" -name '*.o' ! -name '*.mod.o' ! -name 'vmlinux*' | wc -l; }

# step_long LOG FOLDER FILES COMMAND…: runs a step with the lock held; every minute a line
# tells how many of about FILES objects are in FOLDER.
step_long() {
	local log=$1 dir=$2 files=$3 alive ticker status
	shift 3
	# However the step ends, the pipe ends with it. A read that times out returns more
	# than 128.
	exec {alive}> >(
		unlock
		until read -rt 60 || [ $? -le 128 ]; do
			say "… $(objects "$dir") of about $files files compiled"
		done
	)
	ticker=$!
	step "$log" "$@"
	status=$?
	exec {alive}>&-
	wait "$ticker" 2>/dev/null
	return "$status"
}

# lock NAME: takes a lock and holds it until unlock, or until this shell (or subshell)
# ends. Several nopin-vm may use one cache at the same time.
lock() {
	exec {lock_fd}>"$cache/locks/$1"
	flock -n "$lock_fd" && return
	say "waiting for another nopin-vm ($1)"
	flock "$lock_fd"
}

unlock() { exec {lock_fd}>&-; }

# claim FOLDER: keeps it from being discarded until this nopin-vm and all that it started
# have ended. To be called, like discard, with the lock "folders" held.
claim() {
	local fd
	exec {fd}<"$1"
	flock -s "$fd"
}

# discard FOLDER: removes it unless a process has claimed it.
discard() { flock -n "$1" rm -rf "$1"; }
