// Sizes at run time: which operators give a size that is known at several samples only.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite {

/// One number at every sample.
using Samples = std::vector<int64_t>;

bool is_constant(const Samples& values);

/// How a number follows from others, at every sample: (factor * a [* b] + offset) floor-divided by divisor.
struct SizeFormula {
  size_t a = 0;
  std::optional<size_t> b;
  int64_t factor = 1, offset = 0, divisor = 1;

  int64_t apply(int64_t x, int64_t y) const;
};

/// The simplest formula over `pool` that gives `wanted` at every sample; nullopt when there is none.
std::optional<SizeFormula> find_formula(const Samples& wanted, const std::vector<Samples>& pool);

/// Emits operators into one subgraph that compute sizes from the shapes of tensors that are there already. SHAPE,
/// STRIDED_SLICE, CONCATENATION and MUL of sizes are computed by the runtime when it allocates tensors, so that what
/// depends on them has a known shape; ADD and FLOOR_DIV are not.
class SizeSource {
 public:
  explicit SizeSource(Subgraph& subgraph) : subgraph_(subgraph) {}

  /// The tensor is computed from here on; `dims`: each of its sizes at every sample.
  void add(int tensor, const std::vector<Samples>& dims);

  /// int32[n], each element at every sample; kNoTensor when no formula gives one of them.
  int vector_of(const std::vector<Samples>& elements);
  /// int32 without dimensions.
  int scalar_of(const Samples& value);

 private:
  int element(const Samples& value);  ///< int32[1].
  int from_dimension(int tensor, int axis);
  int binary(Op op, int a, int b);
  int emit(Op op, std::vector<int> inputs, Shape shape, Options options);
  int constant(std::vector<int32_t> values);

  struct Dimension {
    int tensor;
    int axis;
  };
  Subgraph& subgraph_;
  std::vector<Samples> pool_;
  std::vector<Dimension> dimensions_;
  std::map<Samples, int> elements_, scalars_;
  std::map<int, int> shapes_;
};

}  // namespace tinyml::tflite
