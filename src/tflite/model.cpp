// Buffers and the builder functions of Subgraph.
#include <cstring>

#include "tinyml/error.h"
#include "tinyml/tflite.h"

namespace tinyml::tflite {

Buffer Buffer::alias(std::shared_ptr<const void> owner, const void* data, size_t size) {
  Buffer buffer;
  buffer.owner_ = std::move(owner);
  buffer.data_ = static_cast<const std::byte*>(data);
  buffer.size_ = size;
  return buffer;
}

Buffer Buffer::copy_of(const void* data, size_t size) {
  std::vector<std::byte> bytes(size);
  if (size > 0) std::memcpy(bytes.data(), data, size);
  return of(std::move(bytes));
}

void Buffer::check_alignment(size_t alignment) const {
  if (reinterpret_cast<uintptr_t>(data_) % alignment != 0) {
    throw Error("a constant's bytes are not aligned for its element type");
  }
}

int64_t element_count(const Shape& shape) {
  int64_t count = 1;
  for (int32_t size : shape) {
    if (size < 0) throw Error("a shape has the negative size " + std::to_string(size));
    if (__builtin_mul_overflow(count, int64_t{size}, &count)) throw Error("a shape has more elements than fit 64 bits");
  }
  return count;
}

int64_t byte_count(Type type, const Shape& shape) {
  const int bits = bits_of(type);
  if (bits == 0) throw Error("type " + std::string(to_string(type)) + " has no fixed element size");
  int64_t total = 0;
  if (__builtin_mul_overflow(element_count(shape), int64_t{bits}, &total) || total > INT64_MAX - 7) {
    throw Error("a shape has more bytes than fit 64 bits");
  }
  return (total + 7) / 8;
}

int Subgraph::add_tensor(Tensor tensor) {
  tensors.push_back(std::move(tensor));
  return static_cast<int>(tensors.size()) - 1;
}

int Subgraph::add_tensor(std::string tensor_name, Type type, Shape shape, Quantization quantization) {
  Tensor tensor;
  tensor.name = std::move(tensor_name);
  tensor.type = type;
  tensor.shape = std::move(shape);
  tensor.quantization = std::move(quantization);
  return add_tensor(std::move(tensor));
}

int Subgraph::add_constant(std::string tensor_name, Type type, Shape shape, Buffer buffer, Quantization quantization) {
  const int64_t expected = byte_count(type, shape);
  if (static_cast<int64_t>(buffer.size()) != expected) {
    throw Error("constant '" + tensor_name + "' has " + std::to_string(buffer.size()) +
                " bytes where its shape needs " + std::to_string(expected));
  }
  const int id = add_tensor(std::move(tensor_name), type, std::move(shape), std::move(quantization));
  tensors.back().buffer = std::move(buffer);
  return id;
}

int Subgraph::add_constant(std::string tensor_name, std::vector<float> values, Shape shape) {
  return add_constant(std::move(tensor_name), Type::FLOAT32, std::move(shape), Buffer::of(std::move(values)));
}

int Subgraph::add_constant(std::string tensor_name, std::vector<int32_t> values, Shape shape) {
  return add_constant(std::move(tensor_name), Type::INT32, std::move(shape), Buffer::of(std::move(values)));
}

int Subgraph::add_constant(std::string tensor_name, std::vector<int32_t> values) {
  const Shape shape = {static_cast<int32_t>(values.size())};
  return add_constant(std::move(tensor_name), std::move(values), shape);
}

int Subgraph::add_operator(Op op, std::vector<int> op_inputs, std::vector<int> op_outputs, Options options,
                           bool channels_first) {
  Operator added;
  added.op = op;
  added.inputs = std::move(op_inputs);
  added.outputs = std::move(op_outputs);
  added.options = std::move(options);
  added.channels_first = channels_first;
  operators.push_back(std::move(added));
  return static_cast<int>(operators.size()) - 1;
}

}  // namespace tinyml::tflite
