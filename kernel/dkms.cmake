# SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#
# Install the module's sources where DKMS finds them, to build them for each installed kernel.

set(nopin_dkms /usr/src/nopin-${PROJECT_VERSION})

configure_file(kernel/dkms.conf.in ${PROJECT_BINARY_DIR}/dkms.conf @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/dkms.conf DESTINATION ${nopin_dkms})
install(DIRECTORY kernel include DESTINATION ${nopin_dkms}
  FILES_MATCHING PATTERN "*.[ch]" PATTERN Kbuild)
