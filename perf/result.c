// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The result: a list of points in JSON. A point has its configuration, its samples, their
 * median, minimum and maximum; and quantiles, if single operations were timed. A point of
 * which a sample has failed has the reason and the other samples, but no figures.
 */
#include <json-c/json.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "perf.h"

#define QUANTILES	200

static struct json_object *result, *list;
static struct perf_point **points;
static size_t num_points;
static const char *result_path;
static uint64_t began;

static struct json_object *text(const char *value)
{
	return json_object_new_string(value);
}

static struct json_object *number(double value)
{
	char digits[32];

	snprintf(digits, sizeof(digits), "%.15g", value);
	return json_object_new_double_s(value, digits);
}

static void add_sides(const struct perf_run *run)
{
	struct json_object *sides = json_object_new_array();

	for (size_t i = 0; i < run->num_sides; i++) {
		struct json_object *side = json_object_new_object();

		json_object_object_add(side, "name", text(run->side[i].name));
		json_object_object_add(side, "memory", text(vt_kind_name[run->side[i].kind]));
		if (!run->side[i].nic)
			json_object_object_add(side, "missing", text(run->side[i].missing));
		json_object_array_add(sides, side);
	}
	json_object_object_add(result, "sides", sides);
}

void perf_result_init(const struct perf_run *run, const char *path, const char *label)
{
	struct utsname uts;
	char date[32];
	time_t now = time(NULL);

	began = vt_now_ns();
	result_path = path;
	result = json_object_new_object();
	uname(&uts);
	strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", gmtime(&now));
	json_object_object_add(result, "engine", text(label));
	json_object_object_add(result, "kernel", text(uts.release));
	json_object_object_add(result, "date", text(date));
	json_object_object_add(result, "cpus", number(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_object_add(result, "sample_ms", number(run->ns / 1e6));
	json_object_object_add(result, "repeats", number(run->repeats));
	json_object_object_add(result, "quick", json_object_new_boolean(run->quick));
	add_sides(run);
	list = json_object_new_array();
	json_object_object_add(result, "points", list);
}

struct perf_point *perf_point(const char *subject, const char *side, const char *unit)
{
	struct perf_point *point = calloc(1, sizeof(*point));

	points = realloc(points, (num_points + 1) * sizeof(*points));
	vt_require(point && points, "out of memory");
	points[num_points++] = point;
	point->json = json_object_new_object();
	json_object_array_add(list, point->json);
	perf_point_text(point, "subject", subject);
	perf_point_text(point, "side", side);
	perf_point_text(point, "unit", unit);
	return point;
}

void perf_point_text(struct perf_point *point, const char *key, const char *value)
{
	json_object_object_add(point->json, key, text(value));
}

void perf_point_number(struct perf_point *point, const char *key, double value)
{
	json_object_object_add(point->json, key, number(value));
}

void perf_point_row(struct perf_point *point, const char *key, size_t num,
		    const double *value)
{
	struct json_object *table, *row = json_object_new_array();

	if (!json_object_object_get_ex(point->json, key, &table)) {
		table = json_object_new_array();
		json_object_object_add(point->json, key, table);
	}
	for (size_t i = 0; i < num; i++)
		json_object_array_add(row, number(value[i]));
	json_object_array_add(table, row);
}

void perf_point_fail(struct perf_point *point, const char *why)
{
	point->failed = true;
	point->lacking = perf_is_lacking();
	snprintf(point->why, sizeof(point->why), "%s", why);
	perf_point_text(point, "failed", why);
}

static void finish_point(struct perf_point *point)
{
	struct json_object *array = json_object_new_array();

	/* in the order taken: the statistics below sort the values */
	for (size_t i = 0; i < point->samples.num; i++)
		json_object_array_add(array, number(point->samples.value[i]));
	json_object_object_add(point->json, "samples", array);
	if (!point->samples.num)
		return;
	perf_point_number(point, "drops", point->drops);
	if (point->failed)
		return;
	perf_point_number(point, "median", stats_median(&point->samples));
	perf_point_number(point, "min", stats_min(&point->samples));
	perf_point_number(point, "max", stats_max(&point->samples));
	if (!point->all.num)
		return;
	array = json_object_new_array();
	for (int i = 0; i <= QUANTILES; i++)
		json_object_array_add(array,
				      number(stats_quantile(&point->all, (double)i / QUANTILES)));
	json_object_object_add(point->json, "quantiles", array);
	perf_point_number(point, "p99", stats_quantile(&point->all, 0.99));
	perf_point_number(point, "p999", stats_quantile(&point->all, 0.999));
	perf_point_number(point, "count", point->all.num);
}

/* Save all results so far, so that a run that is stopped leaves them. */
void perf_result_save(void)
{
	for (size_t i = 0; i < num_points; i++) {
		finish_point(points[i]);
		stats_clear(&points[i]->samples);
		stats_clear(&points[i]->all);
		free(points[i]);
	}
	free(points);
	points = NULL;
	num_points = 0;
	json_object_object_add(result, "seconds", number((vt_now_ns() - began) / 1e9));
	if (!result_path)
		return;
	vt_require(!json_object_to_file_ext(result_path, result, JSON_C_TO_STRING_PRETTY |
					    JSON_C_TO_STRING_SPACED),
		   "%s: %s", result_path, json_util_get_last_err());
}

void perf_progress(const char *fmt, ...)
{
	unsigned int seconds = (vt_now_ns() - began) / 1000000000;
	va_list args;

	fprintf(stderr, "%2u:%02u ", seconds / 60, seconds % 60);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
}
