# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# Tests of the Debian packages, part of every "nopin-vm test": they can be built, lintian
# finds nothing, and they contain the files that "cmake --install" installs.

packages_tools=(debhelper dh-dkms dpkg-dev lintian)

# packages_build: builds the .debs of this checkout into $packages_dir.
packages_build() {
	packages_dir=$(build_root)/packages
	(packages_build_locked)
}

packages_build_locked() {
	local source=$packages_dir/nopin
	lock "build-$(path_key "$tree")-packages"
	mirror_sync "$source" .ci CMakeLists.txt action.yml README.md Documentation debian include kernel \
		nopin-vm perf providers system tests
	[ -e "$source.built" ] && return
	say "building: packages"
	rm -f "$packages_dir"/*.*
	# Without unit tests, which have been run already, and without debug symbols.
	cd "$source" &&
		DEB_BUILD_OPTIONS="nocheck noautodbgsym parallel=$(nproc)" \
			step "$run/packages.log" dpkg-buildpackage -b -us -uc || return
	touch "$source.built"
}

# packages_prepared: builds the packages, or prints why it cannot.
packages_prepared() {
	if [ ! -d "$tree/debian" ]; then
		suite_result "SKIP packages: an installed nopin-vm comes without debian/"
		return 1
	fi
	if ! (packages_install "${packages_tools[@]}"); then
		suite_result "SKIP packages: debhelper, dh-dkms or lintian cannot be installed here"
		return 1
	fi
	packages_build && return
	suite_result "FAIL packages: they do not build"
	return 1
}

# packages_check NAME COMMAND…
packages_check() {
	local name=$1
	shift
	if "$@" >"$run/words" 2>&1; then
		suite_result "PASS packages: $name"
	else
		suite_result "FAIL packages: $name"
		sed 's/^/  | /' "$run/words"
	fi
}

suite_packages() {
	# shellcheck disable=SC2053 # a glob is meant
	[[ packages == $only ]] || return 0
	suite_result "INFO packages"
	packages_prepared || return 0
	packages_check "lintian has nothing to say" packages_lintian
	packages_check "they hold what cmake --install installs" packages_agree
	packages_check "the module's sources are all there" packages_sources
	packages_check "the provider says which libibverbs it fits" packages_bounded
}

packages_lintian() (
	lintian --fail-on error,warning "$packages_dir"/*.changes
)

packages_unpack() {
	local deb
	rm -rf "$run/packaged"
	for deb in "$packages_dir"/*.deb; do
		dpkg-deb -x "$deb" "$run/packaged" || return
	done
}

# Units are below / or /usr, depending on the release: treat both alike.
packages_list() (
	cd "$1" && find . ! -type d -printf '%P\n' |
		sed 's,^\(usr/share/man/.*\)\.gz$,\1,; s,^lib/,usr/lib/,' | LC_ALL=C sort
)

# Documentation, lintian overrides and DKMS sources exist in the packages only.
packages_agree() {
	packages_unpack &&
		DESTDIR=$run/installed cmake --install "$tests_dir" >"$run/install.log" || return
	packages_list "$run/installed" >"$run/installed.list"
	packages_list "$run/packaged" | grep -vE '^usr/(share/(doc|lintian)|src)/' \
		>"$run/packaged.list"
	grep -q . "$run/packaged.list" && diff "$run/installed.list" "$run/packaged.list"
}

packages_sources() {
	local source
	packages_unpack
	source=$(echo "$run"/packaged/usr/src/nopin-*)
	diff -r "$tree/kernel" "$source/kernel" -x CMakeLists.txt -x '*.cmake' -x '*.in' \
		-x '*.o' -x '*.ko' -x '*.mod' -x '*.mod.c' -x '.*' -x modules.order -x Module.symvers &&
		diff -r "$tree/include" "$source/include" &&
		grep -q "^PACKAGE_VERSION=\"${source##*-}\"$" "$source/dkms.conf"
}

packages_bounded() {
	local depends
	depends=$(dpkg-deb -f "$packages_dir"/ibverbs-provider-nopin_*.deb Depends)
	echo "$depends"
	[[ $depends == *'libibverbs1 (>= '* && $depends == *'libibverbs1 (<< '* ]]
}
