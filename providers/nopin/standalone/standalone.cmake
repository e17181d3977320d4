# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# The provider against an installed libibverbs. Its private interface is
# declared in standalone/infiniband/driver.h, so the library has to be one that
# this header describes; layout.cmake finds out which one it is.

include(GNUInstallDirs)
find_package(Threads REQUIRED)

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

include("${CMAKE_CURRENT_LIST_DIR}/layout.cmake")
nopin_layout("${CMAKE_NM}" "${IBVERBS_LIBRARY}")
if (NOPIN_LAYOUT_ERROR)
  nopin_not_built("${NOPIN_LAYOUT_ERROR}")
endif()
message(STATUS "providers/nopin: for the private interface of rdma-core "
  "${NOPIN_RDMA_CORE} (IBVERBS_PRIVATE_${NOPIN_PABI})")
get_filename_component(nopin_real "${IBVERBS_LIBRARY}" REALPATH)

nopin_know_verbs("${IBVERBS_INCLUDE_DIR}/infiniband/verbs.h")
add_library(nopin-provider MODULE ${NOPIN_SOURCES})
set_target_properties(nopin-provider PROPERTIES
  OUTPUT_NAME "nopin-rdmav${NOPIN_PABI}"
  C_STANDARD 11
  C_EXTENSIONS ON
  LINK_DEPENDS "${CMAKE_CURRENT_LIST_DIR}/provider.map")
target_compile_definitions(nopin-provider PRIVATE _GNU_SOURCE _FILE_OFFSET_BITS=64
  NOPIN_RDMA_CORE=${NOPIN_RDMA_CORE})
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

# The library that programs link with to use what is beyond verbs (nopindv.h). It is not a
# plug-in, and uses nothing of libibverbs but its public header.
add_library(nopindv SHARED nopindv.c)
set_target_properties(nopindv PROPERTIES
  VERSION 1.0 SOVERSION 1
  C_STANDARD 11
  C_EXTENSIONS ON
  PUBLIC_HEADER "${CMAKE_CURRENT_SOURCE_DIR}/nopindv.h"
  LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/nopindv.map")
target_compile_options(nopindv PRIVATE -Wall -Wextra -Wshadow -Wmissing-prototypes
  -Wwrite-strings)
target_include_directories(nopindv PRIVATE
  "${CMAKE_CURRENT_SOURCE_DIR}/../../include/uapi" "${IBVERBS_INCLUDE_DIR}")
target_link_options(nopindv PRIVATE -Wl,--no-undefined
  "-Wl,--version-script,${CMAKE_CURRENT_SOURCE_DIR}/nopindv.map")
install(TARGETS nopindv
  LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
  PUBLIC_HEADER DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/infiniband")

if (NOT DEFINED BUILD_TESTING OR BUILD_TESTING)
  include(tests/tests.cmake)
endif()
