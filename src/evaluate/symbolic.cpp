// Numbers computed in the graph: sizes of tensors, arithmetic on them, elements read out of tensors. A number is a
// tensor of rank 0 of type int64, float64 or bool.
#include <cmath>
#include <functional>

#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/scalar_math.h"

namespace tinyml::evaluation {
namespace {

Tensor size(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return Tensor::scalar<int64_t>(self.size(normalize_dim(call.integer("dim"), self.rank())));
}

Tensor element_count(const OperatorCall& call) { return Tensor::scalar<int64_t>(call.tensor("self").numel()); }

/// The only element as a number.
Tensor item(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.numel() != 1) throw Error("a tensor of one element is expected");
  if (self.type() == ScalarType::kBool) return self.reshaped({});
  return self.to(is_floating_point(self.type()) ? ScalarType::kFloat64 : ScalarType::kInt64).reshaped({});
}

bool is_real(const Tensor& number) { return is_floating_point(number.type()); }
double real(const Tensor& number) { return number.to(ScalarType::kFloat64).data<double>()[0]; }
int64_t whole(const Tensor& number) { return number.to(ScalarType::kInt64).data<int64_t>()[0]; }

/// f in int64 for two integers, in double otherwise.
template <auto F>
Tensor binary(const OperatorCall& call) {
  const Tensor a = call.operand_at(0).tensor;
  const Tensor b = call.operand_at(1).tensor;
  if (is_real(a) || is_real(b)) return Tensor::scalar(F(real(a), real(b)));
  return Tensor::scalar(F(whole(a), whole(b)));
}

/// f in double.
template <auto F>
Tensor real_binary(const OperatorCall& call) {
  return Tensor::scalar(F(real(call.operand_at(0).tensor), real(call.operand_at(1).tensor)));
}

template <auto F>
Tensor unary(const OperatorCall& call) {
  const Tensor a = call.operand_at(0).tensor;
  if (is_real(a)) return Tensor::scalar(F(real(a)));
  return Tensor::scalar(F(whole(a)));
}

/// Rounds to an integer.
template <auto F>
Tensor rounding(const OperatorCall& call) {
  const Tensor a = call.operand_at(0).tensor;
  return is_real(a) ? Tensor::scalar(F(real(a))).to(ScalarType::kInt64) : a;
}

Tensor logical_not(const OperatorCall& call) { return Tensor::scalar(real(call.operand_at(0).tensor) == 0); }
Tensor to_real(const OperatorCall& call) { return Tensor::scalar(real(call.operand_at(0).tensor)); }
Tensor to_integer(const OperatorCall& call) { return call.operand_at(0).tensor.to(ScalarType::kInt64); }

Tensor choose(const OperatorCall& call) { return call.operand_at(real(call.operand_at(0).tensor) != 0 ? 1 : 2).tensor; }

constexpr auto kFloorDivide = [](auto a, auto b) {
  if (b == 0) throw Error("division by zero");
  return floor_divide(a, b);
};
constexpr auto kModulo = [](auto a, auto b) { return a - kFloorDivide(a, b) * b; };
constexpr auto kPower = [](auto a, auto b) { return static_cast<decltype(a)>(std::pow(a, b)); };
constexpr auto kMaximum = [](auto a, auto b) { return a > b ? a : b; };
constexpr auto kMinimum = [](auto a, auto b) { return a < b ? a : b; };
constexpr auto kAnd = [](auto a, auto b) { return a != 0 && b != 0; };
constexpr auto kOr = [](auto a, auto b) { return a != 0 || b != 0; };
constexpr auto kNegate = [](auto a) { return -a; };
constexpr auto kAbsolute = [](auto a) { return a < 0 ? -a : a; };
constexpr auto kFloor = [](double a) { return std::floor(a); };
constexpr auto kCeil = [](double a) { return std::ceil(a); };
constexpr auto kTrunc = [](double a) { return std::trunc(a); };
constexpr auto kSqrt = [](auto a) { return std::sqrt(static_cast<double>(a)); };

constexpr OperatorEntry kOperators[] = {
    {"aten.sym_size.int", size},
    {"aten.sym_numel.default", element_count},
    {"aten.item.default", item},
    {"aten._local_scalar_dense.default", item},
    {"_operator.add", binary<std::plus<>{}>},
    {"_operator.sub", binary<std::minus<>{}>},
    {"_operator.mul", binary<std::multiplies<>{}>},
    {"_operator.truediv", real_binary<std::divides<>{}>},
    {"_operator.floordiv", binary<kFloorDivide>},
    {"_operator.mod", binary<kModulo>},
    {"_operator.pow", binary<kPower>},
    {"_operator.neg", unary<kNegate>},
    {"_operator.eq", binary<std::equal_to<>{}>},
    {"_operator.ne", binary<std::not_equal_to<>{}>},
    {"_operator.lt", binary<std::less<>{}>},
    {"_operator.le", binary<std::less_equal<>{}>},
    {"_operator.gt", binary<std::greater<>{}>},
    {"_operator.ge", binary<std::greater_equal<>{}>},
    {"_operator.and_", binary<kAnd>},
    {"_operator.or_", binary<kOr>},
    {"_operator.not_", logical_not},
    {"math.floor", rounding<kFloor>},
    {"math.ceil", rounding<kCeil>},
    {"math.trunc", rounding<kTrunc>},
    {"torch.sym_max", binary<kMaximum>},
    {"torch.sym_min", binary<kMinimum>},
    {"torch.sym_float", to_real},
    {"torch.sym_int", to_integer},
    {"torch.sym_not", logical_not},
    {"torch.sym_ite", choose},
    {"torch._sym_sqrt", unary<kSqrt>},
    {"builtins.abs", unary<kAbsolute>},
};

}  // namespace

std::span<const OperatorEntry> symbolic_operators() { return kOperators; }

}  // namespace tinyml::evaluation
