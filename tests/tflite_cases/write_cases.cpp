// Writes pairs of files that must compute the same, for the Python tests to run in the interpreter.
// usage: tflite_cases DIR COUNT
#include <cstdlib>
#include <iostream>

#include "tflite/builder.h"
#include "tflite/passes/passes.h"
#include "tinyml/error.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace {

using namespace tinyml::tflite;  // NOLINT

// Inputs and outputs keep the logical order, so that both files of a pair take the same data.
LayoutOptions as_given() {
  LayoutOptions options;
  options.channels_last_inputs = options.channels_last_outputs = false;
  return options;
}

void write_layouts(const std::string& directory, int count) {
  for (int i = 0; i < count; ++i) {
    const Model logical = testing::random_model(static_cast<unsigned>(i), 6 + i % 20);
    const std::string stem = directory + "/layout" + std::to_string(i);
    const Model naive = testing::expand_naively(logical);
    write_tflite(naive, stem + "_expected.tflite");
    Model solved = logical;
    assign_layout(solved, as_given());
    verify(solved);
    write_tflite(solved, stem + "_actual.tflite");
    std::cout << "layout" << i << " " << testing::count(naive, Op::TRANSPOSE) << " -> "
              << testing::count(solved, Op::TRANSPOSE) << "\n";
  }
}

void write_optimized(const std::string& directory, int count) {
  for (int i = 0; i < count; ++i) {
    const Model logical = testing::random_model(static_cast<unsigned>(1000 + i), 6 + i % 20);
    const std::string stem = directory + "/optimized" + std::to_string(i);
    write_tflite(testing::expand_naively(logical), stem + "_expected.tflite");
    Model optimized = logical;
    OptimizeOptions options;
    options.layout = as_given();
    optimize(optimized, options);
    verify(optimized);
    write_tflite(optimized, stem + "_actual.tflite");
  }
}

void write_quantized(const std::string& directory, int count) {
  for (int i = 0; i < count; ++i) {
    const Model logical = testing::random_quantized_model(static_cast<unsigned>(i), 3 + i % 12);
    const std::string stem = directory + "/quantized" + std::to_string(i);
    Model simulated = logical;  // Weights as the floats that their INT8 values stand for.
    fold_constants(simulated.subgraphs[0], true);
    write_tflite(testing::expand_naively(simulated), stem + "_expected.tflite");
    Model folded = logical;
    OptimizeOptions options;
    options.layout = as_given();
    optimize(folded, options);
    verify(folded);
    write_tflite(folded, stem + "_actual.tflite");
    std::cout << "quantized" << i << " " << folded.subgraphs[0].operators.size() << " operators, "
              << testing::count(folded, Op::DEQUANTIZE) << " DEQUANTIZE\n";
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: tflite_cases DIR COUNT\n";
    return 2;
  }
  try {
    write_layouts(argv[1], std::atoi(argv[2]));
    write_optimized(argv[1], std::atoi(argv[2]));
    write_quantized(argv[1], std::atoi(argv[2]));
  } catch (const tinyml::Error& error) {
    std::cerr << error.what() << "\n";
    return 1;
  }
  return 0;
}
