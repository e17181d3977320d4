# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# The architecture of the VM. A VM of the host's architecture sees the host's root. A VM
# of another architecture has a root of its own: Debian packages unpacked into the cache.
# A cross compiler compiles the programs for the VM against that root. No foreign package
# is installed or run on the host; arch_root_settle does what their installation scripts
# would do, as far as needed.
#
# arch_choose sets:
#   machine   the architecture as uname, QEMU and compilers name it
#   arch_make make's name for it
#   triplet   that of its libraries
#   cross     the prefix of the compiler, or nothing
#   apt_arch  apt's options for its packages, or none
# and arch_prepare:
#   arch_root the root that the VM sees, or nothing: the host's
#
# Needs: arch, cache, run.

# Packages that the suite's scripts for other architectures need, besides essential ones.
packages_root=(
	bash bsdutils coreutils dash diffutils findutils grep gzip hostname libc-bin mawk perl
	procps sed tar util-linux mount base-files base-passwd passwd
	busybox-static kmod e2fsprogs ethtool iproute2 iputils-ping
	rdma-core ibverbs-providers ibverbs-utils rdmacm-utils perftest
	libc6-dev libibverbs-dev librdmacm-dev libcmocka-dev libjson-c-dev libasan8 libubsan1
)

arch_choose() {
	machine=x86_64 arch_make=x86_64 cross='' apt_arch=() arch_root=''
	if [ "$arch" = arm64 ]; then
		machine=aarch64 arch_make=arm64 cross=aarch64-linux-gnu-
		packages_qemu=(qemu-system-arm gcc-aarch64-linux-gnu)
		arch_apt
	fi
	triplet=$machine-linux-gnu
}

# Sets apt_arch: separate package lists, so that apt's configuration on the host stays
# unchanged.
arch_apt() {
	local dir=$cache/apt-$arch
	apt_arch=(-o "APT::Architecture=$arch" -o "APT::Architectures=$arch"
		-o "Dir::State=$dir" -o "Dir::State::lists=$dir/lists"
		-o "Dir::State::status=$dir/status" -o "Dir::Cache=$dir/cache"
		-o APT::Sandbox::User=root -o Debug::NoLocking=yes)
}

arch_update() {
	[ "${#apt_arch[@]}" = 0 ] || step "$run/apt.log" apt-get -qq "${apt_arch[@]}" update
}

# Fetches the package lists; to be called before any query of packages.
arch_lists() {
	local dir=$cache/apt-$arch
	[ "${#apt_arch[@]}" -gt 0 ] || return 0
	[ ! -e "$dir/known" ] || return 0
	(
		lock "apt-$arch"
		[ ! -e "$dir/known" ] || exit 0
		say "fetching the package lists of $arch"
		mkdir -p "$dir"/{lists,cache/archives}/partial
		: >"$dir/status"
		arch_update ||
			die "apt-get could not fetch the package lists of $arch"
		touch "$dir/known"
	) || exit
}

arch_prepare() {
	[ "${#apt_arch[@]}" -gt 0 ] || return 0
	arch_lists
	arch_root=$cache/roots/$arch-$(path_key "${packages_root[*]}")
	[ -e "$arch_root.unpacked" ] || (arch_root_unpack) || exit
}

arch_root_fetch() {
	step "$run/apt.log" apt-get -qq -y "${apt_arch[@]}" --no-install-recommends \
		--download-only install "${packages_root[@]}"
}

arch_root_unpack() {
	local debs=$cache/apt-$arch/cache/archives deb
	lock "root-$arch"
	[ ! -e "$arch_root.unpacked" ] || return 0
	say "fetching and unpacking a Debian of $arch (about 50 MB)"
	rm -f "$debs"/*.deb
	arch_root_fetch || { apt_update && arch_root_fetch; } ||
		die "apt-get could not download the packages of $arch"
	rm -rf "$arch_root"
	mkdir -p "$arch_root"/usr/{bin,sbin,lib}
	ln -s usr/bin usr/sbin usr/lib "$arch_root/"
	for deb in "$debs"/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" |
			tar -x --keep-directory-symlink --no-same-owner -C "$arch_root" ||
			die "could not unpack $deb"
	done
	arch_root_settle
	rm "$debs"/*.deb
	touch "$arch_root.unpacked"
}

# Makes the files that installation scripts would make, and links libraries into this root
# instead of the host's.
arch_root_settle() {
	local link
	while read -r link; do
		ln -sfn "../../..$(readlink "$link")" "$link"
	done < <(find "$arch_root/usr/lib/$triplet" -maxdepth 1 -lname '/*')
	cp "$arch_root/usr/share/base-passwd/passwd.master" "$arch_root/etc/passwd"
	cp "$arch_root/usr/share/base-passwd/group.master" "$arch_root/etc/group"
	[ -e "$arch_root/usr/bin/awk" ] || ln -s mawk "$arch_root/usr/bin/awk"
	[ -e "$arch_root/usr/bin/sh" ] || ln -s dash "$arch_root/usr/bin/sh"
	echo '127.0.0.1 localhost' >"$arch_root/etc/hosts"
	mkdir -p "$arch_root"/{dev,proc,sys,run,tmp,root,etc/modprobe.d,etc/libibverbs.d}
	chmod 1777 "$arch_root/tmp"
	rm -rf "$arch_root"/usr/share/{doc,man,locale,info}
}

# arch_cmake: prints cmake's options to compile for that root, one per line.
arch_cmake() {
	[ -n "$cross" ] || return 0
	printf '%s\n' -DCMAKE_SYSTEM_NAME=Linux "-DCMAKE_SYSTEM_PROCESSOR=$machine" \
		"-DCMAKE_C_COMPILER=${cross}gcc" "-DCMAKE_SYSROOT=$arch_root" \
		"-DCMAKE_LIBRARY_ARCHITECTURE=$triplet" "-DCMAKE_FIND_ROOT_PATH=$arch_root" \
		-DCMAKE_FIND_ROOT_PATH_MODE_PROGRAM=NEVER -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY \
		-DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY
}

# Runs a command in which pkg-config uses that root.
arch_env() {
	if [ -z "$cross" ]; then
		"$@"
		return
	fi
	PKG_CONFIG_SYSROOT_DIR=$arch_root \
		PKG_CONFIG_LIBDIR=$arch_root/usr/lib/$triplet/pkgconfig:$arch_root/usr/share/pkgconfig "$@"
}
