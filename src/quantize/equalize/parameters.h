// Parameters that are changed in place and stored at the end.
#pragma once

#include <map>
#include <span>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Working copies of float32 tensors.
class Parameters {
 public:
  explicit Parameters(Graph& graph) : graph_(graph) {}
  std::span<float> of(ValueId value) {
    auto found = tensors_.find(value);
    if (found == tensors_.end()) found = tensors_.emplace(value, graph_.binding_of(value)->data.contiguous()).first;
    return {found->second.mutable_data<float>(), static_cast<size_t>(found->second.numel())};
  }
  void store() {
    for (auto& [value, tensor] : tensors_) graph_.set_binding_data(value, tensor);
  }

 private:
  Graph& graph_;
  std::map<ValueId, Tensor> tensors_;
};

}  // namespace tinyml::quantization
