# Installs the headers, the static libraries and a package: find_package(tinyml) gives the target tinyml::tinyml.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(targets tinyml)
foreach(room ${TINYML_ROOMS})
  list(APPEND targets tinyml_${room})
endforeach()
list(REMOVE_ITEM targets tinyml_train)
install(TARGETS ${targets} EXPORT tinyml ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/tinyml DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
install(EXPORT tinyml FILE tinymlTargets.cmake NAMESPACE tinyml:: DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tinyml)
if(TARGET tinyml_train)
  # Needs LibTorch, so it is a component of its own: find_package(tinyml COMPONENTS train) gives tinyml::train.
  set_target_properties(tinyml_train PROPERTIES EXPORT_NAME train)
  install(TARGETS tinyml_train EXPORT tinyml_train ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
  install(EXPORT tinyml_train FILE tinymlTrainTargets.cmake NAMESPACE tinyml::
          DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tinyml)
  install(FILES cmake/libtorch.cmake DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tinyml)
endif()
configure_package_config_file(cmake/tinymlConfig.cmake.in ${CMAKE_BINARY_DIR}/tinymlConfig.cmake
                              INSTALL_DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tinyml)
write_basic_package_version_file(${CMAKE_BINARY_DIR}/tinymlConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/tinymlConfig.cmake ${CMAKE_BINARY_DIR}/tinymlConfigVersion.cmake
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/tinyml)
