#pragma once

#include <utility>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// Signatures name tensors by id; passes that replace a subgraph's outputs change ids but not positions. Construct
/// before, call `restore` after.
class SignatureBinding {
 public:
  explicit SignatureBinding(const Model& model);
  void restore(Model& model) const;

 private:
  std::vector<std::vector<int>> inputs_,
      outputs_;  // By signature and entry: position, or -1 when it is no boundary tensor.
};

}  // namespace tinyml::tflite
