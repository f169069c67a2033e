#include "tflite/passes/evaluate_creation.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "tflite/constant_values.h"

namespace tinyml::tflite {
namespace {

std::optional<Buffer> shape_of(const Tensor& x, Type type) {
  if (type == Type::INT32) return Buffer::of(std::vector<int32_t>(x.shape.begin(), x.shape.end()));
  if (type == Type::INT64) return Buffer::of(std::vector<int64_t>(x.shape.begin(), x.shape.end()));
  return std::nullopt;
}

std::optional<Buffer> fill(const Tensor& value, const Tensor& out) {
  const int bits = bits_of(value.type);
  if (bits == 0 || bits % 8 != 0 || value.type != out.type || element_count(value.shape) != 1) return std::nullopt;
  const auto width = static_cast<size_t>(bits) / 8;
  if (value.buffer.size() != width) return std::nullopt;
  std::vector<std::byte> result(static_cast<size_t>(element_count(out.shape)) * width);
  for (size_t at = 0; at < result.size(); at += width) std::memcpy(result.data() + at, value.buffer.data(), width);
  return Buffer::of(std::move(result));
}

// As the kernel counts: start + i * delta.
template <class T>
std::optional<Buffer> range(const Editor& editor, const Operator& op) {
  const auto value = [&](size_t slot) { return editor.tensor(op.inputs[slot]).buffer.as<T>()[0]; };
  const auto count = static_cast<size_t>(element_count(editor.tensor(op.outputs[0]).shape));
  std::vector<T> result;
  for (size_t i = 0; i < count; ++i) result.push_back(static_cast<T>(value(0) + static_cast<T>(i) * value(2)));
  return Buffer::of(std::move(result));
}

std::optional<Buffer> range(const Editor& editor, const Operator& op) {
  const Type type = editor.tensor(op.outputs[0]).type;
  for (const int id : op.inputs) {
    if (editor.tensor(id).type != type || element_count(editor.tensor(id).shape) != 1) return std::nullopt;
  }
  if (op.inputs.size() != 3) return std::nullopt;
  if (type == Type::INT32) return range<int32_t>(editor, op);
  return type == Type::FLOAT32 ? range<float>(editor, op) : std::nullopt;
}

// What a STRIDED_SLICE takes along one axis.
struct Taken {
  int64_t begin = 0, step = 1, count = 0;
};

std::optional<std::vector<Taken>> taken_by(const Editor& editor, const Operator& op, const Shape& shape) {
  const auto begin = constant_integers(editor.subgraph(), op, 1);
  const auto end = constant_integers(editor.subgraph(), op, 2);
  const auto steps = constant_integers(editor.subgraph(), op, 3);
  const auto& options = std::get<StridedSliceOptions>(op.options);
  if (!begin || !end || !steps || options.ellipsis_mask != 0 || options.new_axis_mask != 0 || options.offset)
    return std::nullopt;
  if (begin->size() > shape.size() || end->size() != begin->size() || steps->size() != begin->size())
    return std::nullopt;
  std::vector<Taken> taken;
  for (size_t i = 0; i < shape.size(); ++i) {
    const int64_t size = shape[i];
    if (i >= begin->size()) {
      taken.push_back({0, 1, size});
      continue;
    }
    const auto masked = [&](int32_t mask) { return i < 31 && (mask >> i & 1) != 0; };
    const int64_t step = (*steps)[i];
    if (step == 0 || std::abs(step) > INT32_MAX) return std::nullopt;
    // Positions from which a step forwards or backwards still takes something, and the one behind the last.
    const int64_t low = step > 0 ? 0 : -1;
    const int64_t high = step > 0 ? size : size - 1;
    const auto position = [&](int64_t at) { return std::clamp(at < 0 ? at + size : at, low, high); };
    const int64_t from = masked(options.begin_mask) ? (step > 0 ? low : high) : position((*begin)[i]);
    if (masked(options.shrink_axis_mask)) {
      if (from < 0 || from >= size) return std::nullopt;
      taken.push_back({from, 1, 1});
      continue;
    }
    const int64_t to = masked(options.end_mask) ? (step > 0 ? high : low) : position((*end)[i]);
    const int64_t distance = step > 0 ? to - from : from - to;
    const int64_t stride = std::abs(step);
    taken.push_back({from, step, std::max<int64_t>(0, (distance + stride - 1) / stride)});
  }
  return taken;
}

std::optional<Buffer> strided_slice(const Editor& editor, const Operator& op) {
  const Tensor& x = editor.tensor(op.inputs[0]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  const int bits = bits_of(x.type);
  if (bits == 0 || bits % 8 != 0 || x.type != out.type || x.quantization != out.quantization) return std::nullopt;
  const auto width = static_cast<size_t>(bits) / 8;
  const auto taken = taken_by(editor, op, x.shape);
  if (!taken) return std::nullopt;
  int64_t count = 1;
  for (const Taken& axis : *taken) count *= axis.count;
  if (count != element_count(out.shape)) return std::nullopt;
  std::vector<std::byte> result(static_cast<size_t>(count) * width);
  for (int64_t i = 0; i < count; ++i) {
    int64_t rest = i;
    int64_t stride = 1;
    int64_t source = 0;
    for (size_t axis = taken->size(); axis-- > 0;) {
      const Taken& part = (*taken)[axis];
      source += (part.begin + rest % part.count * part.step) * stride;
      rest /= part.count;
      stride *= x.shape[axis];
    }
    std::memcpy(result.data() + static_cast<size_t>(i) * width, x.buffer.data() + static_cast<size_t>(source) * width,
                width);
  }
  return Buffer::of(std::move(result));
}

}  // namespace

std::optional<Buffer> evaluate_creation(const Editor& editor, const Operator& op) {
  const Tensor& out = editor.tensor(op.outputs[0]);
  switch (op.op) {
    case Op::SHAPE:
      return shape_of(editor.tensor(op.inputs[0]), out.type);
    case Op::FILL:
      return op.inputs.size() == 2 ? fill(editor.tensor(op.inputs[1]), out) : std::nullopt;
    case Op::RANGE:
      return range(editor, op);
    case Op::STRIDED_SLICE:
      return strided_slice(editor, op);
    default:
      return std::nullopt;
  }
}

std::optional<Shape> strided_slice_shape(const Editor& editor, const Operator& op) {
  const auto taken = taken_by(editor, op, editor.tensor(op.inputs[0]).shape);
  if (!taken) return std::nullopt;
  const int32_t shrunk = std::get<StridedSliceOptions>(op.options).shrink_axis_mask;
  Shape shape;
  for (size_t i = 0; i < taken->size(); ++i) {
    if (i >= 31 || (shrunk >> i & 1) == 0) shape.push_back(static_cast<int32_t>((*taken)[i].count));
  }
  return shape;
}

}  // namespace tinyml::tflite
