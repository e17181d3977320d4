# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
#   cmake -DCC=… -DNM=… -DWORK=… -P layout_test.cmake
#
# Test that standalone/layout.cmake tells libraries apart by their symbol versions, and
# refuses those that it does not know.

include("${CMAKE_CURRENT_LIST_DIR}/../standalone/layout.cmake")
file(MAKE_DIRECTORY "${WORK}")

# library(PRIVATE PUBLIC): make a library with these versions and all older public ones.
function(library private public)
  set(map "")
  set(code "")
  foreach (version RANGE 1 ${public})
    string(APPEND map "IBVERBS_1.${version} { global: ibv_${version}; };\n")
    string(APPEND code "void ibv_${version}(void) {}\n")
  endforeach()
  if (private)
    string(APPEND map "IBVERBS_PRIVATE_${private} "
      "{ global: verbs_register_driver_${private}; };\n")
    string(APPEND code "void verbs_register_driver_${private}(void) {}\n")
  endif()
  file(WRITE "${WORK}/lib.map" "${map}")
  file(WRITE "${WORK}/lib.c" "${code}")
  execute_process(COMMAND "${CC}" -shared -fPIC -o "${WORK}/lib.so" "${WORK}/lib.c"
    "-Wl,--version-script,${WORK}/lib.map" RESULT_VARIABLE result)
  if (NOT result EQUAL 0)
    message(FATAL_ERROR "${CC} made no library")
  endif()
endfunction()

function(is private public release)
  library("${private}" ${public})
  nopin_layout("${NM}" "${WORK}/lib.so")
  if (NOPIN_LAYOUT_ERROR OR NOT NOPIN_RDMA_CORE EQUAL release OR
      NOT NOPIN_PABI EQUAL private)
    message(FATAL_ERROR "${private} and 1.${public}: taken for \"${NOPIN_RDMA_CORE}\" "
      "(${NOPIN_LAYOUT_ERROR}), not ${release}")
  endif()
endfunction()

function(is_refused words)
  nopin_layout("${NM}" "${WORK}/lib.so")
  if (NOT NOPIN_LAYOUT_ERROR MATCHES "${words}" OR NOPIN_LAYOUT_ERROR MATCHES "\n")
    message(FATAL_ERROR "\"${NOPIN_LAYOUT_ERROR}\" (${NOPIN_RDMA_CORE}), "
      "where \"${words}\" was to be said in a line")
  endif()
endfunction()

is(34 14 36)
is(57 14 57)
is(59 15 59)
is(59 16 62)
is(64 17 64)
is(65 18 65)

library(34 13) # rdma-core 35
is_refused("private interface 34 beside IBVERBS_1.13,")
library(64 18) # a layout that changed without its version
is_refused("private interface 64 beside IBVERBS_1.18,")
library(66 19)
is_refused("private interface 66 beside IBVERBS_1.19,")
library("" 14)
is_refused("no private interface")
file(WRITE "${WORK}/lib.so" "no library")
is_refused("cannot read")
