# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# Kernels built from Debian's linux-source package, for what its own kernels are
# not configured to do. Each is tests/vm/kernels/base.config and NAME.config on
# top of nothing; built once, and again only when these or the source change.

readonly SOURCE_SERIES=6.12
packages_source=(gcc make bc bison flex libelf-dev xz-utils kmod)

# source_tree: sets source_dir to the unpacked sources.
source_tree() {
	local version known=$cache/sources/version lists=/var/lib/apt/lists
	mkdir -p "$cache/sources"
	(
		lock sources
		if [ -s "$known" ] && ! [ "$lists" -nt "$known" ]; then
			exit 0
		fi
		version=$(source_version) || {
			apt_update
			version=$(source_version)
		} || die "no Debian package linux-source-$SOURCE_SERIES is to be had here"
		[ -e "$cache/sources/$version/unpacked" ] || source_unpack "$version"
		echo "$version" >"$known"
	) || exit
	source_dir=$cache/sources/$(<"$known")/linux
}

source_version() {
	local version
	version=$(LC_ALL=C apt-cache policy "linux-source-$SOURCE_SERIES" 2>/dev/null |
		sed -n 's/^ *Candidate: *\([0-9].*\)/\1/p')
	[ -n "$version" ] && echo "$version"
}

# The parts that no kernel of ours needs stay packed.
source_unpack() {
	local dir=$cache/sources/$1
	say "fetching and unpacking the source of Linux $1 (about 150 MB)"
	rm -rf "$dir"
	mkdir -p "$dir/deb" "$dir/linux"
	source_download "$dir/deb" || { apt_update && source_download "$dir/deb"; } ||
		die "apt-get could not download linux-source-$SOURCE_SERIES"
	dpkg-deb --fsys-tarfile "$dir"/deb/*.deb |
		tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		xz -dc -T0 |
		tar -x -C "$dir/linux" --strip-components=1 \
			--exclude='*/arch/[a-tv-wyz]*/*.[chS]' --exclude='*.dts*' \
			--exclude='*/Documentation/*/*' --exclude='*/tools/testing/*' ||
		die "could not unpack the source of Linux $1"
	rm -r "$dir/deb"
	touch "$dir/unpacked"
}

source_download() (
	cd "$1" || exit
	step "$run/apt.log" apt-get -qq download "linux-source-$SOURCE_SERIES"
)

# User Mode Linux keeps a process's vector registers in an array of fixed size. With
# AMX the host's take 11008 bytes, and a kernel without room for them does not start.
source_mend_uml() {
	local file=$source_dir/arch/x86/um/user-offsets.c room=12288
	if grep -q 'HOST_FP_SIZE, [0-9]*)' "$file" && ! grep -q "HOST_FP_SIZE, $room)" "$file"; then
		sed -i "s/HOST_FP_SIZE, [0-9]*)/HOST_FP_SIZE, $room)/" "$file"
	fi
}

# kernel_from_source NAME ARCH IMAGE
kernel_from_source() {
	local configs=("$tree/tests/vm/kernels/base.config" "$tree/tests/vm/kernels/$1.config")
	packages_install "${packages_source[@]}"
	source_tree
	[ "$2" != um ] || source_mend_uml
	kernel_build "$cache/kernels/source-$1" "$source_dir" "$2" "$3" "${configs[@]}"
	kernel_from_tree "$cache/kernels/source-$1"
}

# kernel_build FOLDER SOURCE ARCH IMAGE CONFIG…
kernel_build() {
	local name=${1##*/source-}
	(
		lock "kernel-source-$name"
		kernel_build_locked "$@"
	) || exit
}

kernel_build_locked() {
	local dir=$1 source=$2 arch=$3 image=$4 begun=$SECONDS
	shift 4
	local make=(make -C "$source" O="$dir" ARCH="$arch" -s)
	{ echo "$source" && cat "$@"; } >"$run/wanted"
	cmp -s "$run/wanted" "$dir/.wanted" && return
	# Until it is done, this folder is of no configuration.
	rm -f "$dir/.wanted"
	say "building the kernel \"${dir##*/source-}\" from source, once (up to 10 minutes on 2 CPUs)"
	mkdir -p "$dir"
	cat "$@" >"$run/kernel.config"
	step "$run/kernel.log" "${make[@]}" KCONFIG_ALLCONFIG="$run/kernel.config" \
		allnoconfig || die "make allnoconfig failed"
	kernel_config_check "$dir/.config" "$run/kernel.config"
	step_long "$run/kernel.log" "$dir" "${make[@]}" -j"$(nproc)" "$image" modules ||
		die "the build of the kernel failed"
	say "built it in $((SECONDS - begun)) s"
	mv "$run/wanted" "$dir/.wanted"
}

# An option that others do not let be set is left out without a word. Of what is
# asked for more than once, the last counts.
kernel_config_check() {
	local line missing=()
	while read -r line; do
		grep -qxF "$line" "$1" || missing+=("$line")
	done < <(awk -F= '/^CONFIG_/ {wanted[$1] = $0}
		/^# CONFIG_.* is not set$/ {split($0, word, " "); delete wanted[word[2]]}
		END {for (name in wanted) print wanted[name]}' "$2")
	[ "${#missing[@]}" = 0 ] || die "not to be had in this kernel: ${missing[*]}"
}

# step_long LOG FOLDER COMMAND…: a line every minute about the objects in FOLDER.
step_long() {
	local log=$1 dir=$2 ticker never status
	shift 2
	{
		unlock
		exec {never}<> <(:)
		until read -rt 60 -u "$never"; do
			say "… $(find "$dir" -name '*.o' | wc -l) objects compiled"
		done
	} &
	ticker=$!
	step "$log" "$@"
	status=$?
	kill "$ticker"
	wait "$ticker" 2>/dev/null
	return "$status"
}
