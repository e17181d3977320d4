# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# nopin-vm start, exec, stop: a VM that stays, for several commands. A separate process
# ("nopin-vm stay") runs it; guest/channel transfers the commands.
#
# Needs cache, tree, name, options_given, command, pass_env, timeout, and of others
# run_folder, prepare_kernel, boot. Sets stay, for boot.sh.
#
# A VM's folder in the cache:
#   lock    held by who is in charge, pid    run     its scratch folder
#   log     what it says                     shown   how much of that was seen at start
#   status  what became of the VM

stay_folder() { stay_folder=$cache/vms/$name; }

stay_runs() { [ -e "$stay_folder/lock" ] && ! flock -n "$stay_folder/lock" true; }

stay_needed() {
	stay_folder
	stay_runs || die "no VM \"$name\" runs (nopin-vm start starts one)"
}

command_start() {
	local pid log follow
	check_folder
	stay_folder
	mkdir -p "$stay_folder" || die "cannot write to $cache (NOPIN_CACHE chooses another folder)"
	! stay_runs || die "a VM \"$name\" runs already (nopin-vm stop ends it)"
	rm -f "$stay_folder"/{run,status,shown}
	log=$stay_folder/log
	: >"$log"
	signals_wait
	setsid "$tree/nopin-vm" stay "${options_given[@]}" >"$log" 2>&1 </dev/null &
	pid=$!
	signals_call start_broken_off
	[ -z "$ended_by" ] || start_broken_off "$ended_by"
	tail -qn +1 -s 0.2 -f --pid="$pid" "$log" >&2 &
	follow=$!
	until [ -e "$stay_folder/run/channel/ready" ]; do
		if ! kill -0 "$pid" 2>/dev/null; then
			wait "$follow"
			wait "$pid"
			exit
		fi
		sleep 0.1
	done
	sleep 0.3
	kill "$follow"
	wait "$follow" 2>/dev/null
	stat -c %s "$log" >"$stay_folder/shown"
}

# start_broken_off STATUS: ends a start, with all that it waits for, such as a build; then
# the name is free.
start_broken_off() {
	kill -- "-$pid" || kill "$pid" # before setsid there is no group
	wait "$pid"
	kill -9 -- "-$pid"
	flock "$stay_folder/lock" true
	exit "$1"
} 2>/dev/null

# The process that "start" begins: runs the VM until its end.
command_stay() {
	stay_folder
	exec {stay_lock}>"$stay_folder/lock"
	flock -n "$stay_lock" || die "a VM \"$name\" runs already"
	echo $$ >"$stay_folder/pid"
	run_folder
	ln -sfn "$run" "$stay_folder/run"
	stay=yes command=(true)
	packages_install_base
	prepare_kernel "$kernel"
	boot
	status=$?
	echo "$status" >"$stay_folder/status"
	return "$status"
}

command_exec() {
	local options=(--folder "$PWD") variable status
	[ "${#command[@]}" -gt 0 ] || usage_error "exec needs a command, after --"
	stay_needed
	[ "$timeout" = 0 ] || options+=(--timeout "$timeout")
	for variable in "${pass_env[@]}"; do
		if [[ $variable = *=* ]]; then
			options+=(--env "$variable")
		elif [ -n "${!variable+x}" ]; then
			options+=(--env "$variable=${!variable}")
		fi
	done
	if [ -t 0 ] && [ -t 1 ]; then
		terminal=$(stty -g)
		options+=(--terminal "$(stty size | awk '{print "rows", $1, "cols", $2}')")
		trap 'stty "$terminal"' EXIT
		stty raw -echo
	fi
	"$tree/tests/vm/guest/channel" exec "$stay_folder/run/channel" "${options[@]}" -- "${command[@]}"
}

# Ends the VM, shows messages about its kernel, and exits as "run" would.
command_stop() {
	local pid
	stay_needed
	pid=$(<"$stay_folder/pid")
	"$tree/tests/vm/guest/channel" stop "$stay_folder/run/channel" || kill "$pid"
	if ! flock -w 120 "$stay_folder/lock" true; then
		say "it does not end by itself"
		kill "$pid"
		flock "$stay_folder/lock" true
	fi
	tail -c "+$(($(cat "$stay_folder/shown" 2>/dev/null || echo 0) + 1))" "$stay_folder/log" >&2
	[ -e "$stay_folder/status" ] || exit "$EXIT_KERNEL"
	exit "$(<"$stay_folder/status")"
}
