// Rearranging weights while they are lowered.
#pragma once

#include <functional>

#include "lower/lowering.h"

namespace tinyml::lowering {

/// The weights with their data rearranged by `change`: of a constant, of a constant behind QUANTIZE and DEQUANTIZE
/// (whose number of scales must stay true for the changed data). kNoTensor when the weights are computed by the model.
TensorId change_weights(Lowering& at, TensorId weights, const std::function<Tensor(const Tensor&)>& change);

/// The weights under another shape with as many elements; computed ones by a RESHAPE. A dimension that is quantized per
/// channel must stay where it is.
TensorId reshape_weights(Lowering& at, TensorId weights, const Sizes& shape);

/// [begin, begin + count) of one dimension of the weights, which must not be quantized per channel along it.
TensorId slice_weights(Lowering& at, TensorId weights, int64_t dim, int64_t begin, int64_t count);

/// Contents of a constant tensor of the model as a Tensor that shares them.
Tensor data_of(const tflite::Tensor& constant);

}  // namespace tinyml::lowering
