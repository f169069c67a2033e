# The file format's schema, compiled by flatc into the build tree; only this room sees it.
find_package(FlatBuffers CONFIG QUIET)
find_program(FLATC flatc REQUIRED)
set(TINYML_SCHEMA_DIR ${CMAKE_BINARY_DIR}/generated/tflite CACHE INTERNAL "")
add_custom_command(
  OUTPUT ${TINYML_SCHEMA_DIR}/schema_generated.h
  COMMAND ${FLATC} --cpp --gen-object-api --gen-mutable --scoped-enums --reflect-types -o ${TINYML_SCHEMA_DIR}
          ${CMAKE_CURRENT_LIST_DIR}/schema.fbs ${CMAKE_CURRENT_LIST_DIR}/carried_options.fbs
  DEPENDS ${CMAKE_CURRENT_LIST_DIR}/schema.fbs ${CMAKE_CURRENT_LIST_DIR}/carried_options.fbs
  COMMENT "Compiling the TFLite schema")
add_custom_target(tinyml_schema DEPENDS ${TINYML_SCHEMA_DIR}/schema_generated.h)
add_dependencies(tinyml_tflite tinyml_schema)
target_sources(tinyml_tflite PRIVATE ${TINYML_SCHEMA_DIR}/schema_generated.h)
target_include_directories(tinyml_tflite SYSTEM PRIVATE ${TINYML_SCHEMA_DIR})

# Writes model files for the Python tests that run them in the interpreter.
if(TINYML_TESTS)
  add_executable(tflite_cases tests/tflite_cases/write_cases.cpp tests/tflite/builder.cpp tests/tflite/random_model.cpp
                              tests/tflite/random_quantized_model.cpp)
  target_include_directories(tflite_cases PRIVATE ${CMAKE_SOURCE_DIR}/tests ${CMAKE_SOURCE_DIR}/src)
  target_link_libraries(tflite_cases PRIVATE tinyml_tflite)
  tinyml_target_defaults(tflite_cases)
endif()
