# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Tests of the provider that need no kernel module.

add_executable(nopin-provider-load tests/load_test.c)
target_link_libraries(nopin-provider-load PRIVATE ${CMAKE_DL_LIBS})
add_test(NAME provider-load
  COMMAND nopin-provider-load $<TARGET_FILE:nopin-provider>)

# Its own ibv_cmd_*() have to come before those of libibverbs for the provider.
add_executable(nopin-provider-test tests/provider_test.c tests/fake_kernel.c)
set_target_properties(nopin-provider-test PROPERTIES
  ENABLE_EXPORTS ON C_STANDARD 11 C_EXTENSIONS ON)
target_compile_definitions(nopin-provider-test PRIVATE _GNU_SOURCE)
target_compile_options(nopin-provider-test PRIVATE -Wall -Wextra
  $<$<C_COMPILER_ID:Clang>:-Wno-gnu-variable-sized-type-not-at-end>)
target_include_directories(nopin-provider-test PRIVATE
  standalone ../../include/uapi "${IBVERBS_INCLUDE_DIR}")
target_link_libraries(nopin-provider-test PRIVATE
  "${IBVERBS_LIBRARY}" ${CMAKE_DL_LIBS} Threads::Threads)
add_test(NAME provider-rings
  COMMAND nopin-provider-test $<TARGET_FILE:nopin-provider>)
set_tests_properties(provider-load provider-rings PROPERTIES
  LABELS unit TIMEOUT 120)
