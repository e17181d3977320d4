# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# The Debian packages that nopin-vm needs on the host. The guest sees the host's
# root, so what runs in the guest is installed here too.
#
# Needs: engine, run. Sets: packages_* (lists), apt_updated.

packages_qemu=(qemu-system-x86)
packages_base=(
	busybox-static cpio kmod xz-utils util-linux mount
	iproute2 iputils-ping rdma-core ibverbs-providers ibverbs-utils rdmacm-utils perftest
	gcc make cmake pkg-config libc6-dev libibverbs-dev librdmacm-dev
	libcmocka-dev libjson-c-dev pahole
)
packages_test=(
	python3-pyverbs python3-scapy tshark tcpdump ethtool procps locales
	sparse shellcheck perl ucx-utils
	openmpi-bin libopenmpi-dev mpich libmpich-dev libfabric-bin fio
	e2fsprogs nfs-common nfs-kernel-server python3-yaml
)

packages_apps=(dapl2-utils libdapl2 qperf librpma-dev netcat-traditional qemu-system-x86)
packages_storage=(open-iscsi)
packages_fuzz=(clang)
packages_perftest=(git patch autoconf automake libtool libibumad-dev libpci-dev)

# Debian's folder with rdma-core's tests; container images leave it out.
readonly packages_rdma_tests=/usr/share/doc/rdma-core
# While it says no, the installation of a package starts no service.
readonly packages_policy=/usr/sbin/policy-rc.d

as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	elif command -v sudo >/dev/null; then
		sudo -- "$@"
	else
		say "needs root or sudo to run: $*"
		return "$EXIT_SETUP"
	fi
}

apt_quiet() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y \
		-o DPkg::Lock::Timeout=900 "$@"
}

# Refreshes the package lists once per run.
apt_update() {
	[ -z "${apt_updated-}" ] || return 0
	apt_updated=yes
	say "updating the package lists"
	step "$run/apt.log" apt_quiet update && arch_update ||
		say "apt-get update failed; going on with the lists there are"
}

packages_missing() {
	local have
	have=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
		sed -n 's/^installed //p')
	printf '%s\n' "$@" | grep -vxF "$have" || true
}

# The names of the sanitizer libraries contain the compiler's version.
packages_install_fuzz() {
	packages_install "${packages_fuzz[@]}"
	packages_install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev"
}

# packages_install PACKAGE…
packages_install() {
	command -v apt-get >/dev/null ||
		die "needs a Debian system (no apt-get here)"
	local missing
	mapfile -t missing < <(packages_missing "$@")
	[ "${#missing[@]}" -gt 0 ] || return 0
	if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
		die "these packages are missing and neither root nor sudo is" \
			"there to install them: ${missing[*]}"
	fi
	say "installing ${missing[*]}"
	apt_install_now "${missing[@]}"
}

# apt_install_now [OPTION…] PACKAGE…: installs them, if need be with newer lists.
apt_install_now() {
	apt_install "$@" && return
	apt_update
	apt_install "$@" || die "apt-get could not install the packages"
}

# Installs packages for the VM without starting their services on the host.
apt_install() (
	lock packages
	if [ ! -e "$packages_policy" ]; then
		printf '#!/bin/sh\nexit 101\n' >"$run/policy-rc.d"
		as_root install -m 755 "$run/policy-rc.d" "$packages_policy"
	fi
	step "$run/apt.log" apt_quiet --no-install-recommends \
		-o "Dpkg::Options::=--path-include=$packages_rdma_tests/*" install "$@"
	status=$?
	apt_policy_end
	exit "$status"
)

# Lets services start again. The end of the run calls it too, for an installation that was
# broken off.
apt_policy_end() {
	[ ! -e "$run/policy-rc.d" ] || as_root rm -f "$packages_policy" "$run/policy-rc.d"
}

# packages_install_base PACKAGE…: installs the packages that every run needs, and these.
packages_install_base() {
	[ "$engine" != qemu ] || set -- "${packages_qemu[@]}" "$@"
	packages_install "${packages_base[@]}" "$@"
}

packages_install_test() {
	packages_install_base "${packages_test[@]}"
	if [ ! -d "$packages_rdma_tests/tests" ]; then
		say "installing python3-pyverbs again, with its tests"
		(apt_install_now --reinstall python3-pyverbs) || say "going on without them"
	fi
}
