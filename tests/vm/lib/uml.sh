# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# shellcheck shell=bash disable=SC2034,SC2154 # nopin-vm's
# The engine uml: User Mode Linux, a kernel that is an ordinary program of the
# host. Its ports (boot.sh) are serial lines on pipes.
#
# Needs: cache, tree, run, mem, interactive; of kernel.sh kdir; of boot.sh the open files
# in, out, err. Sets: engine_words, cpu_mhz, vm_pid, vm_input, vm_drains.

readonly UML_NAME="User Mode Linux"
readonly UML_MAPPINGS=1048576	# of 4 KiB: as much as a guest of 4 GiB has
uml_append=(
	console=ttyS0 con=null ssl=null quiet loglevel=5 panic=-1 oops=panic
	softlockup_panic=1 audit=0 log_buf_len=4M
)

uml_prepare() {
	engine_words="User Mode Linux"
	uml_mappings
	cpu_mhz=$(uml_tsc_rate) || die "could not find out how fast the CPU counts"
}

# Raises the host's limit of mappings per process. Each page of a guest's program that
# does not follow the one before it in the guest's memory needs a mapping of the host. At
# the limit the guest kills the program with SIGSEGV.
uml_mappings() {
	local setting=/proc/sys/vm/max_map_count
	[ "$(cat $setting)" -lt "$UML_MAPPINGS" ] || return 0
	{ echo "$UML_MAPPINGS" >$setting; } 2>/dev/null &&
		say "vm.max_map_count of this host is $UML_MAPPINGS now (sysctl)"
	return 0
}

# Called by vm_status: explains a message in the kernel's log.
uml_words() {
	! grep -qs 'ran out of memory on the host side' "$run/dmesg" "$run/console" ||
		say "a program of the guest needed more mappings than the host lets a process have:" \
			"sysctl vm.max_map_count=$UML_MAPPINGS there (now $(cat /proc/sys/vm/max_map_count))"
}

uml_tsc_rate() {
	local program=$cache/tsc-rate source=$tree/tests/vm/lib/tsc-rate.c
	if ! [ "$program" -nt "$source" ]; then
		step "$run/tsc-rate.log" gcc -O2 -o "$run/tsc-rate" "$source" &&
			mv "$run/tsc-rate" "$program" || return
	fi
	"$program"
}

# Opens $in: the input in pieces with lengths, as a serial line cannot transmit an end of
# file.
uml_input() {
	[ -z "$interactive" ] || stty raw -echo
	exec {in}< <(exec "$tree/tests/vm/guest/stdin" send "$run/quit")
	vm_input=$!
}

# Prints the folder for the file that is the guest's memory: a tmpfs if one has enough
# room, so that the file is not written to a disk.
uml_memory_folder() {
	local folder need=${mem%?}
	[ "${mem: -1}" = M ] || need=$((need * 1024))
	for folder in /dev/shm "${XDG_RUNTIME_DIR:-/dev/shm}" /tmp; do
		[[ -d $folder && -w $folder && $(stat -fc %T "$folder") = tmpfs ]] || continue
		[[ ,$(findmnt -no OPTIONS -T "$folder"), != *,noexec,* ]] || continue
		[ "$(df --output=avail -BM "$folder" | tr -dc '0-9\n' | tail -n1)" -ge "$need" ] ||
			continue
		echo "$folder" && return
	done
	echo "$run"
}

# uml_line NUMBER OUTPUT: adds a serial line without input. Each line reads from an idle
# pipe of its own.
uml_line() {
	local idle
	exec {idle}<>"$run/idle"
	arguments+=("ssl$1=fd:$idle,fd:$2")
	lines+=("$idle")
}

# uml_file NUMBER FILE: adds a serial line that is written to a file, through a pipe, as
# UML cannot poll files.
uml_file() {
	local to
	exec {to}> >(exec cat >"$2")
	vm_drains+=($!)
	uml_line "$1" "$to"
	lines+=("$to")
}

# Adds two lines for further commands: with one line, under load in both directions, UML
# does not return from its interrupts. UML misses interrupts of a pipe that is open for
# reading and writing; such descriptors serve here only to keep the other ends from
# waiting and from seeing an end of file.
uml_channel() {
	local keep_in keep_out from to idle
	vm_channel_wanted || return 0
	exec {keep_in}<>"$run/line.in" {keep_out}<>"$run/line.out" {idle}<>"$run/idle"
	exec {from}<"$run/line.in" {to}>"$run/line.out"
	arguments+=("ssl6=fd:$from,fd:$idle")
	uml_line 7 "$to"
	lines+=("$from" "$to" "$idle" "$keep_in" "$keep_out")
}

# Runs the command that follows with the guest's two NICs: both ends of a socket pair. A
# NIC that is taken down closes its end for ever; a second descriptor keeps the other NIC
# from seeing that.
# shellcheck disable=SC2016 # for perl
uml_with_nics=(perl -MSocket -MFcntl -e '
	socketpair(my $a, my $b, AF_UNIX, SOCK_SEQPACKET, 0) or die "socketpair: $!\n";
	open(my $keep_a, "+<&", $a), open(my $keep_b, "+<&", $b);
	for ($a, $b, $keep_a, $keep_b) {
		fcntl($_, F_SETFD, 0);
		setsockopt($_, SOL_SOCKET, SO_SNDBUF, 1 << 20);
	}
	my $n = 0;
	push @ARGV, map { "vec" . $n++ . ":transport=fd,fd=" . fileno($_) . ",mtu=9000" } $a, $b;
	exec @ARGV or die "$ARGV[0]: $!\n";'
)

# Prints one of the allowed CPUs at random. The kernel and the guest's processes
# alternate, and are ten times as fast on one CPU as on two.
uml_cpu() {
	local allowed range list=()
	IFS=, read -ra allowed < <(awk '/^Cpus_allowed_list:/ {print $2}' /proc/self/status)
	for range in "${allowed[@]}"; do
		mapfile -t -O "${#list[@]}" list < <(seq "${range%-*}" "${range#*-}")
	done
	echo "${list[RANDOM % ${#list[@]}]}"
}

# Starts UML on the open files $in, $out and $err; sets vm_pid, whose process
# group holds the guest's processes: when UML dies, it signals them all.
uml_start() {
	local arguments=() lines=() idle fd
	rm -f "$run/idle"
	mkfifo "$run/idle"
	uml_file 0 "$run/console"
	uml_file 4 "$run/control"
	uml_file 5 "$run/dmesg"
	uml_line 2 "$out"
	uml_line 3 "$err"
	uml_channel
	exec {idle}<>"$run/idle"
	arguments+=("ssl1=fd:$in,fd:$idle" "mem=$mem" "initrd=$run/initrd"
		"uml_dir=$run/" umid=uml)
	ulimit -c 0
	TMPDIR=$(uml_memory_folder) setsid taskset -c "$(uml_cpu)" "${uml_with_nics[@]}" \
		"$kdir/image" "${uml_append[@]}" "${arguments[@]}" </dev/null \
		>"$run/engine.err" 2>&1 &
	vm_pid=$!
	for fd in "${lines[@]}" "$idle"; do
		exec {fd}>&-
	done
}

uml_watch() { :; }
uml_end() { uml_kill; }
# The process group exists only after setsid has made it.
uml_kill() { kill -9 -- "-$vm_pid" || kill -9 "$vm_pid"; } 2>/dev/null
uml_spoiled() { false; }
