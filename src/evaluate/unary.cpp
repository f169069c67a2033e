// Functions of one element: roots, exponentials, trigonometry, rounding, clamping.
#include <cmath>
#include <limits>
#include <numbers>

#include "evaluate/elementwise.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

/// Elements of any kind, type kept.
template <auto F>
Tensor unary(const OperatorCall& call) {
  return map_any(call.tensor("self"), F);
}

/// Floating-point result, integers converted.
template <auto F>
Tensor floating(const OperatorCall& call) {
  return map_as_floating(call, call.tensor("self"), F);
}

/// Rounding: integers stay as they are.
template <auto F>
Tensor rounding(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return is_floating_point(self.type()) ? map_floating(self, F) : self;
}

Tensor identity(const OperatorCall& call) { return call.tensor("self"); }

/// Limits are numbers, tensors or None; NaN elements stay.
Tensor clamp_between(const OperatorCall& call, const Operand& low, const Operand& high) {
  const Operand operands[] = {call.operand("self"), low, high};
  const ScalarType type = result_type(operands, call.default_float());
  return dispatch_compute(type,
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            Tensor result = operands[0].tensor.to(kCompute);
                            const auto larger = [](T x, T limit) { return x < limit || limit != limit ? limit : x; };
                            const auto smaller = [](T x, T limit) { return x > limit || limit != limit ? limit : x; };
                            if (low.tensor.defined())
                              result = map_elements<T, T>(result, low.tensor.to(kCompute), larger);
                            if (high.tensor.defined())
                              result = map_elements<T, T>(result, high.tensor.to(kCompute), smaller);
                            return result;
                          })
      .to(type);
}

Operand optional_operand(const OperatorCall& call, std::string_view name) {
  return call.is_none(name) ? Operand{} : call.operand(name);
}

Tensor clamp(const OperatorCall& call) {
  return clamp_between(call, optional_operand(call, "min"), optional_operand(call, "max"));
}
Tensor clamp_min(const OperatorCall& call) { return clamp_between(call, call.operand("min"), {}); }
Tensor clamp_max(const OperatorCall& call) { return clamp_between(call, {}, call.operand("max")); }

Tensor round_decimals(const OperatorCall& call) {
  const double scale = std::pow(10.0, call.number("decimals"));
  return map_floating(call.tensor("self"), [scale](auto x) {
    using T = decltype(x);
    return static_cast<T>(std::nearbyint(x * static_cast<T>(scale)) / static_cast<T>(scale));
  });
}

/// NaN and the infinities replaced by numbers; None stands for the type's largest.
Tensor nan_to_num(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (!is_floating_point(self.type())) return self;
  const double nan = call.optional_number("nan").value_or(0);
  const auto high = call.optional_number("posinf");
  const auto low = call.optional_number("neginf");
  return map_floating(self, [&](auto x) {
    using T = decltype(x);
    if (std::isnan(x)) return static_cast<T>(nan);
    if (!std::isinf(x)) return x;
    if (x > 0) return high ? static_cast<T>(*high) : std::numeric_limits<T>::max();
    return low ? static_cast<T>(*low) : std::numeric_limits<T>::lowest();
  });
}

/// log(x / (1 - x)), x first brought into [eps, 1 - eps] if that is given.
Tensor logit(const OperatorCall& call) {
  const auto eps = call.optional_number("eps");
  return map_as_floating(call, call.tensor("self"), [&](auto x) {
    using T = decltype(x);
    if (eps)
      x = x < static_cast<T>(*eps) ? static_cast<T>(*eps)
                                   : (x > static_cast<T>(1 - *eps) ? static_cast<T>(1 - *eps) : x);
    return std::log(x / (1 - x));
  });
}

constexpr auto kNeg = [](auto x) { return -x; };
constexpr auto kAbs = [](auto x) { return x < 0 ? -x : x + 0; };
constexpr auto kToRadians = [](auto x) { return x * static_cast<decltype(x)>(std::numbers::pi / 180); };
constexpr auto kToDegrees = [](auto x) { return x * static_cast<decltype(x)>(180 / std::numbers::pi); };
constexpr auto kSinc = [](auto x) {
  const auto angle = x * std::numbers::pi_v<decltype(x)>;
  return x == 0 ? decltype(x){1} : std::sin(angle) / angle;
};
constexpr auto kSquare = [](auto x) { return x * x; };
constexpr auto kSign = [](auto x) { return static_cast<decltype(x)>((x > 0) - (x < 0)); };
constexpr auto kSqrt = [](auto x) { return std::sqrt(x); };
constexpr auto kRsqrt = [](auto x) { return 1 / std::sqrt(x); };
constexpr auto kReciprocal = [](auto x) { return 1 / x; };
constexpr auto kExp = [](auto x) { return std::exp(x); };
constexpr auto kExp2 = [](auto x) { return std::exp2(x); };
constexpr auto kExpm1 = [](auto x) { return std::expm1(x); };
constexpr auto kLog = [](auto x) { return std::log(x); };
constexpr auto kLog2 = [](auto x) { return std::log2(x); };
constexpr auto kLog10 = [](auto x) { return std::log10(x); };
constexpr auto kLog1p = [](auto x) { return std::log1p(x); };
constexpr auto kSin = [](auto x) { return std::sin(x); };
constexpr auto kCos = [](auto x) { return std::cos(x); };
constexpr auto kTan = [](auto x) { return std::tan(x); };
constexpr auto kAsin = [](auto x) { return std::asin(x); };
constexpr auto kAcos = [](auto x) { return std::acos(x); };
constexpr auto kAtan = [](auto x) { return std::atan(x); };
constexpr auto kSinh = [](auto x) { return std::sinh(x); };
constexpr auto kCosh = [](auto x) { return std::cosh(x); };
constexpr auto kAsinh = [](auto x) { return std::asinh(x); };
constexpr auto kAcosh = [](auto x) { return std::acosh(x); };
constexpr auto kAtanh = [](auto x) { return std::atanh(x); };
constexpr auto kErf = [](auto x) { return std::erf(x); };
constexpr auto kErfc = [](auto x) { return std::erfc(x); };
constexpr auto kFloor = [](auto x) { return std::floor(x); };
constexpr auto kCeil = [](auto x) { return std::ceil(x); };
constexpr auto kTrunc = [](auto x) { return std::trunc(x); };
constexpr auto kFrac = [](auto x) { return x - std::trunc(x); };
constexpr auto kRound = [](auto x) { return std::nearbyint(x); };

constexpr OperatorEntry kOperators[] = {
    {"aten.neg.default", unary<kNeg>},
    {"aten.abs.default", unary<kAbs>},
    {"aten.square.default", unary<kSquare>},
    {"aten.sign.default", unary<kSign>},
    {"aten.positive.default", identity},
    {"aten.sqrt.default", floating<kSqrt>},
    {"aten.deg2rad.default", floating<kToRadians>},
    {"aten.rad2deg.default", floating<kToDegrees>},
    {"aten.sinc.default", floating<kSinc>},
    {"aten.rsqrt.default", floating<kRsqrt>},
    {"aten.reciprocal.default", floating<kReciprocal>},
    {"aten.exp.default", floating<kExp>},
    {"aten.exp2.default", floating<kExp2>},
    {"aten.expm1.default", floating<kExpm1>},
    {"aten.log.default", floating<kLog>},
    {"aten.log2.default", floating<kLog2>},
    {"aten.log10.default", floating<kLog10>},
    {"aten.log1p.default", floating<kLog1p>},
    {"aten.sin.default", floating<kSin>},
    {"aten.cos.default", floating<kCos>},
    {"aten.tan.default", floating<kTan>},
    {"aten.asin.default", floating<kAsin>},
    {"aten.acos.default", floating<kAcos>},
    {"aten.atan.default", floating<kAtan>},
    {"aten.sinh.default", floating<kSinh>},
    {"aten.cosh.default", floating<kCosh>},
    {"aten.asinh.default", floating<kAsinh>},
    {"aten.acosh.default", floating<kAcosh>},
    {"aten.atanh.default", floating<kAtanh>},
    {"aten.erf.default", floating<kErf>},
    {"aten.erfc.default", floating<kErfc>},
    {"aten.special_erf.default", floating<kErf>},
    {"aten.floor.default", rounding<kFloor>},
    {"aten.ceil.default", rounding<kCeil>},
    {"aten.trunc.default", rounding<kTrunc>},
    {"aten.frac.default", rounding<kFrac>},
    {"aten.round.default", rounding<kRound>},
    {"aten.round.decimals", round_decimals},
    {"aten.nan_to_num.default", nan_to_num},
    {"aten.logit.default", logit},
    {"aten.clamp.default", clamp},
    {"aten.clamp.Tensor", clamp},
    {"aten.clip.default", clamp},
    {"aten.clip.Tensor", clamp},
    {"aten.clamp_min.default", clamp_min},
    {"aten.clamp_min.Tensor", clamp_min},
    {"aten.clamp_max.default", clamp_max},
    {"aten.clamp_max.Tensor", clamp_max},
};

}  // namespace

std::span<const OperatorEntry> unary_operators() { return kOperators; }

}  // namespace tinyml::evaluation
