// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The options; they have the same names as perftest's where it has such an option. */
#include <getopt.h>
#include <unistd.h>

#include "odp.h"

#define DEVICES_MAX	3

struct odp_opts odp_opts = {
	.run = { .ns = 150000000, .repeats = 5 },
	.only = "*", .label = "machine", .folder = "/var/tmp",
	.port = ODP_PORT, .depth = 256, .ack_timeout = 14, .check = true, .sock = -1,
};

static struct perf_nic nics[DEVICES_MAX];
static size_t num_nics;

static void usage(void)
{
	printf("Usage:\n"
	       "  nopin-odp [OPTION]...            both ends in one process\n"
	       "  nopin-odp --server [OPTION]...   wait for a client\n"
	       "  nopin-odp [OPTION]... HOST       the client of such a server\n"
	       "\n"
	       "  -d, --ib-dev=[NAME=]DEV[,PEER]   a device, and the other one that it is\n"
	       "                         connected to (default: the first one, to itself);\n"
	       "                         NETNS:DEV is one of another network namespace. Up\n"
	       "                         to %d devices take turns\n"
	       "  -i, --ib-port=PORT     port of the devices (1)\n"
	       "  -x, --gid-index=INDEX  of the ports (the first RoCEv2 one with an IPv4 address)\n"
	       "  -p, --port=PORT        TCP port of the server (%u)\n"
	       "  -u, --qp-timeout=N     ACK timeout: 4.096 us << N (14)\n"
	       "  -O, --only=GLOB        subjects: ", DEVICES_MAX, ODP_PORT);
	odp_subjects_usage();
	printf("\n"
	       "  -s, --size=BYTES       accesses of this size only (many sizes)\n"
	       "  -a, --all              all configurations between two devices, too\n"
	       "  -n, --iters=N          pages of each sample (128, fewer if they are large)\n"
	       "      --op=LIST          of read, write, send, atomic\n"
	       "      --where=LIST       of remote, local: whose memory is faulted in\n"
	       "      --pages=LIST       of 4k, thp, hugetlb, file, shared\n"
	       "      --state=LIST       of warm, cold, dontneed, pageout, fork\n"
	       "      --memory=LIST      of pinned, odp, implicit: how it is registered\n"
	       "      --path=LIST        of local, wire: one device, or DEV and PEER\n"
	       "      --align=BYTES      where in its page each access begins (0)\n"
	       "      --sample=MS        how long a sample takes (150)\n"
	       "      --repeats=N        samples of each point (5)\n"
	       "      --quick            fewer configurations, 3 samples of 60 ms\n"
	       "      --dir=DIR          where files are made (/var/tmp)\n"
	       "      --no-check         do not compare data\n"
	       "  -H, --report-histogram a histogram of each latency\n"
	       "      --json=FILE        every figure, in JSON\n"
	       "      --label=TEXT       what the machine is called there\n"
	       "  -V, --version\n"
	       "  -h, --help\n");
}

__noreturn __printf(1, 2)
static void bad_option(const char *fmt, ...)
{
	va_list args;

	fprintf(stderr, "nopin-odp: ");
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fprintf(stderr, "\nTry: nopin-odp --help\n");
	exit(EXIT_FAILURE);
}

/* Parse a list: "a,c" of { a, b, c } gives bits 5. */
static unsigned int list(const char *option, const char *text, const char *const *names,
			 size_t num)
{
	char copy[128], *rest = copy, *one;
	unsigned int bits = 0;
	size_t i;

	if (strlen(text) >= sizeof(copy))
		bad_option("--%s: %s", option, text);
	strcpy(copy, text);
	while ((one = strsep(&rest, ","))) {
		for (i = 0; i < num && strcmp(one, names[i]); i++)
			;
		if (i == num)
			bad_option("--%s: no such one: %s", option, one);
		bits |= 1U << i;
	}
	return bits;
}

static size_t bytes(const char *option, const char *text, size_t max)
{
	static const char units[] = "kmgKMG";
	char *end;
	unsigned long value = strtoul(text, &end, 0);
	const char *unit = *end ? strchr(units, *end) : NULL;

	if (end == text || *text == '-' || (*end && (!unit || end[1])))
		bad_option("--%s: not a size: %s", option, text);
	for (int i = unit ? (unit - units) % 3 + 1 : 0; i; i--)
		value *= value <= max ? KIB : 1;
	if (value > max)
		bad_option("--%s: more than %zu: %s", option, max, text);
	return value;
}

/* --- devices --- */

/* Add a side for each way to register memory that the device supports. */
static void add_sides(struct perf_nic *nic)
{
	static const char *const words[VT_KINDS] = { "pinned", "ODP", "implicit" };
	struct perf_run *run = &odp_opts.run;

	for (enum vt_kind kind = 0; kind < VT_KINDS; kind++) {
		struct perf_side *side = &run->side[run->num_sides];
		char *name;

		if (!vt_kind_works(&nic->dev[0], kind, 0) || !(odp_opts.kinds & 1U << kind))
			continue;
		vt_require(run->num_sides < PERF_SIDES, "too many devices");
		if (!vt_kind_works(&nic->dev[0], VT_ODP, 0))
			name = strdup(nic->name);
		else if (asprintf(&name, "%s %s", nic->name, words[kind]) < 0)
			name = NULL;
		vt_require(name, "out of memory");
		*side = (struct perf_side){
			.name = name, .nic = nic, .kind = kind, .by_kind = true,
		};
		run->num_sides++;
	}
}

/* Parse [NAME=]DEV[,PEER]. */
static void open_device(char *spec)
{
	struct perf_nic *nic = &nics[num_nics];
	char *equals = spec ? strchr(spec, '=') : NULL;
	char *devs = equals ? equals + 1 : spec, *one;

	if (equals)
		*equals = 0;
	if (num_nics++ == DEVICES_MAX)
		bad_option("more than %d devices", DEVICES_MAX);
	one = strsep(&devs, ",");
	if (one)
		perf_nic_roce(nic, 0, one);
	else
		vt_dev_open(&nic->dev[0], NULL);
	nic->name = equals ? spec : strdup(ibv_get_device_name(nic->dev[0].ctx->device));
	if (nic->dev[0].ctx->device->transport_type == IBV_TRANSPORT_IWARP)
		vt_fail("%s: iWARP, whose connections this program cannot make", nic->name);
	if (devs)
		perf_nic_roce(nic, 1, devs);
	else
		nic->dev[1] = nic->dev[0];
	odp_opts.paths |= 1U << PERF_LOCAL | (devs ? 1U << PERF_WIRE : 0);
}

static void open_devices(char **specs, size_t num)
{
	if (!num)
		open_device(NULL);
	for (size_t i = 0; i < num; i++)
		open_device(specs[i]);
	for (size_t i = 0; i < num_nics; i++)
		add_sides(&nics[i]);
	odp_opts.run.nopin = &nics[0];
	if (!odp_opts.run.num_sides)
		vt_fail("no device has memory of that kind (--memory)");
}

/* --- all of them --- */

enum {
	OPT_OP = 256, OPT_WHERE, OPT_PAGES, OPT_STATE, OPT_MEMORY, OPT_PATH, OPT_ALIGN,
	OPT_SAMPLE, OPT_REPEATS, OPT_QUICK, OPT_DIR, OPT_NO_CHECK, OPT_JSON, OPT_LABEL,
	OPT_SERVER,
};

static const struct option options[] = {
	{ "ib-dev", required_argument, NULL, 'd' },
	{ "ib-port", required_argument, NULL, 'i' },
	{ "gid-index", required_argument, NULL, 'x' },
	{ "port", required_argument, NULL, 'p' },
	{ "qp-timeout", required_argument, NULL, 'u' },
	{ "only", required_argument, NULL, 'O' },
	{ "size", required_argument, NULL, 's' },
	{ "all", no_argument, NULL, 'a' },
	{ "iters", required_argument, NULL, 'n' },
	{ "report-histogram", no_argument, NULL, 'H' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ "op", required_argument, NULL, OPT_OP },
	{ "where", required_argument, NULL, OPT_WHERE },
	{ "pages", required_argument, NULL, OPT_PAGES },
	{ "state", required_argument, NULL, OPT_STATE },
	{ "memory", required_argument, NULL, OPT_MEMORY },
	{ "path", required_argument, NULL, OPT_PATH },
	{ "align", required_argument, NULL, OPT_ALIGN },
	{ "sample", required_argument, NULL, OPT_SAMPLE },
	{ "repeats", required_argument, NULL, OPT_REPEATS },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "dir", required_argument, NULL, OPT_DIR },
	{ "no-check", no_argument, NULL, OPT_NO_CHECK },
	{ "json", required_argument, NULL, OPT_JSON },
	{ "label", required_argument, NULL, OPT_LABEL },
	{ "server", no_argument, NULL, OPT_SERVER },
	{ }
};

static unsigned int paths;

/* Options about what to measure. */
static bool option_what(int c)
{
	switch (c) {
	case 's':
		odp_opts.size = bytes("size", optarg, 64 * MIB);
		if (!odp_opts.size)
			bad_option("--size: not a size: %s", optarg);
		return true;
	case 'a':
		odp_opts.all = true;
		return true;
	case 'n':
		odp_opts.iters = vt_number(optarg, 1, 4000);
		return true;
	case OPT_OP:
		odp_opts.ops = list("op", optarg, odp_op_name, ODP_OPS);
		return true;
	case OPT_WHERE:
		odp_opts.wheres = list("where", optarg, odp_where_name, ODP_WHERES);
		return true;
	case OPT_PAGES:
		odp_opts.pages = list("pages", optarg, odp_pages_name, ODP_PAGES);
		return true;
	case OPT_STATE:
		odp_opts.states = list("state", optarg, odp_state_name, ODP_STATES);
		return true;
	case OPT_MEMORY:
		odp_opts.kinds = list("memory", optarg, vt_kind_name, VT_KINDS);
		return true;
	case OPT_PATH:
		paths = list("path", optarg, perf_path_name, PERF_PATHS);
		return true;
	case OPT_ALIGN:
		odp_opts.align = bytes("align", optarg, 2 * MIB - 1);
		return true;
	default:
		return false;
	}
}

/* Options about how to measure and show it. */
static bool option_how(int c)
{
	switch (c) {
	case 'O':
		odp_opts.only = optarg;
		return true;
	case 'H':
		odp_opts.histogram = true;
		return true;
	case OPT_SAMPLE:
		odp_opts.run.ns = vt_number(optarg, 1, 60000) * 1000000;
		return true;
	case OPT_REPEATS:
		odp_opts.run.repeats = vt_number(optarg, 1, 1000);
		return true;
	case OPT_QUICK:
		odp_opts.run.quick = true;
		odp_opts.run.ns = 60000000;
		odp_opts.run.repeats = 3;
		return true;
	case OPT_DIR:
		odp_opts.folder = optarg;
		return true;
	case OPT_NO_CHECK:
		odp_opts.check = false;
		return true;
	case OPT_JSON:
		odp_opts.json = optarg;
		return true;
	case OPT_LABEL:
		odp_opts.label = optarg;
		return true;
	default:
		return false;
	}
}

static bool option_connection(int c)
{
	switch (c) {
	case 'i':
		vt_opts.port = vt_number(optarg, 1, 255);
		return true;
	case 'x':
		vt_opts.gid_index = vt_number(optarg, 0, 1023);
		return true;
	case 'p':
		odp_opts.port = vt_number(optarg, 1, 65535);
		return true;
	case 'u':
		odp_opts.ack_timeout = vt_number(optarg, 1, 31);
		return true;
	case OPT_SERVER:
		odp_opts.server = true;
		return true;
	default:
		return false;
	}
}

/* Options that were not given select everything. */
static void defaults(void)
{
	unsigned int *bits[] = {
		&odp_opts.ops, &odp_opts.wheres, &odp_opts.pages, &odp_opts.states,
		&odp_opts.kinds,
	};

	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (!*bits[i])
			*bits[i] = ~0U;
	if (odp_opts.iters >= odp_opts.depth)
		odp_opts.depth = odp_opts.iters + 1;
}

static void choose_paths(void)
{
	if (odp_opts.sock >= 0)
		odp_opts.paths = 1U << PERF_WIRE;
	if (paths & ~odp_opts.paths)
		bad_option("--path: local is without HOST, wire needs a PEER or HOST");
	if (paths)
		odp_opts.paths = paths;
}

void odp_options(int argc, char **argv)
{
	char *specs[DEVICES_MAX];
	size_t num = 0;
	int c;

	while ((c = getopt_long(argc, argv, "d:i:x:p:u:O:s:an:HVh", options, NULL)) != -1) {
		if (option_what(c) || option_how(c) || option_connection(c))
			continue;
		switch (c) {
		case 'd':
			if (num == DEVICES_MAX)
				bad_option("more than %d devices", DEVICES_MAX);
			specs[num++] = optarg;
			break;
		case 'V':
			printf("nopin-odp %s\n", ODP_VERSION);
			exit(EXIT_SUCCESS);
		case 'h':
			usage();
			exit(EXIT_SUCCESS);
		default:
			bad_option("what was meant?");
		}
	}
	if (optind < argc)
		odp_opts.host = argv[optind++];
	if (optind < argc || (odp_opts.server && odp_opts.host))
		bad_option("a server has no HOST, and a client one");
	if (odp_opts.align && !odp_opts.size)
		bad_option("--align needs --size");
	if (sysconf(_SC_PAGESIZE) != ODP_PAGE)
		vt_fail("this kernel's pages are of %ld bytes, and not of %lu",
			sysconf(_SC_PAGESIZE), ODP_PAGE);
	defaults();
	open_devices(specs, num);
	if ((odp_opts.server || odp_opts.host) && num_nics > 1)
		bad_option("a server and its client have one device each");
	if (odp_opts.host) {
		odp_opts.sock = odp_connect(odp_opts.host, odp_opts.port);
		if (odp_opts.sock < 0)
			vt_fail("%s", perf_why());
	}
	choose_paths();
}
