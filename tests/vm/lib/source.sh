# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# Builds kernels from Debian's linux-source package, with features that Debian's own
# kernels lack. The configuration is tests/vm/kernels/base.config and NAME.config on top
# of allnoconfig. Each kernel is built once, and again only when these files or the source
# change.
#
# Needs: cache, tree, run. Sets: source_dir (the sources), kernel_tree (a built tree).

readonly SOURCE_SERIES=6.12
packages_source=(gcc make bc bison flex libelf-dev xz-utils kmod)
# Approximate number of files to compile.
declare -A source_files=([uml]=1350 [debug]=1700 [kcsan]=1500)

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
		} || { [ -s "$known" ] && version=$(<"$known"); } ||
			die "no Debian package linux-source-$SOURCE_SERIES is to be had here"
		[ -e "$cache/sources/$version/unpacked" ] || source_unpack "$version"
		echo "$version" >"$run/known" && mv "$run/known" "$known"
	) || exit
	source_dir=$cache/sources/$(<"$known")/linux
}

source_version() {
	local version
	version=$(LC_ALL=C apt-cache policy "linux-source-$SOURCE_SERIES" 2>/dev/null |
		sed -n 's/^ *Candidate: *\([0-9].*\)/\1/p')
	[ -n "$version" ] && echo "$version"
}

# Unpacks the source without the parts that these kernels do not need.
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

# User Mode Linux keeps a process's vector registers in an array of fixed size. On a host
# with AMX they take 11008 bytes, and a kernel with a smaller array does not start.
source_mend_uml() {
	local file=$source_dir/arch/x86/um/user-offsets.c room=12288
	if grep -q 'HOST_FP_SIZE, [0-9]*)' "$file" && ! grep -q "HOST_FP_SIZE, $room)" "$file"; then
		sed -i "s/HOST_FP_SIZE, [0-9]*)/HOST_FP_SIZE, $room)/" "$file"
	fi
}

# kernel_from_source NAME ARCH IMAGE
kernel_from_source() {
	local kernels=$tree/tests/vm/kernels
	packages_install "${packages_source[@]}"
	source_tree
	[ "$2" != um ] || source_mend_uml
	kernel_build "$1" "$source_dir" "$2" "$3" "$kernels/base.config" "$kernels/$1.config"
	kernel_from_tree "$kernel_tree"
}

# kernel_build NAME SOURCE ARCH IMAGE CONFIG…: sets kernel_tree to the built tree. Each
# configuration has a folder of its own, so that checkouts with different configurations
# do not overwrite each other's kernels. A folder without a checksum in its name is used
# if its configuration is the same.
kernel_build() {
	local name=$1 source=$2 arch=$3 image=$4
	shift 4
	{ echo "$source" && cat "$@"; } >"$run/wanted"
	kernel_tree=$cache/kernels/source-$name
	(lock "kernel-source-$name")
	cmp -s "$run/wanted" "$kernel_tree/.wanted" ||
		kernel_tree+=-$(cksum <"$run/wanted" | cut -d' ' -f1)
	(
		lock "kernel-${kernel_tree##*/}"
		kernel_build_locked "$@"
	) || exit
	kernel_build_keep "$name"
}

# Removes trees of other configurations that have not been used for a week.
kernel_build_keep() {
	local dir
	touch "$kernel_tree"
	lock folders
	claim "$kernel_tree"
	while read -r dir; do
		discard "$dir" && rm -rf "$cache"/kernels/*-"$(path_key "$dir")"
	done < <(find "$cache/kernels" -maxdepth 1 -name "source-$1*" -mtime +7)
	unlock
}

# kernel_build_locked CONFIG…, with the variables of kernel_build.
kernel_build_locked() {
	local dir=$kernel_tree begun=$SECONDS files=${source_files[$name]}
	local make=(make -C "$source" O="$dir" ARCH="$arch" -s)
	cmp -s "$run/wanted" "$dir/.wanted" && return
	# Until the build is done the folder belongs to no configuration.
	rm -f "$dir/.wanted"
	say "building the kernel \"$name\" from source, once: about $files files," \
		"10 minutes on 2 CPUs that have nothing else to do"
	say "(what is interrupted goes on later from where it was)"
	mkdir -p "$dir"
	cat "$@" >"$run/kernel.config"
	step "$run/kernel.log" "${make[@]}" KCONFIG_ALLCONFIG="$run/kernel.config" \
		allnoconfig || die "make allnoconfig failed"
	kernel_config_check "$dir/.config" "$run/kernel.config"
	step_long "$run/kernel.log" "$dir" "$files" "${make[@]}" -j"$(nproc)" "$image" modules ||
		die "the build of the kernel failed"
	say "built it in $((SECONDS - begun)) s ($(objects "$dir") files)"
	mv "$run/wanted" "$dir/.wanted"
}

# Checks that all wanted options are set: kconfig silently drops an option whose
# dependencies are missing. If an option is given more than once, the last counts.
kernel_config_check() {
	local line missing=()
	while read -r line; do
		grep -qxF "$line" "$1" || missing+=("$line")
	done < <(awk -F= '/^CONFIG_/ {wanted[$1] = $0}
		/^# CONFIG_.* is not set$/ {split($0, word, " "); delete wanted[word[2]]}
		END {for (name in wanted) print wanted[name]}' "$2")
	[ "${#missing[@]}" = 0 ] || die "not to be had in this kernel: ${missing[*]}"
}
