# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
# A target by which tests run with sanitizers. Some distributions have their libraries in
# packages of their own; where these are missing, the tests run without.
include_guard(GLOBAL)
include(CheckCSourceCompiles)

set(CMAKE_REQUIRED_FLAGS -fsanitize=address,undefined)
check_c_source_compiles("int main(void) { return 0; }" NOPIN_SANITIZERS)
unset(CMAKE_REQUIRED_FLAGS)

add_library(nopin-sanitizers INTERFACE)
if(NOPIN_SANITIZERS)
  target_compile_options(nopin-sanitizers INTERFACE
    -fsanitize=address,undefined -fno-sanitize-recover=all)
  target_link_options(nopin-sanitizers INTERFACE -fsanitize=address,undefined)
else()
  message(STATUS "tests: without sanitizers: missing libasan libubsan")
endif()
