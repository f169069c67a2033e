// Element types in which values are computed: double, float (also for float16 and bfloat16) and int64_t (also for
// bool).
#pragma once

#include <cstdint>
#include <span>

#include "evaluate/operator_call.h"

namespace tinyml::evaluation {

/// float64 for float64, float32 for the other floating-point types, int64 for integers and bool.
ScalarType compute_type(ScalarType type);

/// Calls f with a value of the C++ type in which elements of `type` are computed.
template <typename F>
auto dispatch_compute(ScalarType type, F f) {
  switch (compute_type(type)) {
    case ScalarType::kFloat64:
      return f(double{});
    case ScalarType::kFloat32:
      return f(float{});
    default:
      return f(int64_t{});
  }
}

/// The same for operators that are defined on floating-point elements only; throws Error for others.
template <typename F>
auto dispatch_floating(ScalarType type, F f) {
  switch (compute_type(type)) {
    case ScalarType::kFloat64:
      return f(double{});
    case ScalarType::kFloat32:
      return f(float{});
    default:
      throw Error("not defined for " + std::string(name_of(type)) + " elements");
  }
}

/// Element type of an operation on both, as torch.promote_types.
ScalarType promote_types(ScalarType a, ScalarType b);

/// Element type of an operation on all of them, as torch.result_type: tensors with dimensions decide before tensors of
/// rank 0, and these before numbers, unless the kind (bool, integer, floating-point) of the latter is higher.
ScalarType result_type(std::span<const Operand> operands, ScalarType default_float);

/// All tensors in the type that they have together. Throws Error for none.
std::vector<Tensor> same_type(std::vector<Tensor> tensors, const OperatorCall& call);

/// Dimension `dim` of a tensor of that rank as a non-negative index; rank 0 counts as rank 1. Throws Error if out of
/// range.
int64_t normalize_dim(int64_t dim, int64_t rank);

/// Each normalised; throws Error for duplicates. Empty input stays empty.
std::vector<int64_t> normalize_dims(std::vector<int64_t> dims, int64_t rank);

}  // namespace tinyml::evaluation
