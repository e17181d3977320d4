# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # variables of nopin-vm
# nopin-vm test: the unit tests on the host, then the suite in a VM of each
# kernel. Results are lines "PASS …", "FAIL …" and "SKIP …"; they are counted
# at the end, over everything.
#
# Needs: cache, tree, run, only, engine, cross, kernel, kernel_given, options_given, tests_dir,
# fuzz, kernel_tree, source_dir. Sets beside, and what a boot needs: nodes, command, filter.

suite_result() { echo "$*" | tee -a "$run/results"; }

# suite_scripts smoke|full|foreign: prints the names of the scripts to run, one per line.
suite_scripts() {
	local script name
	for script in "$tree"/tests/vm/suite.d/*; do
		name=${script##*/}
		# shellcheck disable=SC2053 # a glob is meant
		[[ $name == $only ]] || continue
		case $1 in
		full) ! grep -qE '^# foreign: *only' "$script" ;;
		foreign) grep -qE '^# foreign: ' "$script" ;;
		smoke) grep -qE '^# smoke: *yes' "$script" ;;
		esac || continue
		echo "$name"
	done
}

# Prints the largest value of a number KEY in the heads of these scripts.
# suite_need KEY DEFAULT NAME…
suite_need() {
	local key=$1 most=$2 name value
	shift 2
	for name in "$@"; do
		value=$(sed -n "s/^# $key: *\([0-9]*\).*/\1/p" \
			"$tree/tests/vm/suite.d/$name" | head -n1)
		if [ -n "$value" ] && [ "$value" -gt "$most" ]; then
			most=$value
		fi
	done
	echo "$most"
}

# True if one of these scripts needs the edu device and the engine has it.
suite_wants_dma() {
	[ "$engine" = qemu ] && (cd "$tree/tests/vm/suite.d" && grep -q '^# dma: edu' -- "$@")
}

# Runs the tests that need no VM, with ctest.
suite_unit() {
	# shellcheck disable=SC2053 # a glob is meant
	[[ unit == $only ]] || return 0
	local status
	suite_result "INFO unit tests"
	NOPIN_CACHE=$cache ctest --test-dir "$tests_dir" -j2 --output-on-failure \
		>"$run/ctest" 2>&1 </dev/null
	status=$?
	sed -nE 's,^ *[0-9]+/[0-9]+ Test +#[0-9]+: ([^ ]+) [ .]*([^ ].*[^ ]) +[0-9.]+ sec.*,\2 unit:\1,p' \
		"$run/ctest" | sed -E -e 's/^Passed /PASS /' \
		-e 's/^\*\*\*Skipped (.*)/SKIP \1: skipped by ctest/' \
		-e 's/^\*\*\*(.*) ([^ ]+)$/FAIL \2: \1/' | tee -a "$run/results"
	[ "$status" != 0 ] || return 0
	sed 's/^/  | /' "$run/ctest"
	grep -q '^FAIL ' "$run/results" || suite_result "FAIL unit: ctest ended with status $status"
}

# Runs the tests of nopin-vm itself.
suite_self() {
	# shellcheck disable=SC2053 # a glob is meant
	[[ vm == $only ]] || return 0
	suite_result "INFO nopin-vm itself"
	NOPIN_CACHE=$cache "$tree/tests/vm/self" --engine "$engine" </dev/null | tee "$run/self" ||
		grep -q '^FAIL ' "$run/self" || echo "FAIL vm: it ended early" | tee -a "$run/self"
	cat "$run/self" >>"$run/results"
}

# Tests the CI support for users (Documentation/ci.md).
suite_ci() {
	# shellcheck disable=SC2053 # a glob is meant
	[[ ci == $only ]] || return 0
	suite_result "INFO for the CI of others"
	local check=("$tree/tests/vm/ci/check" --engine "$engine")
	if [ -n "$ci" ]; then
		packages_install mmdebstrap
		check=(as_root env "NOPIN_CACHE=$cache" unshare -m "${check[@]}" --root "$run")
	fi
	NOPIN_CACHE=$cache "${check[@]}" </dev/null | tee "$run/ci" ||
		grep -q '^FAIL ' "$run/ci" || echo "FAIL ci: it ended early" | tee -a "$run/ci"
	cat "$run/ci" >>"$run/results"
}

# Prints the first sentence of a script's head.
suite_about() {
	awk '/^#!/ || /SPDX/ || /^# [a-z]*: / {next} !/^# / {exit}
		{sub(/^# /, ""); text = text $0 " "}
		END {sub(/\. .*/, "", text); sub(/ $/, "", text); print text}' "$1"
}

# Lists the names that --only takes.
suite_list() {
	local script program
	printf '%-14s %s\n' unit "what needs no VM (ctest)" \
		packages "the Debian packages: they build, and hold what they should" \
		vm "what nopin-vm promises of itself" ci "the GitHub Action, as far as it runs here"
	for script in "$tree"/tests/vm/suite.d/*; do
		printf '%-14s %s\n' "${script##*/}" "$(suite_about "$script")"
	done
	while read -r program; do
		"$tests_dir/tests/verbs/$program" --list | sed "s/^/$program:/"
	done < <(suite_programs)
}

suite_programs() { sed -n 's/^\([a-z][a-z0-9_]*\).*/\1/p' "$tree/tests/verbs/programs"; }

# suite_one PROGRAM:TEST: runs C tests by name, in one VM.
suite_one() {
	local status
	suite_programs | grep -qxF "${1%%:*}" ||
		die "there is no C test program ${1%%:*} (nopin-vm test --list names them)"
	prepare_kernel "$kernel"
	filter=(tee "$run/suite")
	command=("$tree/tests/vm/one" "${1%%:*}" "${1#*:}")
	boot
	status=$?
	grep -E '^(PASS|FAIL|SKIP) ' "$run/suite" >>"$run/results"
	[ "$status" = 0 ] || grep -q '^FAIL ' "$run/results" ||
		suite_result "FAIL vm: status $status ($kver)"
}

# suite_kernel KERNEL full|foreign
suite_kernel() {
	local names status begun again='' why
	mapfile -t names < <(suite_scripts "$2")
	[ "${#names[@]}" -gt 0 ] || return 0
	# A failed set-up must not end the run without the final count.
	(prepare_kernel "$1") || {
		suite_result "FAIL boot: no VM with the kernel $1 could be set up"
		return
	}
	prepare_kernel "$1"
	filter=(tee -a "$run/suite")
	while [ "${#names[@]}" -gt 0 ]; do
		nodes=$(suite_need nodes "$nodes" "${names[@]}")
		[ "$dma" != none ] || ! suite_wants_dma "${names[@]}" || dma=edu
		command=("$tree/tests/vm/suite" "${names[@]}")
		: >"$run/suite"
		suite_result "INFO Linux $kver ($2): ${names[*]}"
		boot
		status=$?
		begun=$(sed -n 's/^INFO suite begins //p' "$run/suite" | tail -n1)
		if [[ $vm_ended != yes && $begun != "$again" ]] && why=$("${engine}_spoiled"); then
			suite_result "INFO $why; $begun begins again"
			sed "/^INFO suite begins $begun\$/,\$d" "$run/suite" | suite_counted
			again=$begun
			suite_from "$begun"
			continue
		fi
		suite_counted <"$run/suite"
		[ "$vm_ended" != yes ] || break
		suite_result "FAIL ${begun:-boot}: the VM did not live through it ($kver)"
		[ -n "$begun" ] || break
		suite_from "$begun"
		names=("${names[@]:1}")
	done
	if [ "$status" != 0 ] && ! grep -q '^FAIL ' "$run/suite" "$run/results"; then
		suite_result "FAIL vm: status $status ($kver)"
	fi
}

suite_counted() { grep -E '^(PASS|FAIL|SKIP) ' >>"$run/results"; }

# Keeps in names NAME and the names after it.
suite_from() {
	while [ "${#names[@]}" -gt 0 ] && [ "${names[0]}" != "$1" ]; do
		names=("${names[@]:1}")
	done
}

# Fuzzes the transport as a program (tests/fuzz), built with the headers of the kernel
# "uml". After a failure all files are kept, in a folder in $fuzz.
suite_fuzz() {
	local work
	: >"$run/results"
	work=$(mktemp -d "$fuzz/nopin-fuzz.XXXXXX") || exit
	(cd "$work" && "$tree/tests/fuzz/run" "$kernel_tree" "$source_dir" \
		"${NOPIN_FUZZ_SECONDS:-600}") | tee -a "$run/results" ||
		grep -q '^FAIL ' "$run/results" || suite_result "FAIL fuzz: it ended early"
	suite_end && rm -rf "$work"
}

suite_count() { grep -c "^$1 " "$run/results"; }

# Begins the short suite on the older kernel, as a nopin-vm of its own beside the tests that
# mostly need no VM. The full suite, which judges by time in places, begins when it is done.
suite_beside_begin() {
	local names
	names=$(suite_scripts smoke | paste -sd '|')
	[ -n "$names" ] || return 0
	if ! kernel_debian_known 6.1; then
		suite_result "SKIP Linux 6.1: not among the packages of this Debian"
		return
	fi
	NOPIN_CACHE=$cache setsid setpriv --pdeathsig TERM "$tree/nopin-vm" test \
		"${options_given[@]}" --kernel 6.1 --only "@($names)" >"$run/beside.out" 2>&1 &
	beside=$!
}

suite_beside_end() {
	[ -n "$beside" ] || return 0
	wait "$beside"
	beside=
	suite_counted <"$run/beside.out"
	if tail -n1 "$run/beside.out" | grep -q ' passed, '; then
		# That line counts its results, which are counted again with all others.
		sed -e '$d' -e '/^nopin-vm: FAIL /d' "$run/beside.out"
	else
		cat "$run/beside.out"
		suite_result "FAIL vm: the suite on Linux 6.1 ended early"
	fi
}

suite_run() {
	local begun=$SECONDS two=''
	[ -n "$cross$kernel_given" ] || [ "$engine" != qemu ] || [[ $only = *:* ]] || two=yes
	: >"$run/results"
	[ -z "$two" ] || suite_beside_begin
	# Tests on the host say nothing about another architecture.
	if [ -z "$cross" ]; then
		suite_unit
		suite_packages
		suite_self
		suite_ci
	fi
	if [[ $only = *:* ]]; then
		suite_one "$only"
	elif [ -n "$cross" ]; then
		suite_kernel "$kernel" foreign
	else
		suite_beside_end
		suite_kernel "$kernel" full
	fi
	suite_result "INFO took $((SECONDS - begun)) s"
	suite_end
}

# Prints the last line; returns the exit status.
suite_end() {
	grep '^FAIL ' "$run/results" | sed 's/^/nopin-vm: /' >&2
	grep -qE '^(PASS|FAIL|SKIP) ' "$run/results" ||
		say "no test is called $only (nopin-vm test --list names them)"
	echo "$(suite_count PASS) passed, $(suite_count FAIL) failed, $(suite_count SKIP) skipped"
	[ "$(suite_count FAIL)" = 0 ] && [ "$(suite_count PASS)" -gt 0 ]
}
