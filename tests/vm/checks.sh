# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash
# Sourced by the scripts of suite.d, which run in the VM: functions that print one line
# per check, and helpers for several scripts.
#
#   PASS name
#   FAIL name: reason
#   SKIP name: reason

tree=${NOPIN_TREE:?run this with nopin-vm}
export PATH=$PATH:/usr/sbin:/sbin
work=$(mktemp -d /tmp/suite.XXXXXX)
failures=0

# patience SECONDS: a time limit, longer on debug kernels, which check every access.
patience() { echo $(($1 * ${NOPIN_PATIENCE:-1})); }

# perftest's option for an ACK timeout in which a debug kernel can process a window of
# packets: 2 s. Other kernels use perftest's usual 67 ms.
qp_timeout=()
[ "${NOPIN_PATIENCE:-1}" = 1 ] || qp_timeout=(-u 19)

pass() { printf 'PASS %s\n' "$1"; }
skip() { printf 'SKIP %s: %s\n' "$1" "$2"; }

# excerpt FILE LINES PREFIX: the begin and the end of FILE. A program writes its errors at
# once and its output when it exits, so the errors may come first.
excerpt() {
	awk -v most="$2" -v prefix="  | $3" '
		{ line[NR] = $0 }
		END {
			for (i = 1; i <= NR; i++)
				if (NR <= 2 * most || i <= most || i > NR - most)
					print prefix line[i]
				else if (i == most + 1)
					print prefix "…"
		}' "$1"
}

# fail NAME REASON [FILE]: also shows an excerpt of FILE.
fail() {
	printf 'FAIL %s: %s\n' "$1" "$2"
	[ -z "${3-}" ] || excerpt "$3" "${show_lines:-15}" ""
	failures=$((failures + 1))
}

# The last line of every script: exits with 1 if a check failed, else 0.
suite_end() {
	rm -rf "$work"
	[ "$failures" = 0 ]
	exit
}

# limited COMMAND…: with a time limit, unless it is a function of the script.
limited() {
	if declare -F "$1" >/dev/null; then
		"$@"
	else
		timeout "$(patience "${limit:-60}")" "$@"
	fi >"$work/check" 2>&1 </dev/null
}

# check NAME COMMAND…: passes when COMMAND succeeds.
check() {
	local name=$1 status
	shift
	limited "$@"
	status=$?
	case $status in
	0) pass "$name" ;;
	124) fail "$name" "not done after ${limit:-60} s" "$work/check" ;;
	*) fail "$name" "status $status of: $*" "$work/check" ;;
	esac
	return "$status"
}

# refuse NAME COMMAND…: passes when COMMAND fails by itself: it exists, did not time out
# and was not killed.
refuse() {
	local name=$1 status
	shift
	limited "$@"
	status=$?
	if [ "$status" = 0 ]; then
		fail "$name" "succeeded: $*" "$work/check"
	elif [ "$status" -ge 124 ] && [ "$status" != 255 ]; then
		fail "$name" "status $status of: $*" "$work/check"
	else
		pass "$name"
	fi
}

# expect NAME WANTED GOT
expect() {
	if [ "$2" = "$3" ]; then
		pass "$1"
	else
		fail "$1" "wanted '$2', got '$3'"
	fi
}

# becomes NAME COMMAND…: passes when COMMAND succeeds within 10 s.
becomes() {
	local name=$1
	shift
	if until_true 10 limited "$@"; then
		pass "$name"
	else
		fail "$name" "not so after 10 s: $*" "$work/check"
	fi
}

# until_true SECONDS COMMAND…
until_true() {
	local end=$((SECONDS + $(patience "$1")))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# listening NODE tcp|cm PORT PID: true if a server listens there, or PID is gone. The
# kernel shows an rdma_cm ID as listening too early, so its owner must also sleep already.
listening() {
	local owner
	kill -0 "$4" 2>/dev/null || return 0
	case $2 in
	tcp) on "$1" ss -Htln "sport = :$3" | grep -q . ;;
	cm)
		owner=$(on "$1" rdma resource show cm_id state LISTEN | grep ":$3 " |
			sed -n '1s/.* pid \([0-9]*\) .*/\1/p')
		[ -n "$owner" ] && sleeps "$owner"
		;;
	esac
}

# sleeps PID: true if all its threads sleep.
sleeps() { ! grep -hs '^State:' "/proc/$1/task/"*/status | grep -q 'R (running)'; }

# server_up NODE tcp|cm PORT PID: waits for "listening", as long as a command may take.
server_up() { until_true "${limit:-60}" listening "$@"; }

# pair NAME HOW PORT SERVER_COMMAND -- CLIENT_COMMAND: starts the server in $server
# (default node1), then the client in $client (node0); passes when both succeed. HOW is
# how the server listens on PORT: tcp or cm. Their output goes to $work/server and
# $work/client.
pair() {
	local name=$1 how=$2 port=$3 command=() pid ours theirs
	shift 3
	while [ "$1" != -- ]; do
		command+=("$1")
		shift
	done
	shift
	timeout "$(patience "${limit:-60}")" on "${server:-node1}" "${command[@]}" \
		>"$work/server" 2>&1 </dev/null &
	pid=$!
	server_up "${server:-node1}" "$how" "$port" "$pid" ||
		echo "the server does not listen on port $port" >>"$work/server"
	timeout "$(patience "${limit:-60}")" on "${client:-node0}" "$@" >"$work/client" 2>&1 </dev/null
	ours=$?
	[ "$ours" = 0 ] || { sleep 1; kill "$pid"; } 2>/dev/null
	wait "$pid" 2>/dev/null
	theirs=$?
	if [ "$ours" = 0 ] && [ "$theirs" = 0 ]; then
		[ -z "$name" ] || pass "$name"
		return 0
	fi
	fail "${name:-pair}" "status $ours of the client, $theirs of the server: $*" \
		"$work/client"
	excerpt "$work/server" 5 "server: "
	return 1
}

# gid_index NODE DEVICE ADDRESS-PATTERN: prints the index of the RoCE v2 GID that matches.
gid_index() {
	on "$1" bash -c '
		cd "/sys/class/infiniband/$1/ports/1" || exit
		for i in {0..15}; do
			[ "$(cat gid_attrs/types/$i 2>/dev/null)" = "RoCE v2" ] || continue
			grep -q "$2" gids/$i && echo "$i" && exit
		done
		exit 1' - "$2" "$3"
}
gid_v4() { gid_index "$1" "$2" '^0000:0000:0000:0000:0000:ffff:'; }
gid_v6() { gid_index "$1" "$2" '^fd'; }

# counter NODE DEVICE NAME: prints the present value. The kernel caches counters for 10
# ms, so wait for longer than that first.
counter() {
	sleep 0.02
	on "$1" cat "/sys/class/infiniband/$2/ports/1/hw_counters/$3"
}

# device_counter DEVICE NAME: the same for a device in the first namespace.
device_counter() { counter init "$@"; }

# vmstat FIELD: prints an exact value. Each CPU adds its counts to the totals only every
# second or two; stat_refresh makes all CPUs do so now.
vmstat() {
	echo 1 >/proc/sys/vm/stat_refresh
	awk -v field="$1" '$1 == field {print $2}' /proc/vmstat
}

# network [NETEM…]: what each node sends meets with that; sound without. A qdisc that is only
# changed keeps some of what it did before.
network() {
	local node
	for node in node0 node1; do
		on "$node" tc qdisc del dev eth0 root 2>/dev/null
		[ $# = 0 ] || on "$node" tc qdisc add dev eth0 root netem "$@" || return
	done
}

# Counters of pages pinned for DMA: pages ever pinned, and pages pinned now.
pins_acquired() { vmstat nr_foll_pin_acquired; }
pinned_pages() { echo "$(($(pins_acquired) - $(vmstat nr_foll_pin_released)))"; }

# Enables 512 MiB of swap on a compressed RAM disk.
swap_on() {
	modprobe zram num_devices=1 || return
	swap_disk=$(cat /sys/class/zram-control/hot_add) &&
		echo 512M >"/sys/block/zram$swap_disk/disksize" &&
		mkswap "/dev/zram$swap_disk" && swapon "/dev/zram$swap_disk"
}

swap_off() {
	swapoff "/dev/zram$swap_disk" &&
		echo "$swap_disk" >/sys/class/zram-control/hot_remove
}

# built NAME: prints the path of a test program.
built() { find "${NOPIN_TESTS:-/nonexistent}" -name "$1" -type f | head -n1; }

# kernel_module NAME: prints the path of a module of tests/kernel, built for this kernel.
kernel_module() {
	find "${NOPIN_TESTS:-/nonexistent}" -path "*kernel-$(uname -r)/$1.ko"
}

# Prints the folder of the built C tests on libibverbs.
verbs_folder() {
	find "${NOPIN_TESTS:-/nonexistent}" -type d -path '*tests/verbs' | head -n1
}

# verbs_programs WAY: prints the programs that tests/verbs/programs lists for this script
# and WAY.
verbs_programs() {
	awk -v script="${0##*/}" -v way="$1" '/^[a-z]/ && $2 == script {
		for (i = 3; i <= NF; i++) if ($i == way) print $1}' "$tree/tests/verbs/programs"
}

# [node=NODE] verbs_program PROGRAM WORDS OPTION…: runs a C test program, in NODE if
# given, and converts cmocka's lines into those of the suite.
verbs_program() {
	local program=$1 words=$2 file status
	file=$(verbs_folder)/$program
	[ -x "$file" ] || file=$(built "$program")
	[ -x "$file" ] || { fail "verbs:$program" "was not built"; return; }
	shift 2
	timeout "$(patience "${limit:-400}")" ${node:+on "$node"} "$file" "$@" >"$work/out" 2>&1 </dev/null
	status=$?
	# At the end cmocka lists the skipped tests again.
	awk -v program="$program" -v words="$words" '
		/^skip[a-z]*: */ {why = $0; sub(/^skip[a-z]*: */, "", why)}
		/^\[  SKIPPED \] [0-9]+ test/ {exit}
		/^\[       OK \] / {print "PASS " program ":" substr($0, 14) words; why = ""}
		/^\[  SKIPPED \] ./ {
			print "SKIP " program ":" substr($0, 14) words ": " (why ? why : "see the test")
			why = ""
		}' "$work/out"
	[ "$status" = 0 ] || show_lines=60 fail "verbs:$program$words" \
		"status $status: $(verbs_failed)" "$work/out"
}

# Prints the reasons of all failed tests; or the last line if no test has failed.
verbs_failed() {
	sed -n 's/^fail: //p' "$work/out" | paste -s -d';' | grep . || tail -n1 "$work/out"
}

module_users() { awk '$1 == "nopin" {print $3}' /proc/modules; }

slab_mib() { awk '/^(SUnreclaim|KernelStack|VmallocUsed|Percpu):/ {sum += $2}
	END {print int(sum / 1024)}' /proc/meminfo; }

# memory_begin, then memory_is_back: checks that the kernel has released all memory that
# it allocated in between. With kmemleak the check looks for leaked objects, as KASAN
# delays frees; elsewhere it compares totals.
memory_begin() {
	[ ! -e /sys/kernel/debug/kmemleak ] || echo clear >/sys/kernel/debug/kmemleak
	echo 3 >/proc/sys/vm/drop_caches
	memory_before=$(slab_mib)
}

memory_is_less() {
	echo 3 >/proc/sys/vm/drop_caches
	memory_after=$(slab_mib)
	[ "$memory_after" -le $((memory_before + 16)) ]
}

memory_is_back() {
	local leaks=/sys/kernel/debug/kmemleak
	if [ -e "$leaks" ]; then
		echo scan >"$leaks"
		sleep 6
		echo scan >"$leaks"
		expect "kmemleak" "" "$(head -c 2000 "$leaks")"
		return
	fi
	# Some is freed only after a grace period.
	if until_true 10 memory_is_less; then
		pass "kernel memory is back where it was ($memory_before MiB, now $memory_after MiB)"
	else
		fail "kernel memory" "$memory_before MiB before, $memory_after MiB after"
	fi
}

# documented NAME [SED]: runs the commands of storage.md under that name, changed by SED
# (to use other addresses).
documented() {
	sed -n "/^\`\`\`sh $1\$/,/^\`\`\`\$/p" "$tree/Documentation/storage.md" |
		sed -e '1d;$d' -e "${2-}" >"$work/$1"
	[ -s "$work/$1" ] && bash -ex "$work/$1"
}

# verified NAME OPTION…: runs fio with verification; it fails and reports if data differ.
verified() {
	local name=$1
	shift
	limit=120 check "$name" fio --name=v --verify=crc32c --do_verify=1 \
		--verify_fatal=1 --ioengine=libaio --direct=1 "$@"
}
