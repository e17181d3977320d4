# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2054,SC2154 # nopin-vm's
# Starts QEMU, watches it, and turns what happened into an exit status.
#
# Virtio serial ports to the guest, by number:
#   1 terminal (interactive) or standard input   2 standard output
#   3 standard error   4 control: a dot for every heartbeat, then "exit N"
#   5 the kernel's log, written when the command has ended
# The serial line carries the kernel's console, for when it cannot get that far.

readonly PROBE_SECONDS=10	# for a boot under KVM that takes 2
readonly SILENCE_SECONDS=180	# without a heartbeat: the guest hangs; a slow kernel
readonly SILENCE_SLOW=900	# on a machine that is busy takes minutes to boot

vm_machine=(
	-machine q35,usb=off,vmport=off,hpet=off -nodefaults -no-user-config
	-display none -no-reboot
)
# A machine that is emulated by software has no speculation to mitigate.
vm_append="console=ttyS0 quiet loglevel=5 panic=-1 oops=panic softlockup_panic=1
 unknown_nmi_panic=1 mitigations=off nokaslr audit=0 no_timer_check
 rcupdate.rcu_cpu_stall_timeout=60 log_buf_len=4M numa=fake=2 numa_balancing=disable"

# Sets accel, the QEMU options for it, and accel_words, what to say about it.
vm_accel() {
	accel=(-accel tcg,thread=multi,tb-size=512 -cpu max,la57=off)
	if [ "$want_accel" = tcg ]; then
		accel_words="software emulation, as asked"
	elif ! [ -w /dev/kvm ]; then
		accel_words="software emulation, as /dev/kvm cannot be opened"
	elif [ "$(vm_probe_cached)" = works ]; then
		accel=(-accel kvm -cpu host)
		accel_words=KVM
	else
		accel_words="software emulation, as a probe boot under KVM failed"
	fi
}

# The verdict holds for this kernel, this QEMU and this host.
vm_probe_cached() {
	local key file
	key=$(printf '%s' "$kver $(qemu-system-x86_64 --version) $(uname -r)" \
		"$(grep -m1 '^model name' /proc/cpuinfo)" | cksum | cut -d' ' -f1)
	file=$kdir/kvm-$key
	if ! [ -s "$file" ]; then
		say "trying a boot under KVM (at most $PROBE_SECONDS s)"
		vm_probe >"$file.$$"
		mv "$file.$$" "$file"
	fi
	cat "$file"
}

vm_probe() {
	timeout "$PROBE_SECONDS" qemu-system-x86_64 "${vm_machine[@]}" \
		-accel kvm -cpu host -smp 2 -m 512M -kernel "$kdir/image" \
		-initrd "$kdir/initramfs" -append "$vm_append nopin.probe" \
		-serial "file:$run/probe" >"$run/probe.err" 2>&1 </dev/null
	if grep -qs 'probe boot works' "$run/probe"; then
		echo works
	else
		echo fails
	fi
}

# What the guest's init reads, as a second archive behind the initramfs.
vm_guest_files() {
	local guest=$run/guest/nopin name
	mkdir -p "$guest/bin"
	cp "$tree"/tests/vm/guest/{init,setup,bashrc} "$guest/"
	cp "$tree"/tests/vm/guest/{on,node-add,node-delete,races-watch} "$guest/bin/"
	cp "$tree/tests/vm/lib/complaints" "$guest/"
	chmod -R u+rwX,go+rX "$guest"
	chmod 755 "$guest/init" "$guest"/bin/*
	if [ "$device" = nopin ]; then
		cp "$module_file" "$guest/nopin.ko"
		mkdir "$guest/provider"
		find "$provider_dir" \( -name 'libnopin-rdmav*.so' -o -name nopin.driver \) \
			-exec cp -L {} "$guest/provider/" \;
	fi
	{
		printf '%s=%q\n' vm_nodes "$nodes" vm_device "$device" vm_pin "$pin" \
			vm_modules "$kdir/root/lib/modules/$kver" \
			vm_cwd "$PWD" vm_interactive "$interactive"
		printf 'export %s=%q\n' NOPIN_TREE "$tree" NOPIN_KERNEL "$kver" \
			NOPIN_NODES "$nodes" NOPIN_TESTS "$tests_dir" NOPIN_PATIENCE "$patience"
		for name in TERM COLORTERM LANG LC_ALL CI NO_COLOR "${pass_env[@]}"; do
			[ -z "${!name+x}" ] || printf 'export %s=%q\n' "$name" "${!name}"
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
		cat "$kdir/initramfs" - >"$run/initrd"
}

vm_arguments() {
	local share=local,security_model=none,multidevs=remap
	arguments=("${vm_machine[@]}" "${accel[@]}" -smp "$cpus" -m "$mem"
		-kernel "$kdir/image" -initrd "$run/initrd"
		-append "${vm_append//$'\n'/}"
		-chardev "file,id=kernel,path=$run/console" -serial chardev:kernel
		-virtfs "$share,path=/,mount_tag=root,readonly=on"
		-virtfs "$share,path=${PWD//,/,,},mount_tag=cwd"
		-device virtio-serial-pci -device virtio-rng-pci
		-chardev "pipe,id=monitor,path=$run/monitor" -mon chardev=monitor
		-netdev hubport,id=net0,hubid=0 -device virtio-net-pci,romfile=,netdev=net0
		-netdev hubport,id=net1,hubid=0 -device virtio-net-pci,romfile=,netdev=net1
		-echr 29)
	if [ -n "$interactive" ]; then
		vm_port 1 stdio,signal=off,mux=on
	else
		vm_port 1 stdio,signal=off
	fi
	vm_port 2 "file,path=/dev/fdset/2,append=on"
	vm_port 3 "file,path=/dev/fdset/3,append=on"
	arguments+=(-add-fd "fd=$out,set=2" -add-fd "fd=$err,set=3")
	vm_port 4 "file,path=$run/control"
	vm_port 5 "file,path=$run/dmesg"
}

# vm_port NUMBER CHARDEV
vm_port() {
	arguments+=(-chardev "${2%%,*},id=port$1,${2#*,}"
		-device "virtserialport,nr=$1,chardev=port$1,name=nopin.$1")
}

# Runs the command in the guest, with its output through "${filter[@]}"; returns
# its status or one of EXIT_*, and sets vm_ended to yes if it came to its end.
vm_run() {
	local status in out err cat_in='' cat_out cat_err
	rm -rf "$run"/{guest,monitor.in,monitor.out,verdict,console,dmesg}
	vm_guest_files
	mkfifo "$run/monitor.in" "$run/monitor.out"
	: >"$run/control"
	# QEMU gets pipes of its own: it must not truncate, nor make
	# non-blocking, what others go on using.
	if [ -n "$interactive" ]; then
		exec {in}<&0
	else
		exec {in}< <(exec cat)
		cat_in=$!
	fi
	exec {out}> >(exec "${filter[@]}")
	cat_out=$!
	exec {err}> >(exec cat >&2)
	cat_err=$!
	vm_arguments
	ulimit -Sn "$(ulimit -Hn)"
	if [ -n "$interactive" ]; then
		qemu-system-x86_64 "${arguments[@]}" <&"$in" 2>"$run/qemu.err" &
	else
		qemu-system-x86_64 "${arguments[@]}" <&"$in" >"$run/qemu.err" 2>&1 &
	fi
	qemu=$!
	exec {in}<&- {out}>&- {err}>&-
	vm_watch &
	watch=$!
	wait "$qemu"
	status=$?
	qemu=
	kill "$watch" 2>/dev/null
	wait "$watch" 2>/dev/null
	watch=
	[ -z "$cat_in" ] || kill "$cat_in" 2>/dev/null
	wait "$cat_out" "$cat_err"
	vm_status "$status"
}

# Ends a guest that shows no sign of life, or for which time is up. An NMI first:
# the kernel then says on its console where it was.
vm_watch() {
	local size=0 now quiet=0 start=$SECONDS silence=$SILENCE_SECONDS
	[ "${patience:-1}" = 1 ] || silence=$SILENCE_SLOW
	# Opened both ways, a pipe does not wait for its other end.
	exec 8<>"$run/monitor.out" 9<>"$run/monitor.in"
	while sleep 1 && kill -0 "$qemu" 2>/dev/null; do
		now=$(stat -c %s "$run/control" 2>/dev/null)
		if [ "$now" = "$size" ]; then
			quiet=$((quiet + 1))
		else
			quiet=0 size=$now
		fi
		if [ "$timeout" -gt 0 ] && [ $((SECONDS - start)) -ge "$timeout" ]; then
			echo timeout >"$run/verdict"
		elif [ "$quiet" -ge "$silence" ]; then
			echo hang >"$run/verdict"
		else
			continue
		fi
		echo nmi >&9
		sleep 5
		echo quit >&9
		sleep 5
		kill -9 "$qemu" 2>/dev/null
		return
	done
}

vm_status() {
	local status verdict=
	vm_ended=yes
	[ ! -e "$run/verdict" ] || verdict=$(<"$run/verdict")
	status=$(sed -n 's/^\.*exit \([0-9]\{1,3\}\)$/\1/p' "$run/control")
	if [ -z "$status" ]; then
		vm_died "$1" "$verdict"
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
		[ "$1" = 0 ] || sed 's/^/  | /' "$run/qemu.err" >&2
		[ -s "$run/console" ] || die "QEMU did not start the VM (status $1)"
		say "the guest died"
		;;
	esac
	return "$EXIT_KERNEL"
}

# From the first complaint on, or the end where there is none.
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
