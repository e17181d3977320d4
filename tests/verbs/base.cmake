# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# The library for pairs of QPs, memory, random numbers and time on libibverbs, for the tests
# here and the tools of perf/. It builds without cmocka and without the tests.
include_guard(GLOBAL)
find_library(IBVERBS_LIBRARY ibverbs)
find_path(IBVERBS_INCLUDE infiniband/verbs.h)
find_package(Threads REQUIRED)

set(verbs_base_sources
  vt_base.c vt_opts.c vt_rand.c vt_dev.c vt_mem.c vt_wr.c rc_pair.c rc_op.c)
list(TRANSFORM verbs_base_sources PREPEND ${CMAKE_CURRENT_LIST_DIR}/)
add_library(verbs-base STATIC ${verbs_base_sources})
target_include_directories(verbs-base PUBLIC ${CMAKE_CURRENT_LIST_DIR} ${IBVERBS_INCLUDE})
target_compile_options(verbs-base PUBLIC -std=gnu11 -Wall -Wextra -O2 -g)
target_compile_definitions(verbs-base PUBLIC _GNU_SOURCE)
target_link_libraries(verbs-base PUBLIC ${IBVERBS_LIBRARY} Threads::Threads)
