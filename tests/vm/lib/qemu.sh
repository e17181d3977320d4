# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2054,SC2154 # nopin-vm's
# The engine qemu: a machine of its own, with KVM or in software. The ports of
# boot.sh are virtio serial ports; the serial line is the console.
#
# Needs: run, mem, cpus, dma, want_accel, interactive; of kernel.sh kver, kdir; of boot.sh the
# open files in, out, err. Sets: engine_words, accel, vm_pid.

readonly QEMU_NAME=QEMU
readonly QEMU_IOMMU=" intel_iommu=on iommu.strict=1"
readonly PROBE_SECONDS=10	# for a boot under KVM that takes 2

qemu_machine=(
	-machine q35,usb=off,vmport=off,hpet=off -nodefaults -no-user-config
	-display none -no-reboot
)
# A machine that is emulated by software has no speculation to mitigate.
qemu_append="console=ttyS0 quiet loglevel=5 panic=-1 oops=panic softlockup_panic=1
 unknown_nmi_panic=1 mitigations=off nokaslr audit=0 no_timer_check
 rcupdate.rcu_cpu_stall_timeout=60 log_buf_len=4M numa=fake=2 numa_balancing=disable
 kunit.enable=1"

# Sets accel, the QEMU options for it, and engine_words, what to say about it.
qemu_prepare() {
	accel=(-accel tcg,thread=multi,tb-size=512 -cpu max,la57=off)
	if [ "$want_accel" = tcg ]; then
		engine_words="software emulation, as asked"
	elif ! [ -w /dev/kvm ]; then
		engine_words="software emulation, as /dev/kvm cannot be opened"
	elif [ "$(qemu_probe_cached)" = works ]; then
		accel=(-accel kvm -cpu host)
		engine_words=KVM
	else
		engine_words="software emulation, as a probe boot under KVM failed"
	fi
}

# The verdict holds for this kernel, this QEMU and this host; that it fails, for a
# day, as the host may just have been too busy.
qemu_probe_cached() {
	local key file
	key=$(printf '%s' "$kver $(qemu-system-x86_64 --version) $(uname -r)" \
		"$(grep -m1 '^model name' /proc/cpuinfo)" | cksum | cut -d' ' -f1)
	file=$kdir/kvm-$key
	find "$file" -mmin +1440 -exec grep -q fails {} \; -delete 2>/dev/null
	if ! [ -s "$file" ]; then
		say "trying a boot under KVM (at most $PROBE_SECONDS s)"
		qemu_probe >"$file.$$"
		mv "$file.$$" "$file"
	fi
	cat "$file"
}

qemu_probe() {
	timeout "$PROBE_SECONDS" qemu-system-x86_64 "${qemu_machine[@]}" \
		-accel kvm -cpu host -smp 2 -m 512M -kernel "$kdir/image" \
		-initrd "$kdir/initramfs" -append "$qemu_append nopin.probe" \
		-serial "file:$run/probe" >"$run/probe.err" 2>&1 </dev/null
	if grep -qs 'probe boot works' "$run/probe"; then
		echo works
	else
		echo fails
	fi
}

qemu_arguments() {
	local share=local,security_model=none,multidevs=remap
	arguments=("${qemu_machine[@]}" "${accel[@]}" -smp "$cpus" -m "$mem"
		-kernel "$kdir/image" -initrd "$run/initrd"
		-append "${qemu_append//$'\n'/}$([ "$dma" = none ] || echo "$QEMU_IOMMU")"
		-chardev "file,id=kernel,path=$run/console" -serial chardev:kernel
		-virtfs "$share,path=/,mount_tag=root,readonly=on"
		-virtfs "$share,path=${PWD//,/,,},mount_tag=cwd"
		-device virtio-serial-pci -device virtio-rng-pci
		-chardev "pipe,id=monitor,path=$run/monitor" -mon chardev=monitor
		-netdev hubport,id=net0,hubid=0 -device virtio-net-pci,romfile=,netdev=net0
		-netdev hubport,id=net1,hubid=0 -device virtio-net-pci,romfile=,netdev=net1
		-echr 29)
	[ "$dma" = none ] || qemu_dma
	if [ -n "$interactive" ]; then
		qemu_port 1 stdio,signal=off,mux=on
	else
		qemu_port 1 stdio,signal=off
	fi
	qemu_port 2 "file,path=/dev/fdset/2,append=on"
	qemu_port 3 "file,path=/dev/fdset/3,append=on"
	arguments+=(-add-fd "fd=$out,set=2" -add-fd "fd=$err,set=3")
	qemu_port 4 "file,path=$run/control"
	qemu_port 5 "file,path=$run/dmesg"
	! vm_channel_wanted || qemu_port 6 "pipe,path=$run/line"
}

# Only what is told to goes through the IOMMU, which virtio's devices are not. It
# translates 39 bits, and what it does not map is a fault in the kernel's log.
qemu_dma() { arguments+=(-device intel-iommu -device edu,dma_mask=0xffffffff); }

# qemu_port NUMBER CHARDEV
qemu_port() {
	arguments+=(-chardev "${2%%,*},id=port$1,${2#*,}"
		-device "virtserialport,nr=$1,chardev=port$1,name=nopin.$1")
}

# Starts QEMU on the open files $in, $out and $err; sets vm_pid.
qemu_start() {
	mkfifo "$run/monitor.in" "$run/monitor.out"
	qemu_arguments
	ulimit -Sn "$(ulimit -Hn)"
	if [ -n "$interactive" ]; then
		qemu-system-x86_64 "${arguments[@]}" <&"$in" 2>"$run/engine.err" &
	else
		qemu-system-x86_64 "${arguments[@]}" <&"$in" >"$run/engine.err" 2>&1 &
	fi
	vm_pid=$!
}

# Opened both ways, a pipe does not wait for its other end.
qemu_watch() { exec 8<>"$run/monitor.out" 9<>"$run/monitor.in"; }

# An NMI first: the kernel then says on its console where it was.
qemu_end() {
	echo nmi >&9
	sleep 5
	echo quit >&9
	sleep 5
	kill -9 "$vm_pid" 2>/dev/null
}

qemu_words() { :; }
qemu_kill() { kill "$vm_pid" 2>/dev/null; }

# Where one CPU patches code that another one runs (a static branch is switched), software
# emulation may show the other the break point that was there in between, for which the
# kernel then has no explanation. It is rare, and most patches are made during the boot,
# when nothing that is to be tried has begun.
qemu_spoiled() {
	[[ ${accel[1]} = tcg* ]] && grep -qs 'int3: 0000' "$run/console" &&
		echo "software emulation lost a patch of the kernel's code"
}
