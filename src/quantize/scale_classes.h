// Which values share a scale.
#pragma once

#include <numeric>
#include <vector>

#include "tinyml/graph.h"

namespace tinyml::quantization {

/// Sets of values with one scale.
class ScaleClasses {
 public:
  explicit ScaleClasses(size_t count) : parent_(count) { std::iota(parent_.begin(), parent_.end(), size_t{0}); }
  size_t find(ValueId value) {
    size_t root = index_of(value);
    while (parent_[root] != root) root = parent_[root] = parent_[parent_[root]];
    return root;
  }
  /// The first one's representative stays: the value that defines the scale.
  void join(ValueId source, ValueId other) { parent_[find(other)] = find(source); }

 private:
  std::vector<size_t> parent_;
};

}  // namespace tinyml::quantization
