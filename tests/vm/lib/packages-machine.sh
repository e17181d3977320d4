# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# nopin-vm test --packages: apt installs the packages in a fresh Debian, which then boots.
# tests/vm/packages has the scripts that run in it.

packages_image_tools=(mmdebstrap e2fsprogs)
# Dependencies of the packages, and packages that the test uses.
packages_inside=(
	dkms openssl rdma-core ibverbs-providers ibverbs-utils rdmacm-utils
	libcmocka0 libibverbs-dev libjson-c5 cpio python3
)

# Makes the image of the machine: a Debian 12 with kernel, headers and little else. It is
# made again when it is two weeks old.
packages_image() {
	image=$cache/packages/bookworm.ext4
	(packages_image_locked) || die "the image of a Debian machine could not be made"
}

packages_image_locked() {
	local root=$run/root base=$tree/tests/vm/packages/base
	mkdir -p "$cache/packages"
	lock packages-image
	if [ "$image" -nt "$base" ] && [ "$image" -nt "$lib/packages-machine.sh" ] &&
		[ -z "$(find "$image" -mtime +14)" ]; then
		return
	fi
	say "making a Debian machine, once (up to 10 minutes)"
	step "$run/image.log" as_root mmdebstrap --mode=root --variant=minbase \
		--skip=cleanup/apt --aptopt='Acquire::Languages "none"' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--include=systemd-sysv,udev,dbus,kmod,iproute2,iputils-ping \
		--include=linux-image-amd64,linux-headers-amd64,initramfs-tools \
		--customize-hook="bash '$base' \"\$1\" ${packages_inside[*]}" \
		bookworm "$root" || return
	step "$run/image.log" as_root mke2fs -q -t ext4 -d "$root" "$image.new" 5G || return
	as_root rm -rf "$root"
	as_root chown "$(id -u):$(id -g)" "$image.new"
	mv "$image.new" "$image"
}

# Makes packages that stand for an older version, as no older version exists. Their module
# is empty, so it is built quickly.
# packages_older DEB: writes to the current folder
packages_older() {
	local version older=0.0.9 file source
	version=$(dpkg-deb -f "$1" Version)
	rm -rf older
	dpkg-deb -R "$1" older || return
	source=older/usr/src/nopin-$older
	if [ -d "older/usr/src/nopin-${version%-*}" ]; then
		mv "older/usr/src/nopin-${version%-*}" "$source"
		rm -r "$source/kernel" && mkdir "$source/kernel"
		echo "obj-m := nopin.o" >"$source/kernel/Kbuild"
		printf '#include <linux/module.h>\nMODULE_LICENSE("GPL");\n%s\n' \
			'MODULE_ALIAS("rdma-link-nopin");' >"$source/kernel/nopin.c"
	fi
	for file in older/DEBIAN/* "$source/dkms.conf"; do
		[ ! -f "$file" ] || sed -i "s/${version%-*}/$older/g" "$file"
	done
	sed -i '\,  usr/src/,d' older/DEBIAN/md5sums
	dpkg-deb --root-owner-group -b older . >/dev/null && rm -r older
}

packages_folder() {
	local deb
	mkdir -p "$run/machine/old" "$run/machine/new"
	cp "$packages_dir"/*.deb "$run/machine/new"
	cd "$run/machine/old" || return
	for deb in "$packages_dir"/*.deb; do
		packages_older "$deb" || return
	done
	cp "$tree/tests/vm/packages/machine" "$tree/tests/vm/lib/complaints" \
		"$tree"/debian/tests/{installed,device} "$run/machine"
}

# packages_apt STEP: runs a step of packages/install on the image.
packages_apt() {
	as_root unshare -m bash "$tree/tests/vm/packages/install" "$1" "$run/image" \
		"$run/machine" | tee "$run/step" || grep -q '^FAIL ' "$run/step" ||
		echo "FAIL packages: $1 ended early" | tee -a "$run/step"
	grep -E '^(PASS|FAIL|SKIP|INFO) ' "$run/step" >>"$run/results"
	! grep -q '^FAIL ' "$run/step"
}

packages_qemu_run() {
	local share=local,security_model=none,readonly=on i devices=()
	local append=(root=/dev/vda rw console=ttyS0 quiet panic=-1 oops=panic mitigations=off
		no_timer_check systemd.show_status=0)
	# Long timeouts, as an emulated CPU is slow.
	append+=(systemd.default_timeout_start_sec=900 udev.event_timeout=900)
	for i in 1 2; do
		devices+=(-netdev "hubport,id=net$i,hubid=0"
			-device "e1000e,netdev=net$i,romfile=,mac=52:54:00:00:00:0$i")
	done
	# timeout may be killed, and would not pass that on.
	exec timeout "${1:-2400}" setpriv --pdeathsig KILL \
		qemu-system-x86_64 "${machine_options[@]}" "${accel[@]}" \
		-smp 2 -m 2G -kernel "$run/machine/vmlinuz" -initrd "$run/machine/initrd" \
		-append "${append[*]}" \
		-drive "file=$run/image,format=raw,if=virtio,cache=unsafe" \
		-virtfs "$share,path=$run/machine,mount_tag=test" \
		-serial "file:$run/console" -serial "file:$run/machine.out" \
		-device virtio-rng-pci "${devices[@]}" </dev/null >"$run/engine.err" 2>&1
}

# Boots the machine once, with the packages installed.
packages_boot() {
	: >"$run/machine.out"
	packages_qemu_run &
	vm_pid=$!
	tail -n +1 -f --pid="$vm_pid" "$run/machine.out" 2>/dev/null | tr -d '\r'
	wait "$vm_pid"
	vm_pid=''
	tr -d '\r' <"$run/machine.out" | grep -E '^(PASS|FAIL|SKIP|INFO) ' >>"$run/results"
	grep -q 'the machine is done' "$run/machine.out" && return
	suite_result "FAIL packages: the machine did not come to the end of its test"
	tail -n 40 "$run/console" "$run/engine.err" | sed 's/^/  | /'
}

packages_full() {
	local begun=$SECONDS
	: >"$run/results"
	packages_prepared || { packages_count; return; }
	packages_install "${packages_image_tools[@]}" "${packages_qemu[@]}"
	qemu_prepare
	packages_image
	(packages_folder) || die "the packages of the version before could not be made"
	cp --sparse=always "$image" "$run/image" || die "no room for the machine's disk"
	if packages_apt install; then
		say "Debian 12 with systemd, 2 CPUs, $engine_words"
		packages_boot
		packages_apt compare
	fi
	suite_result "INFO took $((SECONDS - begun)) s"
	packages_count
}

packages_count() {
	echo "$(suite_count PASS) passed, $(suite_count FAIL) failed, $(suite_count SKIP) skipped"
	[ "$(suite_count FAIL)" = 0 ] && [ "$(suite_count PASS)" -gt 0 ]
}
