#include "lower/lowering.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

namespace tinyml::lowering {

Type tflite_type(ScalarType type) {
  switch (type) {
    case ScalarType::kFloat16:
    case ScalarType::kBFloat16:
    case ScalarType::kFloat32:
    case ScalarType::kFloat64:
      return Type::FLOAT32;
    case ScalarType::kInt32:
    case ScalarType::kInt64:
      return Type::INT32;
    case ScalarType::kInt16:
      return Type::INT16;
    case ScalarType::kInt8:
      return Type::INT8;
    case ScalarType::kUInt8:
      return Type::UINT8;
    case ScalarType::kBool:
      return Type::BOOL;
    default:
      throw Error(fmt::format("TFLite has no tensors of type {}", name_of(type)),
                  "use a type that TFLite has: float32, int32, int8, uint8, int16 or bool");
  }
}

tflite::Shape tflite_shape(const Sizes& sizes) {
  tflite::Shape shape;
  for (const int64_t size : sizes) {
    if (size < 0 || size > std::numeric_limits<int32_t>::max()) {
      throw Error(fmt::format("a dimension of {} elements is too large for TFLite", size));
    }
    shape.push_back(static_cast<int32_t>(size));
  }
  return shape;
}

Sizes broadcast(const Sizes& a, const Sizes& b) {
  Sizes result(std::max(a.size(), b.size()), 1);
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    TINYML_CHECK(x == y || x == 1 || y == 1);
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

Lowering::Lowering(const Graph& graph, LowerOptions options) : graph_(graph), options_(std::move(options)) {
  model.subgraphs.emplace_back().name = "main";
}

int Lowering::begin_subgraph(std::string name) {
  scopes_.push_back({model.subgraphs.size(), {}});
  model.subgraphs.emplace_back().name = std::move(name);
  return static_cast<int>(scopes_.back().subgraph);
}

void Lowering::end_subgraph() {
  TINYML_CHECK(scopes_.size() > 1);
  scopes_.pop_back();
}

void Lowering::enter(NodeId id) {
  node_ = &graph_.node(id);
  node_id_ = id;
  const std::string& path = node_->module_path();
  std::string name = node_->op;
  for (const ValueId output : node_->outputs) {
    if (output == kNoValue) continue;
    name = graph_.value(output).name;
    break;
  }
  scope_ = path.empty() ? name : path + "/" + name;
  scope_count_ = 0;
}

std::string Lowering::fresh_name(std::string_view suffix) {
  if (node_ == nullptr) return std::string(suffix);
  const size_t count = scope_count_++;
  return count == 0 ? scope_ : fmt::format("{}_{}", scope_, count);
}

TensorId Lowering::tensor_of(ValueId value) {
  if (const auto found = tensors_.find(value); found != tensors_.end()) return found->second;
  const Binding* binding = graph_.binding_of(value);
  TINYML_CHECK(binding != nullptr);
  const TensorId id = constant(binding->data, binding->fqn);
  tensors_.emplace(value, id);
  return id;
}

void Lowering::bind(ValueId value, TensorId tensor) {
  const bool inserted = tensors_.emplace(value, tensor).second;
  TINYML_CHECK(inserted);
}

void Lowering::set_output(size_t index, TensorId id) {
  const ValueId value = node().outputs.at(index);
  if (value == kNoValue) return;
  if (shape(id) != output_sizes(index)) {
    refuse(fmt::format("the lowering made a tensor of shape [{}] where the graph says [{}]", fmt::join(shape(id), ", "),
                       fmt::join(output_sizes(index), ", ")),
           "this is a defect of the converter; please report it");
  }
  bind(value, cast(id, output_type(index)));
}

TensorId Lowering::add_tensor(Type type, const Sizes& shape, tflite::Quantization quantization) {
  return subgraph().add_tensor(fresh_name("tensor"), type, tflite_shape(shape), std::move(quantization));
}

Sizes Lowering::shape(TensorId id) const { return {tensor(id).shape.begin(), tensor(id).shape.end()}; }

TensorId Lowering::constant(const Tensor& data, std::string name) {
  const Type type = tflite_type(data.type());
  if (name.empty()) name = fresh_name("constant");
  ScalarType stored = data.type();
  if (type == Type::FLOAT32) stored = ScalarType::kFloat32;
  if (type == Type::INT32) stored = ScalarType::kInt32;
  if (data.type() == ScalarType::kInt64) {
    for (const int64_t value : data.contiguous().data<int64_t>()) {
      if (value != static_cast<int32_t>(value)) {
        throw Error(fmt::format("the constant '{}' holds {}, which does not fit into int32", name, value),
                    "use smaller integers in the model; TFLite's operators take int32");
      }
    }
  }
  Tensor contents = stored == data.type() ? data.contiguous() : data.to(stored);
  auto owner = std::make_shared<const Tensor>(std::move(contents));
  const tflite::Buffer buffer = tflite::Buffer::alias(owner, owner->bytes(), owner->nbytes());
  return subgraph().add_constant(std::move(name), type, tflite_shape(data.shape()), buffer);
}

TensorId Lowering::constant(std::vector<float> values, const Sizes& shape) {
  return subgraph().add_constant(fresh_name("constant"), std::move(values), tflite_shape(shape));
}

TensorId Lowering::constant(std::vector<int32_t> values, const Sizes& shape) {
  return subgraph().add_constant(fresh_name("constant"), std::move(values), tflite_shape(shape));
}

TensorId Lowering::indices(const Sizes& values) {
  std::vector<int32_t> narrow(values.begin(), values.end());
  return constant(std::move(narrow), {static_cast<int64_t>(values.size())});
}

TensorId Lowering::scalar(double value, Type type) {
  if (type == Type::INT32 && !(std::abs(value) <= 2147483648.0 && value < 2147483648.0)) {
    refuse(fmt::format("the number {:.0f}, which does not fit into int32: TFLite's kernels have no int64 arithmetic",
                       value),
           "use a smaller number; where it stands for infinity, 2147483647 or the smallest int32 does the same");
  }
  switch (type) {
    case Type::FLOAT32:
      return constant(std::vector<float>{static_cast<float>(value)}, {});
    case Type::INT32:
      return constant(std::vector<int32_t>{static_cast<int32_t>(value)}, {});
    case Type::BOOL:
      return subgraph().add_constant(fresh_name("constant"), type, {},
                                     tflite::Buffer::of(std::vector<uint8_t>{value != 0 ? uint8_t{1} : uint8_t{0}}));
    case Type::INT8:
      return subgraph().add_constant(fresh_name("constant"), type, {},
                                     tflite::Buffer::of(std::vector<int8_t>{static_cast<int8_t>(value)}));
    case Type::UINT8:
      return subgraph().add_constant(fresh_name("constant"), type, {},
                                     tflite::Buffer::of(std::vector<uint8_t>{static_cast<uint8_t>(value)}));
    case Type::INT16:
      return subgraph().add_constant(fresh_name("constant"), type, {},
                                     tflite::Buffer::of(std::vector<int16_t>{static_cast<int16_t>(value)}));
    default:
      refuse(fmt::format("a number of type {}", to_string(type)));
  }
}

}  // namespace tinyml::lowering
