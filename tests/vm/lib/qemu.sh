# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2054,SC2154 # nopin-vm's
# The engine qemu: a machine of its own, with KVM or in software. The ports of
# boot.sh are virtio serial ports; the serial line is the console.
#
# Needs: run, mem, cpus, dma, want_accel, interactive; of arch.sh machine, cross; of
# kernel.sh kver, kdir, initramfs; of boot.sh the open files in, out, err. Sets: engine_words, accel, vm_pid.

readonly QEMU_NAME=QEMU
readonly PROBE_SECONDS=20	# for a boot under KVM that takes 2

# QEMU's options for all machines and for each architecture, and the CPU model for
# emulation, without features that are expensive to emulate.
qemu_machine=(-nodefaults -no-user-config -display none -no-reboot)
qemu_machine_x86_64=(-machine q35,usb=off,vmport=off,hpet=off)
qemu_machine_aarch64=(-machine virt,gic-version=3)
qemu_cpu_x86_64=max,la57=off
qemu_cpu_aarch64=max,pauth-impdef=on,lpa2=off,sve=off,sme=off
# Kernel options. An emulated CPU does not need mitigations of speculation. A busy host
# may stop the VM for a while, so a CPU counts as stuck after a minute, not after 20 s.
qemu_append="quiet loglevel=5 panic=-1 oops=panic softlockup_panic=1
 mitigations=off nokaslr audit=0
 rcupdate.rcu_cpu_stall_timeout=60 watchdog_thresh=30 log_buf_len=4M numa_balancing=disable
 kunit.enable=1"
qemu_append_x86_64=" console=ttyS0 unknown_nmi_panic=1 no_timer_check numa=fake=2"
qemu_append_aarch64=" console=ttyAMA0"

# --dma: the IOMMU, and the kernel options for it.
declare -rA qemu_iommu=(
	[edu]=intel-iommu [edu-lazy]=intel-iommu [edu-virtio]=virtio-iommu-pci)
declare -rA qemu_append_dma=(
	[none]=''
	[edu]=' intel_iommu=on iommu.strict=1'
	[edu-lazy]=' intel_iommu=on iommu.strict=0'
	[edu-virtio]=' iommu.strict=1')

# Sets qemu, machine_options, machine_append and machine_cpu for the VM's architecture.
qemu_choose() {
	local -n own_machine=qemu_machine_$machine own_append=qemu_append_$machine \
		own_cpu=qemu_cpu_$machine
	qemu=qemu-system-$machine
	machine_options=("${own_machine[@]}" "${qemu_machine[@]}")
	machine_append="${qemu_append//$'\n'/}$own_append"
	machine_cpu=$own_cpu
}

# Sets accel, the QEMU options for the accelerator, and engine_words, which describe it.
qemu_prepare() {
	qemu_choose
	accel=(-accel tcg,thread=multi,tb-size=512 -cpu "$machine_cpu")
	if [ -n "$cross" ]; then
		engine_words="software emulation of $arch"
	elif [ "$want_accel" = tcg ]; then
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

# Caches the verdict for this kernel, this QEMU and this host. A failure is kept for a day
# only, as the host may have been too busy.
qemu_probe_cached() {
	local key file
	key=$(printf '%s' "$kver $("$qemu" --version) $(uname -r)" \
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
	timeout "$PROBE_SECONDS" "$qemu" "${machine_options[@]}" \
		-accel kvm -cpu host -smp 2 -m 512M -kernel "$kdir/image" \
		-initrd "$initramfs" -append "$machine_append nopin.probe" \
		-serial "file:$run/probe" >"$run/probe.err" 2>&1 </dev/null
	if grep -qs 'probe boot works' "$run/probe"; then
		echo works
	else
		echo fails
	fi
}

qemu_arguments() {
	local share=local,security_model=none,multidevs=remap
	arguments=("${machine_options[@]}" "${accel[@]}" -smp "$cpus" -m "$mem"
		-kernel "$kdir/image" -initrd "$run/initrd"
		-append "$machine_append${qemu_append_dma[$dma]}"
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

# Adds the edu device and an IOMMU. Virtio devices do not go through the IOMMU unless told
# to. It translates 39 bits or more; an access to an unmapped address is a fault in the
# kernel's log.
qemu_dma() {
	arguments+=(-device "${qemu_iommu[$dma]}" -device edu,dma_mask=0xffffffff)
}

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
		"$qemu" "${arguments[@]}" <&"$in" 2>"$run/engine.err" &
	else
		"$qemu" "${arguments[@]}" <&"$in" >"$run/engine.err" 2>&1 &
	fi
	vm_pid=$!
}

# Opened for reading and writing, a pipe does not wait for its other end.
qemu_watch() { exec 8<>"$run/monitor.out" 9<>"$run/monitor.in"; }

# Sends an NMI first, so that the kernel prints on its console where it is.
qemu_end() {
	echo nmi >&9
	sleep 5
	echo quit >&9
	sleep 5
	kill -9 "$vm_pid" 2>/dev/null
}

qemu_words() { :; }
qemu_kill() { kill -9 "$vm_pid" 2>/dev/null; }

# When one CPU patches code that another one runs (a static branch), software emulation
# may let the other CPU hit the temporary breakpoint after it is gone, and the kernel
# dies. That is rare, and mostly happens during the boot, before the command runs.
qemu_spoiled() {
	[[ ${accel[1]} = tcg* ]] && grep -qs 'int3: 0000' "$run/console" &&
		echo "software emulation lost a patch of the kernel's code"
}
