#include "tflite/dynamic/example_sizes.h"

#include <fmt/format.h>

#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr int kMostFactors = 4;

// -1 when the size follows from none of the known ones.
int64_t example_size(int64_t size, const std::map<int32_t, int32_t>& examples, int factors) {
  if (const auto known = examples.find(static_cast<int32_t>(size)); known != examples.end()) return known->second;
  if (factors == 1 || size <= 0) return -1;
  int64_t result = -1;
  for (const auto& [sample, example] : examples) {  // Merged with another size, or split by a constant.
    if (sample <= 1) continue;
    if (size % sample == 0) {
      const int64_t other = example_size(size / sample, examples, factors - 1);
      if (other >= 0) return example * other;
      result = example * (size / sample);
    } else if (sample % size == 0 && example % (sample / size) == 0 && result < 0) {
      result = example / (sample / size);
    }
  }
  return result;
}

}  // namespace

void set_example_sizes(Model& model, const std::map<int32_t, int32_t>& examples) {
  for (Subgraph& subgraph : model.subgraphs) {
    for (Tensor& tensor : subgraph.tensors) {
      if (tensor.shape_signature.empty()) continue;
      for (size_t i = 0; i < tensor.shape.size(); ++i) {
        if (tensor.shape_signature[i] >= 0) continue;
        const int64_t size = example_size(tensor.shape[i], examples, kMostFactors);
        if (size < 0 || size > INT32_MAX) {
          throw Error(
              fmt::format("the size {} of '{}' follows from no size of the model", tensor.shape[i], tensor.name),
              "this is a defect of the converter; please report it");
        }
        tensor.shape[i] = static_cast<int32_t>(size);
      }
    }
  }
}

}  // namespace tinyml::tflite
