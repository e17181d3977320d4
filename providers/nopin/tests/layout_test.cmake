# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
#   cmake -DCC=… -DNM=… -DINCLUDE=… -DWORK=… -P layout_test.cmake
#
# Test that standalone/layout.cmake tells libraries apart by their symbol versions, and
# refuses those that it does not know; and that a provider built for one layout does not
# register with a library that has another under the same private version.

include("${CMAKE_CURRENT_LIST_DIR}/../standalone/layout.cmake")
file(MAKE_DIRECTORY "${WORK}")

# build(FLAG…): compile and link.
function(build)
  execute_process(COMMAND "${CC}" ${ARGN} RESULT_VARIABLE result)
  if (NOT result EQUAL 0)
    message(FATAL_ERROR "${CC} ${ARGN} failed")
  endif()
endfunction()

# library(PRIVATE PUBLIC [FUNCTION]): make a library with these versions and all older
# public ones, and this private function.
function(library private public)
  set(map "")
  set(code "")
  foreach (version RANGE 1 ${public})
    string(APPEND map "IBVERBS_1.${version} { global: ibv_${version}; };\n")
    string(APPEND code "void ibv_${version}(void) {}\n")
  endforeach()
  if (private)
    string(APPEND map "IBVERBS_PRIVATE_${private} "
      "{ global: verbs_register_driver_${private}; ibv_cmd_*; };\n")
    string(APPEND code "#include <stdio.h>\n"
      "void verbs_register_driver_${private}(void) { puts(\"registered\"); }\n")
  endif()
  foreach (function ${ARGN})
    string(APPEND code "void ${function}(void) {}\n")
  endforeach()
  file(WRITE "${WORK}/lib.map" "${map}")
  file(WRITE "${WORK}/lib.c" "${code}")
  build(-shared -fPIC -o "${WORK}/lib.so" "${WORK}/lib.c"
    "-Wl,--version-script,${WORK}/lib.map")
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

# provider(RELEASE): make a program that loads a provider built for this release and lib.so.
function(provider release)
  file(WRITE "${WORK}/provider.c" "#include <infiniband/driver.h>\n"
    "static const struct verbs_device_ops ops = { .name = \"name\" };\n"
    "PROVIDER_DRIVER(test, ops);\n")
  file(WRITE "${WORK}/main.c" "int main(void) { return 0; }\n")
  build(-Wall -Wextra -shared -fPIC -DNOPIN_RDMA_CORE=${release}
    "-I${CMAKE_CURRENT_LIST_DIR}/../standalone" "-I${INCLUDE}"
    -o "${WORK}/provider.so" "${WORK}/provider.c" "${WORK}/lib.so" -Wl,--no-undefined)
  build(-o "${WORK}/main" "${WORK}/main.c" -Wl,--no-as-needed "${WORK}/provider.so"
    "-Wl,-rpath-link,${WORK}")
endfunction()

function(registers words)
  execute_process(COMMAND "${WORK}/main" OUTPUT_VARIABLE said ERROR_VARIABLE said)
  if (NOT said MATCHES "^${words}\n$")
    message(FATAL_ERROR "\"${said}\", where \"${words}\" was to be said")
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

library(59 15)
provider(59)
registers("registered")
library(59 16 ibv_cmd_query_port_speed)
registers("name: the provider has to be rebuilt for this libibverbs")
provider(62)
registers("registered")
