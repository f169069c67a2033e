// Rarer functions of one or two elements.
#include <cmath>

#include "evaluate/algebra.h"
#include "evaluate/elementwise.h"
#include "evaluate/registry.h"
#include "evaluate/scalar_math.h"

namespace tinyml::evaluation {
namespace {

constexpr std::string_view kSelfOther[] = {"self", "other"};

template <auto F, bool kFloating>
Tensor binary(const OperatorCall& call) {
  return apply(real(call, "self"), real(call, "other"), F).to(common_type(call, kSelfOther, kFloating));
}

/// NaN only where both are.
constexpr auto kFmax = [](double x, double y) { return std::fmax(x, y); };
constexpr auto kFmin = [](double x, double y) { return std::fmin(x, y); };
constexpr auto kCopySign = [](double x, double y) { return std::copysign(x, y); };
constexpr auto kLdexp = [](double x, double y) { return x * std::exp2(y); };
constexpr auto kXLogY = [](double x, double y) { return y != y ? y : (x == 0 ? 0.0 : x * std::log(y)); };
constexpr auto kLogAddExp2 = [](double x, double y) {
  if (x == y) return x + 1;
  return std::fmax(x, y) + std::log2(1 + std::exp2(-std::fabs(x - y)));
};

/// In float64, whatever the operands are.
Tensor float_power(const OperatorCall& call) {
  return apply(real(call, "self"), real(call, "exponent"), [](double x, double y) { return std::pow(x, y); });
}

Tensor heaviside(const OperatorCall& call) {
  return apply(real(call, "self"), real(call, "values"),
               [](double x, double at_zero) { return x == 0 ? at_zero : (x > 0 ? 1.0 : 0.0); })
      .to(call.tensor("self").type());
}

Tensor isclose(const OperatorCall& call) {
  const double rtol = call.number("rtol");
  const double atol = call.number("atol");
  const bool equal_nan = call.boolean("equal_nan");
  return map_elements<bool, double>(real(call, "self"), real(call, "other"), [=](double x, double y) {
    if (x != x || y != y) return equal_nan && x != x && y != y;
    return x == y || (std::isfinite(x - y) && std::fabs(x - y) <= atol + rtol * std::fabs(y));
  });
}

template <auto F>
Tensor classify(const OperatorCall& call) {
  return map_elements<bool, double>(real(call, "self"), F);
}

constexpr auto kIsPositiveInfinity = [](double x) { return std::isinf(x) && x > 0; };
constexpr auto kIsNegativeInfinity = [](double x) { return std::isinf(x) && x < 0; };
constexpr auto kSignBit = [](double x) { return std::signbit(x); };

/// NaN stays.
Tensor sgn(const OperatorCall& call) {
  return map_any(call.tensor("self"), [](auto x) { return x != x ? x : static_cast<decltype(x)>((x > 0) - (x < 0)); });
}

/// (log sigmoid, a buffer for the backward pass: empty here)
std::vector<Tensor> log_sigmoid_forward(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  const auto log_sigmoid = [](double x) { return std::min(x, 0.0) - std::log1p(std::exp(-std::fabs(x))); };
  return {apply(real(self), log_sigmoid).to(self.type()), Tensor(self.type(), {0})};
}

/// (the input, a mask of ones): as in inference.
std::vector<Tensor> native_dropout(const OperatorCall& call) {
  const Tensor input = call.tensor("input");
  return {input, map_elements<bool, double>(real(input), [](double) { return true; })};
}

constexpr OperatorEntry kOperators[] = {
    {"aten.fmax.default", binary<kFmax, false>},
    {"aten.fmin.default", binary<kFmin, false>},
    {"aten.copysign.Tensor", binary<kCopySign, true>},
    {"aten.copysign.Scalar", binary<kCopySign, true>},
    {"aten.ldexp.Tensor", binary<kLdexp, true>},
    {"aten.logaddexp2.default", binary<kLogAddExp2, true>},
    {"aten.xlogy.Tensor", binary<kXLogY, true>},
    {"aten.xlogy.Scalar_Self", binary<kXLogY, true>},
    {"aten.xlogy.Scalar_Other", binary<kXLogY, true>},
    {"aten.float_power.Tensor_Tensor", float_power},
    {"aten.float_power.Tensor_Scalar", float_power},
    {"aten.float_power.Scalar", float_power},
    {"aten.heaviside.default", heaviside},
    {"aten.isclose.default", isclose},
    {"aten.isposinf.default", classify<kIsPositiveInfinity>},
    {"aten.isneginf.default", classify<kIsNegativeInfinity>},
    {"aten.signbit.default", classify<kSignBit>},
    {"aten.sgn.default", sgn},
    {"aten.log_sigmoid_forward.default", log_sigmoid_forward},
    {"aten.native_dropout.default", native_dropout},
};

}  // namespace

std::span<const OperatorEntry> special_operators() { return kOperators; }

}  // namespace tinyml::evaluation
