# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # nopin-vm's
# Starts the VM on its engine, watches it, and converts the result into an exit status. An
# engine X is qemu.sh or uml.sh:
#   X_prepare  finds out what works here; sets engine_words
#   X_start    starts the VM and sets vm_pid
#   X_watch    begins to watch the VM; X_end ends a VM that hangs
#   X_kill     ends it at once
#   X_words    explains messages of the kernel that the host has caused
#   X_spoiled  prints why a failed boot should be repeated, or fails
#
# Ports to the guest, by number:
#   0 the kernel's console, to explain a failed boot
#   1 terminal (interactive) or standard input   2 standard output
#   3 standard error
#   4 control: a dot for every heartbeat, a "k" when the kernel has booted, an "r" when
#     the command runs, an "s" when what it does has been shown, then "exit N"
#   5 the kernel's log, written when the command has ended
#   6 further commands (guest/channel), where they are wanted: pipes line.in, line.out
#     (serial lines: the pipe line.out is 7)
#
# Needs: tree, run, engine, filter, and what the guest is told: command, nodes, device,
# pin, interactive, stay, timeout, pass_env, tests_dir, cpu_mhz; of kernel.sh kver, kdir,
# initramfs, patience; of arch.sh triplet, arch_root; of build.sh module_file, provider_dir. Sets: vm_pid, watch, vm_input,
# vm_channel while the VM runs, and vm_ended.

readonly SILENCE_SECONDS=180	# without a heartbeat: the guest hangs
readonly SILENCE_SLOW=900	# a start on a machine that is busy takes minutes, and so
				# does anything on a slow kernel
readonly SLOW_SECONDS=20	# of a start, until something is said
readonly STACKS_SECONDS=70	# for the guest to show what takes too long
readonly BOOTS=4		# of one VM, where the engine spoils them

# Packs the files for the guest's init into a second archive behind the initramfs.
vm_guest_files() {
	local guest=$run/guest/nopin name
	mkdir -p "$guest/bin"
	cp "$tree"/tests/vm/guest/{init,setup,stdin,log,channel,bashrc} "$guest/"
	cp "$tree"/tests/vm/guest/{on,node-add,node-delete,races-watch,stacks} "$guest/bin/"
	cp "$tree/tests/vm/lib/complaints" "$guest/"
	chmod -R u+rwX,go+rX "$guest"
	chmod 755 "$guest"/{init,stdin,log,channel} "$guest"/bin/*
	vm_guest_root "$guest"
	if [ "$device" = nopin ]; then
		# Its debug information, some 48 MB, would cost each boot a second.
		"${cross}strip" --strip-debug -o "$guest/nopin.ko" "$module_file"
		mkdir "$guest/provider"
		find "$provider_dir" \( -name 'libnopin-rdmav*.so' -o -name nopin.driver \) \
			-exec cp -L {} "$guest/provider/" \;
	fi
	{
		printf '%s=%q\n' vm_triplet "$triplet" vm_nodes "$nodes" vm_device "$device" vm_pin "$pin" \
			vm_modules "$kdir/root/lib/modules/$kver" \
			vm_cwd "$PWD" vm_interactive "$interactive" \
			vm_stay "$stay" vm_channel "$(vm_channel_wanted && echo yes)" \
			vm_mhz "${cpu_mhz-}" vm_timeout "$timeout"
		printf 'export %s=%q\n' NOPIN_TREE "$tree" NOPIN_KERNEL "$kver" \
			NOPIN_NODES "$nodes" NOPIN_TESTS "$tests_dir" NOPIN_PATIENCE "$patience"
		for name in TERM COLORTERM LANG LC_ALL CI NO_COLOR "${pass_env[@]}"; do
			if [[ $name = *=* ]]; then
				printf 'export %s=%q\n' "${name%%=*}" "${name#*=}"
			elif [ -n "${!name+x}" ]; then
				printf 'export %s=%q\n' "$name" "${!name}"
			fi
		done
		if [ -n "$interactive" ]; then
			echo "vm_size=$(stty size | awk '{print "rows", $1, "cols", $2}' |
				sed 's/.*/"&"/')"
		fi
		printf 'vm_command=('
		printf '%q ' "${command[@]}"
		printf ')\n'
	} >"$guest/config"
	(cd "$run/guest" && find . | cpio -o -H newc -R 0:0 --quiet) |
		cat "$initramfs" - >"$run/initrd"
}

# For another architecture: its root, and the host's folders that the guest sees as well.
vm_guest_root() {
	[ -n "$arch_root" ] || return 0
	echo "$arch_root" >"$1/root"
	printf '%s\n' "$cache" "$tree" >"$1/shares"
}

# Runs the command in the guest and pipes its output through "${filter[@]}". Returns its
# status or one of EXIT_*, and sets vm_ended to yes if the guest ended properly.
vm_run() {
	local status in out err cat_out cat_err boots=1 why vm_drains=()
	rm -rf "$run/guest"
	vm_guest_files
	# The engine gets pipes of its own: it must not truncate our files, nor make them
	# non-blocking.
	vm_input
	exec {out}> >(exec "${filter[@]}")
	cat_out=$!
	exec {err}> >(exec cat >&2)
	cat_err=$!
	vm_boot
	while vm_never_booted && [ "$boots" -lt "$BOOTS" ] && why=$("${engine}_spoiled"); do
		say "the VM died while it booted: $why; it boots again"
		boots=$((boots + 1))
		vm_boot
	done
	vm_input_end
	exec {in}<&- {out}>&- {err}>&-
	wait "$cat_out" "$cat_err" "${vm_drains[@]}"
	vm_status "$status"
}

# Runs one boot, from the start of the engine to its end; sets status to the engine's
# status.
vm_boot() {
	rm -rf "$run"/{monitor.in,monitor.out,verdict,quit,console,dmesg}
	: >"$run/control"
	vm_channel_make
	# Nothing may be started that run_cleanup does not know of.
	signals_wait
	"${engine}_start"
	vm_channel_start
	vm_watch &
	watch=$!
	signals_end
	# Hide the shell's message about a job that a signal ended.
	{ wait "$vm_pid"; } 2>/dev/null
	status=$?
	vm_pid=
	kill "$watch" 2>/dev/null
	wait "$watch" 2>/dev/null
	watch=
	vm_channel_end
}

# True if the guest did not finish booting; then the command has not read its input.
vm_never_booted() { ! [ -e "$run/verdict" ] && ! grep -q '[kr]' "$run/control"; }

# Opens $in, the guest's input; sets vm_input to the process that feeds it.
vm_input() {
	if [ "$engine" = uml ]; then
		uml_input
	elif [ -n "$interactive" ]; then
		exec {in}<&0
	else
		exec {in}< <(exec "$tree/tests/vm/guest/stdin" copy)
		vm_input=$!
	fi
}

vm_input_end() {
	[ -z "$vm_input" ] || kill "$vm_input" 2>/dev/null
	vm_input=
}

vm_channel_wanted() { [ -n "$stay" ]; }

# Makes the pipes; the engine opens them, so this must run before it starts.
vm_channel_make() {
	vm_channel_wanted || return 0
	mkdir -p "$run/channel"
	rm -f "$run"/channel/*
	[ -e "$run/line.in" ] || mkfifo "$run/line.in" "$run/line.out"
}

vm_channel_start() {
	vm_channel_wanted || return 0
	"$tree/tests/vm/guest/channel" host "$run/line.out" "$run/line.in" "$run/channel" \
		</dev/null >/dev/null &
	vm_channel=$!
}

vm_channel_end() {
	[ -z "$vm_channel" ] || { kill "$vm_channel" && wait "$vm_channel"; } 2>/dev/null
	vm_channel=
}

# Reports the progress of a slow start. Uses the variables of vm_watch; when the command
# runs, start becomes the command's start time.
vm_progress() {
	local words="the kernel boots"
	[ -n "$seen" ] || return 0
	if grep -q r "$run/control"; then
		seen='' start=$SECONDS
		[ "${patience:-1}" != 1 ] || silence=$SILENCE_SECONDS
		return
	fi
	[ $((SECONDS - seen)) -ge "$SLOW_SECONDS" ] || return 0
	seen=$SECONDS
	! grep -q k "$run/control" || words="the guest makes its networks, nodes and devices"
	say "… $words ($((SECONDS - start)) s)"
}

# True if the command's time is up and the guest has shown what it was doing, or has
# failed to. Uses the variables of vm_watch.
vm_time_up() {
	local over=$((SECONDS - start - timeout))
	[ "$timeout" -gt 0 ] && [ -z "$seen" ] && [ "$over" -ge 0 ] || return
	[ "$over" -ge "$((STACKS_SECONDS * ${patience:-1}))" ] || grep -q s "$run/control"
}

# Ends a guest that gives no sign of life, or whose time is up.
vm_watch() {
	local size=0 now quiet=0 start=$SECONDS silence=$SILENCE_SLOW seen=$SECONDS
	"${engine}_watch"
	while sleep 1 && kill -0 "$vm_pid" 2>/dev/null; do
		now=$(stat -c %s "$run/control" 2>/dev/null)
		if [ "$now" = "$size" ]; then
			quiet=$((quiet + 1))
		else
			quiet=0 size=$now
		fi
		vm_progress
		if ! kill -0 $$ 2>/dev/null; then
			# This nopin-vm was killed.
			"${engine}_kill"
			return
		fi
		if vm_time_up; then
			echo timeout >"$run/verdict"
		elif [ "$quiet" -ge "$silence" ]; then
			echo hang >"$run/verdict"
		elif ! [ -e "$run/quit" ]; then
			continue
		fi
		"${engine}_end"
		return
	done
}

vm_status() {
	local status verdict=
	vm_ended=yes
	[ ! -e "$run/verdict" ] || verdict=$(<"$run/verdict")
	"${engine}_words"
	status=$(sed -n 's/^[.krs]*exit \([0-9]\{1,3\}\)$/\1/p' "$run/control")
	if [ -z "$status" ]; then
		vm_died "$1" "$verdict"
	elif [ ! -s "$run/dmesg" ]; then
		say "the log of the guest's kernel did not arrive"
		return "$EXIT_KERNEL"
	elif grep -qE -f "$tree/tests/vm/lib/complaints" "$run/dmesg"; then
		vm_words "$run/dmesg"
		say "the guest's kernel complained (the command's status was $status)"
		return "$EXIT_KERNEL"
	else
		return "$status"
	fi
}

vm_died() {
	vm_ended=
	[ ! -s "$run/console" ] || vm_words "$run/console"
	case $2 in
	timeout)
		say "not done after $timeout s, ended"
		return "$EXIT_TIMEOUT"
		;;
	hang) say "the guest gave no sign of life" ;;
	*)
		[ "$1" = 0 ] || sed 's/^/  | /' "$run/engine.err" >&2
		if [ ! -s "$run/console" ]; then
			say "$engine_name did not start the VM (status $1)"
			return "$EXIT_SETUP"
		fi
		say "the guest died"
		;;
	esac
	return "$EXIT_KERNEL"
}

# Shows the log from the first complaint on, or its end if there is no complaint.
vm_words() {
	local first
	first=$(grep -nE -m1 -e 'cut here' -f "$tree/tests/vm/lib/complaints" "$1" |
		cut -d: -f1)
	if [ -n "$first" ]; then
		tail -n "+$first" "$1" | head -n 200
	else
		tail -n 40 "$1"
	fi | tr -d '\r' | sed 's/^/  | /' >&2
}
