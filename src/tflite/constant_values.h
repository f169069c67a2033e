// Small integer constants (axes, shapes, paddings) as vectors.
#pragma once

#include <optional>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// The elements of a constant INT32 or INT64 tensor; nullopt when the tensor is no constant or of another type.
std::optional<std::vector<int64_t>> constant_integers(const Subgraph& subgraph, int tensor);

/// The same for input `input` of an operator; nullopt also when there is none.
std::optional<std::vector<int64_t>> constant_integers(const Subgraph& subgraph, const Operator& op, size_t input);

/// An axis made non-negative; throws Error outside [-rank, rank).
int normalized_axis(int64_t axis, int rank);

}  // namespace tinyml::tflite
