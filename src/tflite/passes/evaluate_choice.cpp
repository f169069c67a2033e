#include "tflite/passes/evaluate_choice.h"

namespace tinyml::tflite {
namespace {

// For each element of the result, the index of the operand's element that is broadcast to it.
std::vector<size_t> broadcast_indices(const Shape& shape, const Shape& out) {
  std::vector<size_t> strides(out.size(), 0);
  size_t step = 1;
  for (size_t i = 0; i < shape.size(); ++i) {
    const size_t axis = shape.size() - 1 - i;
    if (shape[axis] != 1) strides[out.size() - 1 - i] = step;
    step *= static_cast<size_t>(shape[axis]);
  }
  std::vector<size_t> result(static_cast<size_t>(element_count(out)));
  std::vector<int32_t> index(out.size(), 0);
  size_t at = 0;
  for (size_t& value : result) {
    value = at;
    for (size_t axis = out.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < out[axis]) break;
      at -= strides[axis] * static_cast<size_t>(out[axis]);
      index[axis] = 0;
    }
  }
  return result;
}

bool broadcasts(const Shape& shape, const Shape& out) {
  if (shape.size() > out.size()) return false;
  for (size_t i = 1; i <= shape.size(); ++i) {
    if (shape[shape.size() - i] != 1 && shape[shape.size() - i] != out[out.size() - i]) return false;
  }
  return true;
}

template <class T>
bool holds(Op op, T a, T b) {
  switch (op) {
    case Op::EQUAL:
      return a == b;
    case Op::NOT_EQUAL:
      return a != b;
    case Op::LESS:
      return a < b;
    case Op::LESS_EQUAL:
      return a <= b;
    case Op::GREATER:
      return a > b;
    case Op::GREATER_EQUAL:
      return a >= b;
    case Op::LOGICAL_AND:
      return a != T{} && b != T{};
    default:
      return a != T{} || b != T{};  // LOGICAL_OR
  }
}

template <class T>
Buffer compare(Op op, const Tensor& x, const Tensor& y, const Shape& out) {
  const auto a = x.buffer.as<T>();
  const auto b = y.buffer.as<T>();
  const auto ia = broadcast_indices(x.shape, out);
  const auto ib = broadcast_indices(y.shape, out);
  std::vector<uint8_t> result(ia.size());
  for (size_t i = 0; i < result.size(); ++i) result[i] = holds(op, a[ia[i]], b[ib[i]]) ? 1 : 0;
  return Buffer::of(std::move(result));
}

template <class T>
Buffer choose(const Tensor& condition, const Tensor& x, const Tensor& y, const Shape& out) {
  const auto a = x.buffer.as<T>();
  const auto b = y.buffer.as<T>();
  const auto c = condition.buffer.as<uint8_t>();
  const auto ia = broadcast_indices(x.shape, out);
  const auto ib = broadcast_indices(y.shape, out);
  const auto ic = broadcast_indices(condition.shape, out);
  std::vector<T> result(ia.size());
  for (size_t i = 0; i < result.size(); ++i) result[i] = c[ic[i]] != 0 ? a[ia[i]] : b[ib[i]];
  return Buffer::of(std::move(result));
}

// Calls f with a zero of the C++ type that stores a tensor's elements.
template <class F>
std::optional<Buffer> with_type(Type type, F f) {
  switch (type) {
    case Type::FLOAT32:
      return f(0.0F);
    case Type::INT32:
      return f(int32_t{0});
    case Type::INT64:
      return f(int64_t{0});
    case Type::BOOL:
      return f(uint8_t{0});
    default:
      return std::nullopt;
  }
}

}  // namespace

std::optional<Buffer> evaluate_choice(const Editor& editor, const Operator& op) {
  const Shape& out = editor.tensor(op.outputs[0]).shape;
  for (const int id : op.inputs) {
    if (!editor.tensor(id).quantization.empty() || !broadcasts(editor.tensor(id).shape, out)) return std::nullopt;
  }
  const Tensor& x = editor.tensor(op.inputs[0]);
  switch (op.op) {
    case Op::LOGICAL_NOT: {
      if (x.type != Type::BOOL) return std::nullopt;
      std::vector<uint8_t> result;
      for (const uint8_t value : x.buffer.as<uint8_t>()) result.push_back(value != 0 ? 0 : 1);
      return Buffer::of(std::move(result));
    }
    case Op::EQUAL:
    case Op::NOT_EQUAL:
    case Op::LESS:
    case Op::LESS_EQUAL:
    case Op::GREATER:
    case Op::GREATER_EQUAL:
    case Op::LOGICAL_AND:
    case Op::LOGICAL_OR: {
      const Tensor& y = editor.tensor(op.inputs[1]);
      if (x.type != y.type) return std::nullopt;
      return with_type(x.type, [&](auto zero) { return compare<decltype(zero)>(op.op, x, y, out); });
    }
    case Op::SELECT:
    case Op::SELECT_V2: {
      const Tensor& yes = editor.tensor(op.inputs[1]);
      const Tensor& no = editor.tensor(op.inputs[2]);
      // SELECT takes a vector condition for the rows of its operands, which is not broadcasting.
      const bool rows = op.op == Op::SELECT && x.shape != out && !x.shape.empty();
      if (x.type != Type::BOOL || yes.type != no.type || rows) return std::nullopt;
      return with_type(yes.type, [&](auto zero) { return choose<decltype(zero)>(x, yes, no, out); });
    }
    default:
      return std::nullopt;
  }
}

}  // namespace tinyml::tflite
