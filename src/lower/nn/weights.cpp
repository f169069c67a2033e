#include "lower/nn/weights.h"

namespace tinyml::lowering {
namespace {

ScalarType scalar_type(Type type) {
  switch (type) {
    case Type::FLOAT32:
      return ScalarType::kFloat32;
    case Type::INT32:
      return ScalarType::kInt32;
    case Type::INT16:
      return ScalarType::kInt16;
    case Type::INT8:
      return ScalarType::kInt8;
    case Type::UINT8:
      return ScalarType::kUInt8;
    default:
      TINYML_CHECK(type == Type::BOOL);
      return ScalarType::kBool;
  }
}

}  // namespace

Tensor data_of(const tflite::Tensor& constant) {
  TINYML_CHECK(constant.is_constant());
  const auto owner = std::make_shared<const tflite::Buffer>(constant.buffer);
  const Storage storage = Storage::view(owner, owner->data(), owner->size());
  Sizes shape(constant.shape.begin(), constant.shape.end());
  Sizes strides(shape.size(), 1);
  for (size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * shape[i];
  return Tensor(scalar_type(constant.type), shape, strides, 0, storage);
}

TensorId change_weights(Lowering& at, TensorId weights, const std::function<Tensor(const Tensor&)>& change) {
  const tflite::Tensor& tensor = at.tensor(weights);
  if (tensor.is_constant()) {
    const Tensor changed = change(data_of(tensor));
    return at.constant(changed, std::string(tensor.name));
  }
  const tflite::Operator* producer = at.producer_of(weights);
  if (producer == nullptr || (producer->op != Op::QUANTIZE && producer->op != Op::DEQUANTIZE)) return tflite::kNoTensor;
  const Op op = producer->op;
  const tflite::Quantization quantization = tensor.quantization;
  const Type type = tensor.type;
  const TensorId changed = change_weights(at, producer->inputs[0], change);
  if (changed == tflite::kNoTensor) return changed;
  const TensorId result = at.emit(op, {changed}, type, at.shape(changed));
  at.tensor(result).quantization = quantization;
  return result;
}

TensorId reshape_weights(Lowering& at, TensorId weights, const Sizes& shape) {
  if (at.shape(weights) == shape) return weights;
  const TensorId changed = change_weights(at, weights, [&](const Tensor& data) { return data.reshaped(shape); });
  return changed == tflite::kNoTensor ? at.reshape(weights, shape) : changed;
}

TensorId slice_weights(Lowering& at, TensorId weights, int64_t dim, int64_t begin, int64_t count) {
  Sizes size = at.shape(weights);
  if (size[static_cast<size_t>(dim)] == count) return weights;
  Sizes rows;
  for (int64_t i = 0; i < count; ++i) rows.push_back(begin + i);
  const TensorId changed =
      change_weights(at, weights, [&](const Tensor& data) { return data.index_select(dim, rows); });
  if (changed != tflite::kNoTensor) return changed;
  Sizes start(size.size(), 0);
  start[static_cast<size_t>(dim)] = begin;
  size[static_cast<size_t>(dim)] = count;
  return at.slice(weights, start, size);
}

}  // namespace tinyml::lowering
