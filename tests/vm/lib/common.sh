# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# Messages, exit statuses and locks of nopin-vm. Everything it says itself goes
# to standard error: standard output belongs to the guest's command.
#
# Needs: cache, tree. Sets: lock_fd, the lock that is held.

readonly EXIT_KERNEL=120	# the guest's kernel complained, died or hung
readonly EXIT_TIMEOUT=124	# --timeout ran out
readonly EXIT_SETUP=125		# the VM could not be set up

say() { printf 'nopin-vm: %s\n' "$*" >&2; }

die() {
	say "$*"
	exit "$EXIT_SETUP"
}

# Runs a slow step quietly; its words are shown only if it fails.
# step LOG COMMAND…
step() {
	local log=$1
	shift
	"$@" >"$log" 2>&1 </dev/null && return
	# Of the mirrored sources, the checkout's are meant.
	sed "s,$cache/build/[^/]*/[^/]*/,$tree/,g; s/^/  | /" "$log" >&2
	return 1
}

objects() { find "$1" -name '*.o' ! -name '*.mod.o' ! -name 'vmlinux*' | wc -l; }

# step_long LOG FOLDER FILES COMMAND…: a step with the lock held, and a line every minute
# about the objects in FOLDER, of which there will be about FILES.
step_long() {
	local log=$1 dir=$2 files=$3 ticker never status
	shift 3
	{
		unlock
		exec {never}<> <(:)
		until read -rt 60 -u "$never"; do
			say "… $(objects "$dir") of about $files files compiled"
		done
	} &
	ticker=$!
	step "$log" "$@"
	status=$?
	kill "$ticker"
	wait "$ticker" 2>/dev/null
	return "$status"
}

# Holds NAME's lock until unlock, or until this shell (or subshell) ends. Several
# nopin-vm may run at once on one cache.
lock() {
	exec {lock_fd}>"$cache/locks/$1"
	flock -n "$lock_fd" && return
	say "waiting for another nopin-vm ($1)"
	flock "$lock_fd"
}

unlock() { exec {lock_fd}>&-; }

# Keeps FOLDER from being discarded until this nopin-vm, and what it started, has
# ended. To be called, as discard, with the lock "folders".
claim() {
	local fd
	exec {fd}<"$1"
	flock -s "$fd"
}

# Throws FOLDER away unless somebody has claimed it.
discard() { flock -n "$1" rm -rf "$1"; }
