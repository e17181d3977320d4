# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# Finds kernels, unpacks them into the cache (they are never installed on the host), and
# makes them bootable: an image, modules with modules.dep, headers, an initramfs.
#
# kernel_prepare sets:
#   kver    the kernel's release
#   kdir    its folder in the cache: image, root/lib/modules/$kver
#   initramfs  of this checkout, with that kernel's modules
#   kbuild  the folder that modules are built against
#   karch   make's name for its architecture
#   patience  how many times as long as usual its tests may take
#
# Needs: cache, tree, run, engine.

# Modules in the initramfs: those needed to mount the guest's root, and those needed at
# every start. Modules built into the kernel are skipped.
guest_modules=(overlay veth bridge udp_tunnel ip6_udp_tunnel ib_uverbs rdma_ucm)
guest_modules_qemu=(virtio_pci virtio_console 9pnet_virtio 9p virtio_net)
# Loaded before those if the kernel has them: devices behind a virtio IOMMU wait for its
# driver.
guest_modules_maybe=(virtio_pci virtio_iommu)

kernel_prepare() {
	patience=1 karch=$arch_make
	# For another architecture there is no KVM.
	[ -z "$cross" ] || patience=3
	arch_lists
	case $1 in
	6.1 | 6.12) kernel_from_debian "$1" ;;
	debug) patience=15 && kernel_from_source "$1" x86_64 bzImage ;;
	kcsan) patience=10 && kernel_from_source "$1" x86_64 bzImage ;;
	uml) kernel_from_source "$1" um linux ;;
	*) kernel_from_path "$1" ;;
	esac
	[ "$karch-$engine" != um-qemu ] ||
		die "$kbuild is a kernel for --engine uml"
	[ "$karch-$engine" = um-uml ] || [ "$engine" != uml ] ||
		die "$kbuild is no kernel for --engine uml (it was not built with ARCH=um)"
	kernel_initramfs
}

# Prints the release of a series' newest package linux-image-<release>, on which the meta
# packages depend.
kernel_debian_release() {
	local meta release
	for meta in "linux-image-$1-$arch" "linux-image-$arch"; do
		release=$(LC_ALL=C apt-cache "${apt_arch[@]}" depends "$meta" 2>/dev/null |
			sed -n 's/^ *Depends: linux-image-\([0-9]\)/\1/p' | head -n1)
		case $release in
		"$1".*) echo "$release" && return ;;
		esac
	done
	return 1
}

# Sets kver, unless Debian has no kernel of this series here.
kernel_debian_known() {
	local known=$cache/kernels/$1${cross:+-$arch}.release lists=/var/lib/apt/lists
	if [ -s "$known" ] && ! [ "$lists" -nt "$known" ]; then
		kver=$(<"$known")
		return
	fi
	kver=$(kernel_debian_release "$1") || {
		apt_update
		kver=$(kernel_debian_release "$1")
	} || { [ -s "$known" ] && kver=$(<"$known"); } || return
	# Others may read it at any time.
	echo "$kver" >"$run/known" && mv "$run/known" "$known"
}

kernel_from_debian() {
	kernel_debian_known "$1" ||
		die "no Debian package of kernel $1 is to be had here;" \
			"give a kernel with --kernel PATH"
	kdir=$cache/kernels/$kver
	kbuild=$kdir/root/usr/src/linux-headers-$kver
	[ -e "$kdir/unpacked" ] || (kernel_unpack_debian) || exit
}

kernel_unpack_debian() {
	lock "kernel-$kver"
	[ ! -e "$kdir/unpacked" ] || return 0
	say "fetching and unpacking kernel $kver (about 120 MB)"
	rm -rf "$kdir"
	mkdir -p "$kdir/debs" "$kdir/root"
	kernel_download || { apt_update && kernel_download; } ||
		die "apt-get could not download kernel $kver"
	local deb
	for deb in "$kdir"/debs/*.deb; do
		dpkg-deb -x "$deb" "$kdir/root" || die "could not unpack $deb"
	done
	rm -r "$kdir/debs"
	# Adjust the only absolute path in Debian's headers.
	sed -i "s,/usr/src/,$kdir/root/usr/src/," "$kbuild/Makefile"
	cp "$kdir/root/boot/vmlinuz-$kver" "$kdir/vmlinuz" || die "could not write to $kdir"
	rm -rf "$kdir/root/boot" "$kdir/root/usr/share"
	kernel_modules_ready
	touch "$kdir/unpacked"
}

kernel_download() (
	cd "$kdir/debs" || exit
	step "$run/apt.log" apt-get -qq "${apt_arch[@]}" download "linux-image-$kver" \
		"linux-headers-$kver" || exit
	# The headers depend on two more packages; one of these has programs that run on
	# the host, so both are fetched for the host's architecture.
	local more
	mapfile -t more < <(dpkg-deb -f linux-headers-*.deb Depends | tr ',' '\n' |
		sed -n 's/^ *\(linux-\(headers\|kbuild\)-[^ ]*\).*/\1/p')
	step "$run/apt.log" apt-get -qq download "${more[@]}"
)

# PATH is a built kernel tree, a folder with an unpacked kernel package
# (boot/vmlinuz-*, lib/modules/*) or such a folder's vmlinuz.
kernel_from_path() {
	local path
	path=$(realpath -e -- "$1" 2>/dev/null) || die "no kernel at $1"
	if [ -f "$path" ]; then
		path=$(dirname "$(dirname "$path")")
	fi
	if [ -f "$path/$(kernel_tree_image)" ] || [ -f "$path/linux" ]; then
		kernel_from_tree "$path"
	else
		kernel_from_root "$path"
	fi
}

kernel_tree_image() {
	case $karch in
	arm64) echo arch/arm64/boot/Image ;;
	*) echo arch/x86/boot/bzImage ;;
	esac
}

kernel_from_tree() {
	local image=$1/$(kernel_tree_image)
	if grep -qs '^CONFIG_UML=y' "$1/.config"; then
		image=$1/linux
		karch=um
	fi
	kver=$(<"$1/include/config/kernel.release") ||
		die "$1 is a kernel tree that has not been built"
	kdir=$cache/kernels/$kver-$(path_key "$1")
	kbuild=$1
	[ "$kdir/unpacked" -nt "$image" ] || (kernel_take_tree "$1" "$image") || exit
}

# kernel_take_tree TREE IMAGE
kernel_take_tree() {
	lock "kernel-${kdir##*/}"
	[ "$kdir/unpacked" -nt "$2" ] && return
	say "taking the modules of $1"
	mkdir -p "$kdir/root"
	step "$run/kernel.log" make -C "$1" -s ARCH="$karch" CROSS_COMPILE="$cross" INSTALL_MOD_PATH="$kdir/root" \
		INSTALL_MOD_STRIP=1 modules_install ||
		die "make modules_install failed in $1"
	cp --remove-destination "$2" "$kdir/vmlinuz" || die "could not write to $kdir"
	kernel_modules_ready
	touch "$kdir/unpacked"
}

kernel_from_root() {
	local images=("$1"/boot/vmlinuz-*)
	[[ ${#images[@]} = 1 && -f ${images[0]} ]] ||
		die "$1 holds neither a built kernel tree nor one boot/vmlinuz-*"
	kver=${images[0]##*/vmlinuz-}
	[ -d "$1/lib/modules/$kver" ] || die "no lib/modules/$kver in $1"
	kdir=$cache/kernels/$kver-$(path_key "$1")
	kbuild=$1/lib/modules/$kver/build
	[ -e "$kbuild" ] || kbuild=$1/usr/src/linux-headers-$kver
	[ "$kdir/unpacked" -nt "${images[0]}" ] || (kernel_take_root "$1" "${images[0]}") || exit
}

# kernel_take_root FOLDER IMAGE
kernel_take_root() {
	lock "kernel-${kdir##*/}"
	[ "$kdir/unpacked" -nt "$2" ] && return
	say "taking kernel $kver from $1"
	rm -rf "$kdir/root" # of an earlier try, or of what was there then
	mkdir -p "$kdir/root/lib/modules"
	cp "$2" "$kdir/vmlinuz" && cp -r "$1/lib/modules/$kver" "$kdir/root/lib/modules/" ||
		die "could not write to $kdir"
	kernel_modules_ready
	touch "$kdir/unpacked"
}

path_key() { printf '%s' "$1" | cksum | cut -d' ' -f1; }

# Decompresses modules, as an emulated CPU would have to do that at every load.
kernel_modules_ready() {
	find "$kdir/root/lib/modules/$kver" -name '*.ko.xz' -print0 |
		xargs -0r -n 100 -P 2 xz -d || die "could not unpack the modules"
	depmod -b "$kdir/root" "$kver" || die "depmod failed"
	kernel_image
}

# Extracts the ELF image from an xz-compressed vmlinuz, which would take seconds to
# decompress itself under emulation; QEMU can boot it (PVH). If there is none, vmlinuz is
# used.
kernel_image() {
	local pos rest
	# Do not overwrite a file that a running VM may use.
	cp --remove-destination "$kdir/vmlinuz" "$kdir/image" || die "could not write to $kdir"
	grep -qs '^CONFIG_PVH=y' "$kbuild/.config" || return 0
	while IFS=: read -r pos rest; do
		: "$rest"
		tail -c "+$((pos + 1))" "$kdir/vmlinuz" | xz -dc >"$kdir/vmlinux" 2>/dev/null
		if [ "$(head -c 4 "$kdir/vmlinux" | tail -c 3)" = ELF ]; then
			mv "$kdir/vmlinux" "$kdir/image"
			break
		fi
	done < <(LC_ALL=C grep -abo -P '\xfd7zXZ\x00' "$kdir/vmlinuz")
	rm -f "$kdir/vmlinux"
}

# kernel_module_depends [-q] MODULE
kernel_module_depends() { modprobe -d "$kdir/root" -S "$kver" --show-depends "$@"; }

# Prints the files of the modules to load, in order and without duplicates.
kernel_module_files() {
	local module modules=("${guest_modules[@]}")
	[ "$karch" = um ] || modules=("${guest_modules_qemu[@]}" "${modules[@]}")
	{
		for module in "${guest_modules_maybe[@]}"; do
			kernel_module_depends -q "$module"
		done
		for module in "${modules[@]}"; do
			kernel_module_depends "$module" || exit
		done
	} | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++'
}

kernel_busybox() {
	if [ -n "$arch_root" ]; then
		echo "$arch_root/usr/bin/busybox"
	else
		command -v busybox || echo /bin/busybox
	fi
}

# Not kept in the cache: checkouts that share it may differ.
kernel_initramfs() {
	kernel_module_files >"$run/modules" || die "kernel $kver lacks what the VM needs"
	local dir=$run/initramfs file
	initramfs=$dir.cpio
	rm -rf "$dir"
	mkdir -p "$dir"/{bin,modules,proc,sys,dev,ro,rw,new}
	cp "$(kernel_busybox)" "$dir/bin/busybox"
	cp "$tree/tests/vm/guest/initramfs" "$dir/init"
	chmod 755 "$dir/init"
	while read -r file; do
		cp "$file" "$dir/modules/"
		echo "${file##*/}" >>"$dir/modules/order"
	done <"$run/modules"
	(cd "$dir" && find . | cpio -o -H newc -R 0:0 --quiet) >"$initramfs" ||
		die "could not write $initramfs"
	rm -r "$dir"
}
