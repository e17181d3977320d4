# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# Builds out of tree: the sources are mirrored into the cache and built there, so the
# checkout stays clean and may be read-only. Only changed files are copied and compiled
# again.
#
# The results:
#   module_file              nopin.ko for $kver
#   provider_dir             the folder with the provider's .so and .driver
#   tests_dir                the built tests (build_tests only)
#
# Needs: cache, tree, run, of arch.sh cross, arch, and of kernel.sh kver, kdir, kbuild, karch.

build_root() { echo "$cache/build/$(path_key "$tree")"; }

# Claims the build folder of this checkout; it is kept as long as the checkout exists.
build_claim() {
	local root
	root=$(build_root)
	mkdir -p "$root"
	[ -e "$root/tree" ] || echo "$tree" >"$root/tree"
	claim "$root"
}

build_discard_stale() {
	local dir
	for dir in "$cache"/build/*; do
		if ! [ -e "$dir/tree" ] || [ -e "$(<"$dir/tree")/nopin-vm" ]; then
			continue
		fi
		discard "$dir" && rm -f "$cache/locks/build-${dir##*/}"-*
	done
}

# mirror_sync DEST PATH…: mirrors the checkout's PATHs to DEST. Copies get new times, so
# that make sees them. Objects of a build inside the checkout are left out.
mirror_sync() {
	local dest=$1
	shift
	mkdir -p "$dest"
	[ -e "$dest/.sources" ] || : >"$dest/.sources"
	mirror_list "$@" >"$run/sources"
	cmp -s "$run/sources" "$dest/.sources" && return
	rm -f "$dest.built"
	(
		cd "$dest" || exit
		LC_ALL=C comm -23 .sources "$run/sources" | cut -f1 | uniq | tr '\n' '\0' | xargs -0r rm -f
	)
	(
		cd "$tree" || exit
		LC_ALL=C comm -13 "$dest/.sources" "$run/sources" | cut -f1 | uniq | tr '\n' '\0' |
			xargs -0r cp -f --parents -t "$dest"
	) || die "could not copy the sources to $dest"
	mv "$run/sources" "$dest/.sources"
}

# Lists files with checksums, not times: CI makes a fresh checkout each time.
mirror_list() (
	local sources=(-type f ! -name '*.o' ! -name '*.ko' ! -name '*.cmd' ! -name '*.mod'
		! -name '*.mod.c' ! -name '.*' ! -name modules.order ! -name Module.symvers
		! -name '*.pyc')
	cd "$tree" || exit
	{
		find "$@" "${sources[@]}" -printf '%p\t%m\n'
		find "$@" "${sources[@]}" -print0 | xargs -0r sha1sum |
			sed 's/^\([0-9a-f]*\)  \(.*\)/\2\t\1/'
	} | LC_ALL=C sort
)

# Installs the compiler that this kernel's headers require.
build_compiler() {
	local gcc
	gcc=$(sed -n 's/.*\(gcc-[0-9]\+\).*/\1/p' "$kbuild/.kernelvariables" 2>/dev/null |
		head -n1)
	[ -z "$gcc" ] || command -v "$cross$gcc" >/dev/null ||
		packages_install "$gcc${cross:+-${triplet/_/-}}"
}

sources() { find "$1" -name '*.c' | wc -l; }

build_module() {
	(build_module_locked) || exit
	module_file=$(build_root)/module-${kdir##*/}/kernel/nopin.ko
}

build_module_locked() {
	local dest
	dest=$(build_root)/module-${kdir##*/}
	lock "build-$(path_key "$tree")-${kdir##*/}"
	mirror_sync "$dest" kernel include
	[ "$dest.built" -nt "$kdir/unpacked" ] && return
	build_compiler
	say "building: module for $kver"
	step_long "$run/module.log" "$dest" "$(sources "$dest")" \
		make -s -C "$kbuild" ARCH="$karch" CROSS_COMPILE="$cross" \
		M="$dest/kernel" -j"$(nproc)" modules || die "the build failed: module for $kver"
	[ -e "$dest/kernel/nopin.ko" ] || die "the build gave no nopin.ko"
	touch "$dest.built"
}

build_provider() {
	(build_user_locked provider providers/nopin providers include) || exit
	provider_dir=$(build_root)/provider${cross:+-$arch}-build
}

build_tests() {
	# perf/patches are tested only if PERFTEST_SOURCE is set.
	[ -z "${PERFTEST_SOURCE-}" ] || packages_install "${packages_perftest[@]}"
	(build_user_locked tests . CMakeLists.txt Documentation debian include kernel providers \
		tests perf system nopin-vm action.yml .ci) || exit
	tests_dir=$(build_root)/tests${cross:+-$arch}-build
}

# Builds tests/kernel for $kver.
build_kverbs() { (build_kverbs_locked) || exit; }

build_kverbs_locked() {
	local dest=$tests_dir/kernel-$kver
	lock "build-$(path_key "$tree")-kverbs-$kver"
	mkdir -p "$dest"
	cp -u "$tree"/tests/kernel/* "$dest/"
	step "$run/kverbs.log" make -s -C "$kbuild" ARCH="$karch" CROSS_COMPILE="$cross" \
		M="$dest" modules ||
		die "the build failed: tests/kernel for $kver"
}

# build_user_locked NAME TOP PATH…: builds in user space; for the tests compiler warnings
# are errors.
build_user_locked() {
	local name=$1${cross:+-$arch} top=$2 dest strict=OFF cross_words
	[ "$1" != tests ] || strict=ON
	shift 2
	dest=$(build_root)/$name
	mapfile -t cross_words < <(arch_cmake)
	lock "build-$(path_key "$tree")-$name"
	mirror_sync "$dest" "$@"
	# Build again after packages were installed, as the build may look for one of
	# them.
	[ -e "$dest.built" ] && [ "$(<"$dest.built")" = "${PERFTEST_SOURCE-}" ] &&
		[ "$dest.built" -nt /var/lib/dpkg/status ] && return
	say "building: $name"
	step "$run/$name.log" arch_env cmake -S "$dest/$top" -B "$dest-build" \
		"${cross_words[@]}" \
		-DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_INSTALL_PREFIX=/usr \
		-DNOPIN_MODULE=OFF -DCMAKE_RULE_MESSAGES=OFF \
		-DCMAKE_COMPILE_WARNING_AS_ERROR=$strict \
		-DPERFTEST_SOURCE="${PERFTEST_SOURCE:+$(realpath -m "$PERFTEST_SOURCE")}" ||
		die "cmake failed: $name"
	step_long "$run/$name.log" "$dest-build" "$(sources "$dest/$top")" cmake --build "$dest-build" -j"$(nproc)" \
		-- -s --no-print-directory ||
		die "the build failed: $name"
	echo "${PERFTEST_SOURCE-}" >"$dest.built"
}
