# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The provider against an installed libibverbs. Its private interface is
# declared in standalone/infiniband/driver.h, so the library has to be one that
# this header describes.

include(GNUInstallDirs)
find_package(Threads REQUIRED)

set(NOPIN_PABI 34)
set(NOPIN_RDMA_CORE_MIN 36)

# As a part of the project the provider is left out where it cannot be built.
macro(nopin_not_built)
  if (CMAKE_CURRENT_SOURCE_DIR STREQUAL CMAKE_SOURCE_DIR)
    message(FATAL_ERROR ${ARGN})
  endif()
  message(STATUS "providers/nopin: not built: " ${ARGN})
  return()
endmacro()

find_library(IBVERBS_LIBRARY ibverbs)
find_path(IBVERBS_INCLUDE_DIR infiniband/verbs.h)
if (NOT IBVERBS_LIBRARY OR NOT IBVERBS_INCLUDE_DIR)
  nopin_not_built("libibverbs or its headers are missing. "
    "Install libibverbs-dev (Debian) or libibverbs and rdma-core-devel (Fedora).")
endif()

set(NOPIN_OTHER_FORM "Build the provider inside the rdma-core source of that "
  "version instead, as providers/nopin/README.md shows.")

# verbs_register_driver_<version>@@IBVERBS_PRIVATE_<version>
execute_process(COMMAND "${CMAKE_NM}" -D --defined-only "${IBVERBS_LIBRARY}"
  OUTPUT_VARIABLE nopin_symbols RESULT_VARIABLE nopin_result)
if (NOT nopin_result EQUAL 0)
  nopin_not_built("${CMAKE_NM} cannot read ${IBVERBS_LIBRARY}.")
endif()
string(REGEX MATCH "verbs_register_driver_([0-9]+)@@IBVERBS_PRIVATE_([0-9]+)"
  nopin_match "${nopin_symbols}")
if (NOT nopin_match)
  nopin_not_built("${IBVERBS_LIBRARY} has no private interface for "
    "providers. " "${NOPIN_OTHER_FORM}")
endif()
if (NOT CMAKE_MATCH_1 EQUAL NOPIN_PABI OR NOT CMAKE_MATCH_2 EQUAL NOPIN_PABI)
  nopin_not_built("${IBVERBS_LIBRARY} has private interface "
    "${CMAKE_MATCH_2}; this form of the provider knows ${NOPIN_PABI} "
    "(rdma-core ${NOPIN_RDMA_CORE_MIN} to 56). " "${NOPIN_OTHER_FORM}")
endif()

# The release is part of the file name: libibverbs.so.1.14.44.0
get_filename_component(nopin_real "${IBVERBS_LIBRARY}" REALPATH)
if (nopin_real MATCHES "\\.so\\.[0-9]+\\.[0-9]+\\.([0-9]+)\\.[0-9]+$" AND
    CMAKE_MATCH_1 LESS NOPIN_RDMA_CORE_MIN)
  nopin_not_built("${nopin_real} is of rdma-core ${CMAKE_MATCH_1}; this "
    "form of the provider needs ${NOPIN_RDMA_CORE_MIN} or later. "
    "${NOPIN_OTHER_FORM}")
endif()

add_library(nopin-provider MODULE ${NOPIN_SOURCES})
set_target_properties(nopin-provider PROPERTIES
  OUTPUT_NAME "nopin-rdmav${NOPIN_PABI}"
  C_STANDARD 11
  C_EXTENSIONS ON
  LINK_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/provider.map")
target_compile_definitions(nopin-provider PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64)
target_compile_options(nopin-provider PRIVATE -Wall -Wextra -Wshadow
  -Wmissing-prototypes -Wwrite-strings
  # the kernel's responses end in driver_data[], and the driver's part follows
  $<$<C_COMPILER_ID:Clang>:-Wno-gnu-variable-sized-type-not-at-end>)
target_include_directories(nopin-provider PRIVATE
  "${CMAKE_CURRENT_LIST_DIR}"
  "${CMAKE_CURRENT_SOURCE_DIR}/../../include/uapi"
  "${IBVERBS_INCLUDE_DIR}")
target_link_options(nopin-provider PRIVATE -Wl,--no-undefined
  "-Wl,--version-script,${CMAKE_CURRENT_LIST_DIR}/provider.map")
target_link_libraries(nopin-provider PRIVATE "${IBVERBS_LIBRARY}" Threads::Threads)

# libibverbs looks for "driver nopin" in its own provider directory only. An
# absolute name works from anywhere.
get_filename_component(nopin_verbs_dir "${nopin_real}" DIRECTORY)
set(NOPIN_PROVIDER_DIR "${CMAKE_INSTALL_FULL_LIBDIR}/libibverbs" CACHE PATH
  "Where the provider is installed")
set(NOPIN_DRIVER_DIR "/etc/libibverbs.d" CACHE PATH
  "Where libibverbs looks for the names of its providers")
if (NOPIN_PROVIDER_DIR STREQUAL "${nopin_verbs_dir}/libibverbs")
  set(nopin_driver "nopin")
else()
  set(nopin_driver "${NOPIN_PROVIDER_DIR}/libnopin")
endif()
file(GENERATE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/nopin.driver"
  CONTENT "driver ${nopin_driver}\n")

install(TARGETS nopin-provider LIBRARY DESTINATION "${NOPIN_PROVIDER_DIR}")
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/nopin.driver"
  DESTINATION "${NOPIN_DRIVER_DIR}")

if (NOT DEFINED BUILD_TESTING OR BUILD_TESTING)
  include(tests/tests.cmake)
endif()
