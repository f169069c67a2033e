#pragma once

#include <vector>

#include "tinyml/tensor.h"

namespace tinyml::prune {

/// Indices of one dimension, ascending.
struct Selection {
  int64_t dim = 0;
  std::vector<int64_t> indices;
};

/// The elements at the selected indices of several dimensions (each listed once), copied in one pass into storage that
/// is not written before.
Tensor gather_indices(const Tensor& data, std::vector<Selection> selections);

}  // namespace tinyml::prune
