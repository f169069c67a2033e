// add, sub, mul, div, pow and the like, with PyTorch's type promotion.
#include <array>
#include <cmath>
#include <limits>

#include "evaluate/broadcast.h"
#include "evaluate/dispatch.h"
#include "evaluate/registry.h"
#include "evaluate/scalar_math.h"

namespace tinyml::evaluation {
namespace {

template <typename T>
T truncating_divide(T a, T b) {
  if constexpr (is_real<T>) {
    return std::trunc(a / b);
  } else {
    if (b == 0) throw Error("integer division by zero");
    return b == -1 ? static_cast<T>(-static_cast<uint64_t>(a)) : a / b;
  }
}

/// With the sign of the divisor, as Python's %.
template <typename T>
T remainder(T a, T b) {
  if constexpr (is_real<T>) {
    const T result = std::fmod(a, b);
    return result != 0 && (b < 0) != (result < 0) ? result + b : result;
  } else {
    if (b == 0) throw Error("integer division by zero");
    if (b == -1) return 0;
    const T result = a % b;
    return result != 0 && (b < 0) != (result < 0) ? result + b : result;
  }
}

/// With the sign of the dividend, as C.
template <typename T>
T c_remainder(T a, T b) {
  if constexpr (is_real<T>) {
    return std::fmod(a, b);
  } else {
    if (b == 0) throw Error("integer division by zero");
    return b == -1 ? 0 : a % b;
  }
}

template <typename T>
T power(T a, T b) {
  if constexpr (is_real<T>) {
    if (b == T(2)) return a * a;
    return std::pow(a, b);
  } else {
    if (b < 0) return a == 1 ? 1 : (a == -1 ? (b % 2 == 0 ? 1 : -1) : 0);
    uint64_t result = 1;
    for (auto base = static_cast<uint64_t>(a); b > 0; b >>= 1, base *= base) {
      if ((b & 1) != 0) result *= base;
    }
    return static_cast<T>(result);
  }
}

template <typename T>
T propagate_nan_max(T a, T b) {
  return a > b || a != a ? a : b;
}
template <typename T>
T propagate_nan_min(T a, T b) {
  return a < b || a != a ? a : b;
}

/// f on both operands in the type of their result.
template <typename F>
Tensor combine(const OperatorCall& call, const Operand& a, const Operand& b, F f, bool floating = false) {
  const Operand operands[] = {a, b};
  ScalarType type = result_type(operands, call.default_float());
  if (floating && !is_floating_point(type)) type = call.default_float();
  return dispatch_compute(type,
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            return map_elements<T, T>(a.tensor.to(kCompute), b.tensor.to(kCompute),
                                                      [&](T x, T y) -> T { return f(x, y); });
                          })
      .to(type);
}

template <auto F>
Tensor binary(const OperatorCall& call) {
  return combine(call, call.operand("self"), call.operand("other"), [](auto x, auto y) { return F(x, y); });
}

/// An alpha of 1 is left out, so that integers stay exact.
template <int kSign, bool kReversed = false>
Tensor add_scaled(const OperatorCall& call) {
  const Operand self = call.operand("self");
  const Operand other = call.operand("other");
  const double alpha = call.number("alpha");
  const Operand& base = kReversed ? other : self;
  const Operand& added = kReversed ? self : other;
  if (alpha == 1.0) {
    return combine(call, base, added, [](auto x, auto y) { return kSign > 0 ? x + y : x - y; });
  }
  return combine(call, base, added, [alpha](auto x, auto y) {
    const auto factor = static_cast<decltype(y)>(alpha);
    return kSign > 0 ? x + factor * y : x - factor * y;
  });
}

Tensor multiply(const OperatorCall& call) {
  return combine(call, call.operand("self"), call.operand("other"), [](auto x, auto y) { return x * y; });
}

Tensor divide(const OperatorCall& call) {
  const Operand self = call.operand("self");
  const Operand other = call.operand("other");
  const std::string mode = call.is_none("rounding_mode") ? "" : call.string("rounding_mode");
  if (mode == "floor") return combine(call, self, other, [](auto x, auto y) { return floor_divide(x, y); });
  if (mode == "trunc") return combine(call, self, other, [](auto x, auto y) { return truncating_divide(x, y); });
  if (!mode.empty()) throw Error("unknown rounding mode '" + mode + "'");
  const auto quotient = [](auto x, auto y) -> decltype(x) {
    if constexpr (is_real<decltype(x)>) {
      return x / y;
    } else {
      return 0;  // not reached: the operands are floating-point
    }
  };
  return combine(call, self, other, quotient, true);
}

Tensor pow_operator(const OperatorCall& call) {
  return combine(call, call.operand("self"), call.operand("exponent"), [](auto x, auto y) { return power(x, y); });
}

template <auto F>
Tensor floating_binary(const OperatorCall& call) {
  return combine(call, call.operand("self"), call.operand("other"), F, true);
}

constexpr auto kAtan2 = [](auto x, auto y) -> decltype(x) {
  if constexpr (is_real<decltype(x)>)
    return std::atan2(x, y);
  else
    return 0;
};
constexpr auto kHypot = [](auto x, auto y) -> decltype(x) {
  if constexpr (is_real<decltype(x)>)
    return std::hypot(x, y);
  else
    return 0;
};

/// self + value * tensor1 * tensor2 (or / tensor2).
template <bool kDivide>
Tensor add_combined(const OperatorCall& call) {
  const Operand operands[] = {call.operand("self"), call.operand("tensor1"), call.operand("tensor2")};
  const ScalarType type = result_type(operands, call.default_float());
  const double value = call.number("value");
  return dispatch_compute(type,
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            const auto factor = static_cast<T>(value);
                            if (kDivide && !is_real<T>) throw Error("division of integers is not defined here");
                            return map_elements<T, T, T>(operands[0].tensor.to(kCompute),
                                                         operands[1].tensor.to(kCompute),
                                                         operands[2].tensor.to(kCompute), [&](T x, T y, T z) -> T {
                                                           if constexpr (kDivide && is_real<T>)
                                                             return x + factor * (y / z);
                                                           return x + factor * (y * z);
                                                         });
                          })
      .to(type);
}

/// start + weight * (end - start), in the form that is exact at both ends.
Tensor lerp(const OperatorCall& call) {
  const Operand operands[] = {call.operand("self"), call.operand("end"), call.operand("weight")};
  const ScalarType type = result_type(operands, call.default_float());
  return dispatch_floating(type,
                           [&](auto zero) {
                             using T = decltype(zero);
                             constexpr ScalarType kCompute = scalar_type_of<T>();
                             return map_elements<T, T, T>(
                                 operands[0].tensor.to(kCompute), operands[1].tensor.to(kCompute),
                                 operands[2].tensor.to(kCompute), [](T start, T end, T weight) {
                                   return std::abs(weight) < T(0.5) ? start + weight * (end - start)
                                                                    : end - (end - start) * (1 - weight);
                                 });
                           })
      .to(type);
}

/// log(exp(x) + exp(y)) without overflow.
constexpr auto kLogAddExp = [](auto x, auto y) -> decltype(x) {
  if constexpr (is_real<decltype(x)>) {
    if (x == y) return x + std::log(decltype(x){2});
    return std::fmax(x, y) + std::log1p(std::exp(-std::fabs(x - y)));
  } else {
    return 0;
  }
};
constexpr auto kFloorDivide = [](auto x, auto y) { return floor_divide(x, y); };
constexpr auto kRemainder = [](auto x, auto y) { return remainder(x, y); };
constexpr auto kFmod = [](auto x, auto y) { return c_remainder(x, y); };
constexpr auto kMaximum = [](auto x, auto y) { return propagate_nan_max(x, y); };
constexpr auto kMinimum = [](auto x, auto y) { return propagate_nan_min(x, y); };

constexpr OperatorEntry kOperators[] = {
    {"aten.add.Tensor", add_scaled<1>},
    {"aten.add.Scalar", add_scaled<1>},
    {"aten.sub.Tensor", add_scaled<-1>},
    {"aten.sub.Scalar", add_scaled<-1>},
    {"aten.rsub.Tensor", add_scaled<-1, true>},
    {"aten.rsub.Scalar", add_scaled<-1, true>},
    {"aten.mul.Tensor", multiply},
    {"aten.mul.Scalar", multiply},
    {"aten.div.Tensor", divide},
    {"aten.div.Scalar", divide},
    {"aten.div.Tensor_mode", divide},
    {"aten.div.Scalar_mode", divide},
    {"aten.true_divide.Tensor", divide},
    {"aten.floor_divide.default", binary<kFloorDivide>},
    {"aten.floor_divide.Scalar", binary<kFloorDivide>},
    {"aten.remainder.Tensor", binary<kRemainder>},
    {"aten.remainder.Scalar", binary<kRemainder>},
    {"aten.remainder.Scalar_Tensor", binary<kRemainder>},
    {"aten.fmod.Tensor", binary<kFmod>},
    {"aten.fmod.Scalar", binary<kFmod>},
    {"aten.pow.Tensor_Tensor", pow_operator},
    {"aten.pow.Tensor_Scalar", pow_operator},
    {"aten.pow.Scalar", pow_operator},
    {"aten.maximum.default", binary<kMaximum>},
    {"aten.minimum.default", binary<kMinimum>},
    {"aten.max.other", binary<kMaximum>},
    {"aten.min.other", binary<kMinimum>},
    {"aten.atan2.default", floating_binary<kAtan2>},
    {"aten.hypot.default", floating_binary<kHypot>},
    {"aten.logaddexp.default", floating_binary<kLogAddExp>},
    {"aten.addcmul.default", add_combined<false>},
    {"aten.addcdiv.default", add_combined<true>},
    {"aten.lerp.Scalar", lerp},
    {"aten.lerp.Tensor", lerp},
};

}  // namespace

std::span<const OperatorEntry> arithmetic_operators() { return kOperators; }

}  // namespace tinyml::evaluation
