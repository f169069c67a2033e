// Models with dynamic sizes, from the lowering to the file.
//
// While passes run, `shape` holds sizes of a sample (primes, see sample_assignments) and the signature -1, so that
// equal numbers are equal sizes. make_reshape_operands and set_example_sizes (tflite/dynamic/) end that.
#pragma once

#include <map>

#include "lower/dynamic/merge_samples.h"
#include "tinyml/lower.h"

namespace tinyml::lowering {

struct DynamicModel {
  tflite::Model model;                  ///< Logical form, at the sizes of a sample.
  std::map<int32_t, int32_t> examples;  ///< Size in the sample -> size in the example.
};

/// Lowers at several sizes and merges. Throws Error with one diagnostic for each operator that needs a constant size.
DynamicModel lower_dynamic(const Graph& graph, const LowerOptions& options);

}  // namespace tinyml::lowering
