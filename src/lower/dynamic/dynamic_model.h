// Models with dynamic sizes, from the lowering to the file.
//
// While passes run, `shape` holds sizes of a sample (primes, see sample_assignments) and the signature -1, so that
// equal numbers are equal sizes. make_reshape_operands and set_example_sizes end that.
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

/// A shape operand for every RESHAPE whose result has more than one dynamic size; with one, -1 says it all. Throws
/// Error naming the tensor when the sizes do not follow from tensors computed before.
void make_reshape_operands(tflite::Model& model);

/// Every dynamic size becomes the example's.
void set_example_sizes(tflite::Model& model, const std::map<int32_t, int32_t>& examples);

}  // namespace tinyml::lowering
