# With LibTorch; not part of the umbrella `tinyml`, which must not need it. Compiled with torch's headers as a
# precompiled header, which tests and examples reuse (tinyml_uses_train).
add_library(tinyml::train ALIAS tinyml_train)
target_precompile_headers(tinyml_train PRIVATE ${CMAKE_CURRENT_LIST_DIR}/pch.h)

function(tinyml_uses_train target)
  target_link_libraries(${target} PRIVATE tinyml_train)
  # The precompiled header is compiled with -fPIC, as the library is; an executable's own flag would be another.
  set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
  target_compile_options(${target} PRIVATE -fPIC)
  target_precompile_headers(${target} REUSE_FROM tinyml_train)
endfunction()

# Runs cases that PyTorch wrote, for the Python tests.
if(TINYML_TESTS)
  add_executable(run_graph_module tests/train_cases/run_graph_module.cpp)
  target_link_libraries(run_graph_module PRIVATE tinyml_archive)
  tinyml_uses_train(run_graph_module)
  tinyml_target_defaults(run_graph_module)
endif()
