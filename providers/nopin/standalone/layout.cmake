# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Find out which private interface a libibverbs has. Distributions do not install
# its header, so this reads the versions of the library's symbols.

# The layouts that infiniband/driver.h declares: private version, public version,
# the release of rdma-core that brought the layout. The private version alone does
# not tell: releases 34, 35 and 36 have three layouts under one, 59 and 62 two.
set(NOPIN_LAYOUTS 34/1.14/36 57/1.14/57 59/1.15/59 59/1.16/62 64/1.17/64 65/1.18/65)

# nopin_layout(NM LIBRARY) sets NOPIN_PABI, which is a part of the provider's name,
# and NOPIN_RDMA_CORE, the release that brought the layout; or NOPIN_LAYOUT_ERROR.
macro(nopin_layout nm library)
  set(NOPIN_RDMA_CORE)
  nopin_versions("${nm}" "${library}")
  if (NOT NOPIN_LAYOUT_ERROR)
    foreach (layout IN LISTS NOPIN_LAYOUTS)
      if (layout MATCHES "^${NOPIN_PABI}/${nopin_public}/([0-9]+)$")
        set(NOPIN_RDMA_CORE ${CMAKE_MATCH_1})
      endif()
    endforeach()
    if (NOT NOPIN_RDMA_CORE)
      set(NOPIN_LAYOUT_ERROR "${library} has private interface ${NOPIN_PABI} beside \
IBVERBS_${nopin_public}, which is none of rdma-core 36 to 65; build the provider inside \
that rdma-core, as providers/nopin/README.md shows.")
    endif()
  endif()
endmacro()

# Read the private version from verbs_register_driver_<version>@@IBVERBS_PRIVATE_<version>;
# the public one is the newest IBVERBS_1.<version> of any symbol.
macro(nopin_versions nm library)
  set(NOPIN_PABI)
  set(NOPIN_LAYOUT_ERROR)
  execute_process(COMMAND "${nm}" -D --defined-only "${library}"
    OUTPUT_VARIABLE nopin_symbols RESULT_VARIABLE nopin_result ERROR_QUIET)
  string(REGEX MATCHALL "@IBVERBS_1\\.[0-9]+" nopin_public "${nopin_symbols}")
  if (NOT nopin_result EQUAL 0)
    set(NOPIN_LAYOUT_ERROR "${nm} cannot read ${library}.")
  elseif (nopin_public AND nopin_symbols MATCHES
      "verbs_register_driver_([0-9]+)@@IBVERBS_PRIVATE_([0-9]+)")
    set(NOPIN_PABI ${CMAKE_MATCH_2})
    list(SORT nopin_public COMPARE NATURAL ORDER DESCENDING)
    list(GET nopin_public 0 nopin_public)
    string(REPLACE "@IBVERBS_" "" nopin_public "${nopin_public}")
  else()
    set(NOPIN_LAYOUT_ERROR "${library} has no private interface for providers.")
  endif()
endmacro()
