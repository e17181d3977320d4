# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests of the provider that need no kernel module.

add_executable(nopin-provider-load tests/load_test.c)
target_link_libraries(nopin-provider-load PRIVATE ${CMAKE_DL_LIBS})
add_test(NAME provider-load
  COMMAND nopin-provider-load $<TARGET_FILE:nopin-provider>)
set_tests_properties(provider-load PROPERTIES LABELS unit TIMEOUT 900)

add_test(NAME provider-layout COMMAND "${CMAKE_COMMAND}" "-DCC=${CMAKE_C_COMPILER}"
  "-DNM=${CMAKE_NM}" "-DINCLUDE=${IBVERBS_INCLUDE_DIR}"
  "-DWORK=${CMAKE_CURRENT_BINARY_DIR}/layout" -P "${CMAKE_CURRENT_LIST_DIR}/layout_test.cmake")
set_tests_properties(provider-layout PROPERTIES LABELS unit TIMEOUT 900)

find_library(CMOCKA_LIBRARY cmocka)
find_path(CMOCKA_INCLUDE cmocka.h)
if (NOT CMOCKA_LIBRARY OR NOT CMOCKA_INCLUDE)
  message(STATUS "providers/nopin: tests not built: libcmocka-dev is missing")
  return()
endif()

if (nopin_real MATCHES "\\.36\\.[0-9]+$")
  message(STATUS "providers/nopin: tests not built: rdma-core 36 opens devices of /sys only")
  return()
endif()

# The provider has to find the tests' own ibv_cmd_*() before those of libibverbs.
add_library(nopin-provider-rig OBJECT tests/rig.c tests/fake_kernel.c)
target_compile_definitions(nopin-provider-rig PUBLIC _GNU_SOURCE
  NOPIN_RDMA_CORE=${NOPIN_RDMA_CORE})
target_compile_options(nopin-provider-rig PUBLIC -Wall -Wextra
  $<$<C_COMPILER_ID:Clang>:-Wno-gnu-variable-sized-type-not-at-end>)
target_include_directories(nopin-provider-rig PUBLIC
  standalone ../../include/uapi "${IBVERBS_INCLUDE_DIR}" "${CMOCKA_INCLUDE}")
target_link_libraries(nopin-provider-rig PUBLIC
  "${IBVERBS_LIBRARY}" "${CMOCKA_LIBRARY}" ${CMAKE_DL_LIBS} Threads::Threads)
set_target_properties(nopin-provider-rig PROPERTIES C_STANDARD 11 C_EXTENSIONS ON)

foreach (subject open post cq defer stress)
  set(test nopin-provider-${subject})
  add_executable(${test} tests/${subject}_test.c)
  set_target_properties(${test} PROPERTIES
    ENABLE_EXPORTS ON C_STANDARD 11 C_EXTENSIONS ON)
  target_link_libraries(${test} PRIVATE nopin-provider-rig)
  add_test(NAME provider-${subject} COMMAND ${test} $<TARGET_FILE:nopin-provider>)
  set_tests_properties(provider-${subject} PROPERTIES LABELS unit TIMEOUT 900)
endforeach()
