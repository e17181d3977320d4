# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# nopin-vm bench: perf/guest in the VM writes result.json ("bench odp": odp.json, "bench
# apps": apps.json, "bench storage": storage.json). Then perf/report on the host makes
# tables, plots and one page from the files that exist.
#
# Needs: tree, run, output, quick, only, timeout, bench_what, and of kernel.sh kver, kdir,
# kbuild. Sets: bench_siw, bench_label, packages_bench, and what a boot needs: command, pass_env.

packages_bench=(gnuplot-nox python3)
packages_bench_apps=(openmpi-bin libopenmpi-dev ucx-utils libfabric-bin fio)
packages_bench_storage=(fio nfs-common nfs-kernel-server)

bench_siw=''

# Debian's kernel has no siw module: build it from Debian's source of the same series, or
# leave siw out if that is not available.
bench_siw() {
	bench_siw=''
	! modinfo -b "$kdir/root" -k "$kver" siw >/dev/null 2>&1 || return 0
	[[ $kver == "$SOURCE_SERIES".* ]] || return 0
	packages_install "${packages_source[@]}"
	source_tree
	(bench_siw_locked) || say "siw could not be built; going on without it"
	bench_siw=$kdir/siw/siw.ko
	[ -e "$bench_siw" ] || bench_siw=''
}

bench_siw_locked() {
	lock "siw-$kver"
	[ "$kdir/siw/siw.ko" -nt "$kdir/unpacked" ] && return
	build_compiler
	say "building: siw for $kver"
	rm -rf "$kdir/siw"
	cp -r "$source_dir/drivers/infiniband/sw/siw" "$kdir/siw" || return
	step "$run/siw.log" make -s -C "$kbuild" M="$kdir/siw" CONFIG_RDMA_SIW=m modules
}

bench_output() {
	mkdir -p "$output" || die "cannot write to $output"
	output=$(realpath -e "$output")
}

bench_options() {
	bench_file=result.json
	case $bench_what in
	odp)
		bench_file=odp.json
		command=("$tree/perf/guest" odp --json "$bench_file")
		;;
	apps | storage)
		bench_file=$bench_what.json
		command=("$tree/perf/guest" "$bench_what" --output "$bench_file")
		;;
	*) command=("$tree/perf/guest" --output "$bench_file") ;;
	esac
	command+=(--label "$bench_label")
	[ -z "$quick" ] || command+=(--quick --sample 60 --repeats 3)
	[ "$only" = '*' ] || command+=(--only "$only")
	[ "$timeout" != 0 ] || timeout=2400
	NOPIN_SIW=$bench_siw
	pass_env+=(NOPIN_SIW)
}

# Runs in $output, to which the guest writes.
bench_run() {
	local status file results=()
	rm -f "$bench_file"
	boot
	status=$?
	[ -e "$bench_file" ] || return "$((status ? status : 1))"
	# Include results of the other benchmarks in this folder.
	for file in "$bench_file" result.json odp.json apps.json storage.json; do
		[[ ! -e $file || " ${results[*]} " == *" $file "* ]] || results+=("$file")
	done
	python3 -B "$tree/perf/report" "${results[@]}" || return
	say "see $output/index.html"
	return "$status"
}
