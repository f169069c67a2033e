#include "tflite/passes/evaluate_reduction.h"

#include <algorithm>
#include <limits>

#include "tflite/constant_values.h"

namespace tinyml::tflite {
namespace {

// Doubles hold every FLOAT32, INT32 and BOOL exactly.
std::optional<std::vector<double>> read(const Tensor& x) {
  const auto all = [](auto span) { return std::vector<double>(span.begin(), span.end()); };
  switch (x.type) {
    case Type::FLOAT32:
      return all(x.buffer.as<float>());
    case Type::INT32:
      return all(x.buffer.as<int32_t>());
    case Type::BOOL:
      return all(x.buffer.as<uint8_t>());
    default:
      return std::nullopt;
  }
}

std::optional<Buffer> write(const std::vector<double>& values, Type type) {
  constexpr double kLargest = std::numeric_limits<int32_t>::max();
  const auto fits = [](double value) { return value >= -kLargest - 1 && value <= kLargest; };
  switch (type) {
    case Type::FLOAT32:
      return Buffer::of(std::vector<float>(values.begin(), values.end()));
    case Type::INT32:
      if (!std::all_of(values.begin(), values.end(), fits)) return std::nullopt;
      return Buffer::of(std::vector<int32_t>(values.begin(), values.end()));
    case Type::BOOL:
      return Buffer::of(std::vector<uint8_t>(values.begin(), values.end()));
    default:
      return std::nullopt;
  }
}

double combine(Op op, double a, double b) {
  switch (op) {
    case Op::REDUCE_MAX:
      return std::max(a, b);
    case Op::REDUCE_MIN:
      return std::min(a, b);
    case Op::REDUCE_PROD:
      return a * b;
    case Op::REDUCE_ANY:
      return a != 0 || b != 0 ? 1 : 0;
    case Op::REDUCE_ALL:
      return a != 0 && b != 0 ? 1 : 0;
    default:
      return a + b;  // SUM, MEAN
  }
}

// Whether the elements of this type can be reduced by this operator.
bool accepts(Op op, Type type) {
  if (op == Op::REDUCE_ANY || op == Op::REDUCE_ALL) return type == Type::BOOL;
  if (op == Op::MEAN) return type == Type::FLOAT32;
  return type == Type::FLOAT32 || type == Type::INT32;
}

std::vector<double> reduce(Op op, const std::vector<double>& x, const Shape& shape, const std::vector<bool>& reduced,
                           size_t results) {
  std::vector<size_t> strides(shape.size(), 0);
  size_t step = 1;
  for (size_t axis = shape.size(); axis-- > 0;) {
    if (reduced[axis]) continue;
    strides[axis] = step;
    step *= static_cast<size_t>(shape[axis]);
  }
  std::vector<double> values(results, 0);
  std::vector<bool> begun(results, false);
  Shape index(shape.size(), 0);
  size_t at = 0;
  for (const double value : x) {
    values[at] = begun[at] ? combine(op, values[at], value) : value;
    begun[at] = true;
    for (size_t axis = shape.size(); axis-- > 0;) {
      at += strides[axis];
      if (++index[axis] < shape[axis]) break;
      at -= strides[axis] * static_cast<size_t>(shape[axis]);
      index[axis] = 0;
    }
  }
  if (op == Op::MEAN) {
    for (double& value : values) value /= static_cast<double>(x.size() / results);
  }
  return values;
}

std::vector<double> accumulate(const std::vector<double>& x, const Shape& shape, size_t axis, CumsumOptions options) {
  size_t inner = 1;
  for (size_t i = axis + 1; i < shape.size(); ++i) inner *= static_cast<size_t>(shape[i]);
  const auto extent = static_cast<size_t>(shape[axis]);
  std::vector<double> result(x.size());
  for (size_t outer = 0; outer < x.size(); outer += extent * inner) {
    for (size_t i = 0; i < inner; ++i) {
      double sum = 0;
      for (size_t n = 0; n < extent; ++n) {
        const size_t at = outer + i + (options.reverse ? extent - 1 - n : n) * inner;
        if (!options.exclusive) sum += x[at];
        result[at] = sum;
        if (options.exclusive) sum += x[at];
      }
    }
  }
  return result;
}

}  // namespace

std::optional<Buffer> evaluate_reduction(const Editor& editor, const Operator& op) {
  const bool is_cumsum = op.op == Op::CUMSUM;
  switch (op.op) {
    case Op::SUM:
    case Op::MEAN:
    case Op::REDUCE_MAX:
    case Op::REDUCE_MIN:
    case Op::REDUCE_PROD:
    case Op::REDUCE_ANY:
    case Op::REDUCE_ALL:
    case Op::CUMSUM:
      break;
    default:
      return std::nullopt;
  }
  const Tensor& x = editor.tensor(op.inputs[0]);
  const Tensor& out = editor.tensor(op.outputs[0]);
  const auto axes = constant_integers(editor.subgraph(), op, 1);
  if (!axes || !accepts(op.op, x.type) || x.type != out.type || !x.quantization.empty() ||
      element_count(x.shape) == 0) {
    return std::nullopt;
  }
  const auto values = read(x);
  if (!values) return std::nullopt;
  if (is_cumsum) {
    if (axes->size() != 1) return std::nullopt;
    const auto axis = static_cast<size_t>(normalized_axis(axes->front(), x.rank()));
    return write(accumulate(*values, x.shape, axis, std::get<CumsumOptions>(op.options)), out.type);
  }
  std::vector<bool> reduced(x.shape.size(), false);
  for (const int64_t axis : *axes) reduced[static_cast<size_t>(normalized_axis(axis, x.rank()))] = true;
  const auto results = static_cast<size_t>(element_count(out.shape));
  return write(reduce(op.op, *values, x.shape, reduced, results), out.type);
}

}  // namespace tinyml::tflite
