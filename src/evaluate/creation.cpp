// Tensors made from sizes and numbers. What PyTorch leaves uninitialised is zero.
#include <cmath>

#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/view.h"

namespace tinyml::evaluation {
namespace {

/// `value` (rank 0) everywhere, in the type asked for or else `type`.
Tensor filled(const OperatorCall& call, const Sizes& shape, const Tensor& value, ScalarType type) {
  for (int64_t size : shape) {
    if (size < 0) throw Error("a negative size");
  }
  return broadcast_to(value.to(call.optional_type("dtype").value_or(type)), shape).contiguous();
}

template <int kValue>
Tensor of_size(const OperatorCall& call) {
  return filled(call, call.integers("size"), Tensor::scalar<int64_t>(kValue), call.default_float());
}

template <int kValue>
Tensor like(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return filled(call, self.shape(), Tensor::scalar<int64_t>(kValue), self.type());
}

template <int kValue>
Tensor new_of_size(const OperatorCall& call) {
  return filled(call, call.integers("size"), Tensor::scalar<int64_t>(kValue), call.tensor("self").type());
}

/// float64 numbers become the default type.
ScalarType number_type(const OperatorCall& call, const Tensor& number) {
  return is_floating_point(number.type()) ? call.default_float() : number.type();
}

Tensor full(const OperatorCall& call) {
  const Tensor value = call.tensor("fill_value");
  return filled(call, call.integers("size"), value, number_type(call, value));
}

Tensor full_like(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return filled(call, self.shape(), call.tensor("fill_value"), self.type());
}

Tensor new_full(const OperatorCall& call) {
  return filled(call, call.integers("size"), call.tensor("fill_value"), call.tensor("self").type());
}

Tensor scalar_tensor(const OperatorCall& call) { return filled(call, {}, call.tensor("s"), call.default_float()); }

Tensor fill(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const Tensor value = call.tensor("value");
  if (value.numel() != 1) throw Error("fill: one value is expected");
  return filled(call, self.shape(), value.reshaped({}), self.type());
}

Tensor copy(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return broadcast_to(call.tensor("src").to(self.type()), self.shape());
}

Tensor arange(const OperatorCall& call) {
  const bool has_start = call.node().has_arg("start");
  const bool has_step = call.node().has_arg("step");
  const Tensor one = Tensor::scalar<int64_t>(1);
  const Tensor numbers[] = {has_start ? call.tensor("start") : Tensor::scalar<int64_t>(0), call.tensor("end"),
                            has_step ? call.tensor("step") : one};
  ScalarType type = ScalarType::kInt64;
  for (const Tensor& number : numbers) {
    if (is_floating_point(number.type())) type = call.default_float();
  }
  type = call.optional_type("dtype").value_or(type);
  const double start = numbers[0].to_doubles()[0];
  const double end = numbers[1].to_doubles()[0];
  const double step = numbers[2].to_doubles()[0];
  if (step == 0 || (end - start) / step < 0) throw Error("arange: the step does not lead from start to end");
  const double steps = std::ceil((end - start) / step);
  if (!(steps < 1e15)) throw Error("arange: too many steps");
  const auto count = static_cast<int64_t>(steps);
  Tensor result(ScalarType::kFloat64, {count});
  double* out = result.mutable_data<double>();
  for (int64_t i = 0; i < count; ++i) out[i] = start + step * static_cast<double>(i);
  return result.to(type);
}

/// Symmetric, so that both ends are exact.
Tensor linspace(const OperatorCall& call) {
  const double start = call.number("start");
  const double end = call.number("end");
  const int64_t steps = call.integer("steps");
  if (steps < 0) throw Error("linspace: a negative number of steps");
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0;
  Tensor result(ScalarType::kFloat64, {steps});
  double* out = result.mutable_data<double>();
  for (int64_t i = 0; i < steps; ++i) {
    out[i] = i < steps / 2 || steps == 1 ? start + step * static_cast<double>(i)
                                         : end - step * static_cast<double>(steps - 1 - i);
  }
  return result.to(call.optional_type("dtype").value_or(call.default_float()));
}

Tensor eye(const OperatorCall& call) {
  const int64_t rows = call.integer("n");
  const int64_t columns = call.node().has_arg("m") ? call.integer("m") : rows;
  Tensor result(ScalarType::kFloat64, {rows, columns});
  double* out = result.mutable_data<double>();
  for (int64_t i = 0; i < std::min(rows, columns); ++i) out[i * columns + i] = 1;
  return result.to(call.optional_type("dtype").value_or(call.default_float()));
}

/// Keeps the elements on one side of a diagonal of the last two dimensions.
template <bool kLower>
Tensor triangle(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.rank() < 2) throw Error("matrices are expected");
  const int64_t diagonal = call.integer("diagonal");
  Tensor result = self.contiguous();
  const size_t element = size_of(result.type());
  std::byte* out = result.mutable_bytes();
  const int64_t rows = self.size(-2);
  const int64_t columns = self.size(-1);
  for (int64_t i = 0; i < result.numel(); ++i) {
    const int64_t above = i % columns - i / columns % rows;
    if (kLower ? above <= diagonal : above >= diagonal) continue;
    std::fill_n(out + static_cast<size_t>(i) * element, element, std::byte{0});
  }
  return result;
}

constexpr OperatorEntry kOperators[] = {
    {"aten.zeros.default", of_size<0>},
    {"aten.ones.default", of_size<1>},
    {"aten.empty.memory_format", of_size<0>},
    {"aten.zeros_like.default", like<0>},
    {"aten.ones_like.default", like<1>},
    {"aten.empty_like.default", like<0>},
    {"aten.zero.default", like<0>},
    {"aten.new_zeros.default", new_of_size<0>},
    {"aten.new_ones.default", new_of_size<1>},
    {"aten.new_empty.default", new_of_size<0>},
    {"aten.full.default", full},
    {"aten.full_like.default", full_like},
    {"aten.new_full.default", new_full},
    {"aten.scalar_tensor.default", scalar_tensor},
    {"aten.fill.Scalar", fill},
    {"aten.fill.Tensor", fill},
    {"aten.copy.default", copy},
    {"aten.arange.default", arange},
    {"aten.arange.start", arange},
    {"aten.arange.start_step", arange},
    {"aten.linspace.default", linspace},
    {"aten.eye.default", eye},
    {"aten.eye.m", eye},
    {"aten.tril.default", triangle<true>},
    {"aten.triu.default", triangle<false>},
};

}  // namespace

std::span<const OperatorEntry> creation_operators() { return kOperators; }

}  // namespace tinyml::evaluation
