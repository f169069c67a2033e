// What several families of element-wise operators are composed of.
#pragma once

#include "lower/lowering.h"

namespace tinyml::lowering {

/// The type that TFLite's arithmetic has kernels for: INT32 for every narrower integer.
Type computing_type(Type type);
/// The name of the first argument: "self" or "input".
const char* first_name(const Lowering& at);
/// A float constant without dimensions.
TensorId number(Lowering& at, double value);
/// x rounded towards zero; x FLOAT32.
TensorId truncate(Lowering& at, TensorId x);
/// log(exp(a) + exp(b)) without overflow; FLOAT32, finite.
TensorId log_add_exp(Lowering& at, TensorId a, TensorId b);
/// x[i] ** exponent; FLOAT32.
TensorId power(Lowering& at, TensorId x, double exponent);
/// Where x is not a number; FLOAT32.
TensorId is_nan(Lowering& at, TensorId x);
/// The order that swaps an axis with the last one: its own inverse.
Sizes swap_with_last(int64_t axis, int64_t rank);

}  // namespace tinyml::lowering
