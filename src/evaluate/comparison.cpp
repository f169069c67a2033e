// Comparisons, logic on booleans, bits, and selection by a mask.
#include <cmath>

#include "evaluate/broadcast.h"
#include "evaluate/dispatch.h"
#include "evaluate/registry.h"

namespace tinyml::evaluation {
namespace {

template <auto F>
Tensor compare(const OperatorCall& call) {
  const Operand operands[] = {call.operand("self"), call.operand("other")};
  return dispatch_compute(result_type(operands, call.default_float()), [&](auto zero) {
    using T = decltype(zero);
    constexpr ScalarType kCompute = scalar_type_of<T>();
    return map_elements<bool, T>(operands[0].tensor.to(kCompute), operands[1].tensor.to(kCompute), F);
  });
}

template <auto F>
Tensor logical(const OperatorCall& call) {
  return map_elements<bool, bool>(call.tensor("self").to(ScalarType::kBool), call.tensor("other").to(ScalarType::kBool),
                                  F);
}

Tensor logical_not(const OperatorCall& call) {
  return map_elements<bool, bool>(call.tensor("self").to(ScalarType::kBool), [](bool x) { return !x; });
}

template <auto F>
Tensor bitwise(const OperatorCall& call) {
  const Operand operands[] = {call.operand("self"), call.operand("other")};
  const ScalarType type = result_type(operands, call.default_float());
  if (is_floating_point(type)) throw Error("not defined for floating-point elements");
  return map_elements<int64_t, int64_t>(operands[0].tensor.to(ScalarType::kInt64),
                                        operands[1].tensor.to(ScalarType::kInt64), F)
      .to(type);
}

/// Shifts by more bits than there are give zero, or the sign.
constexpr auto kShiftLeft = [](int64_t x, int64_t count) {
  return count < 0 || count > 63 ? int64_t{0} : static_cast<int64_t>(static_cast<uint64_t>(x) << count);
};
constexpr auto kShiftRight = [](int64_t x, int64_t count) {
  return x >> (count < 0 || count > 63 ? int64_t{63} : count);
};

Tensor bitwise_not(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  if (self.type() == ScalarType::kBool) return logical_not(call);
  if (is_floating_point(self.type())) throw Error("not defined for floating-point elements");
  return map_elements<int64_t, int64_t>(self.to(ScalarType::kInt64), [](int64_t x) { return ~x; }).to(self.type());
}

template <auto F>
Tensor classify(const OperatorCall& call) {
  const Tensor self = call.tensor("self");
  return dispatch_compute(self.type(), [&](auto zero) {
    using T = decltype(zero);
    return map_elements<bool, T>(self.to(scalar_type_of<T>()), [](T x) { return F(static_cast<double>(x)); });
  });
}

Tensor select_by(const Tensor& condition, const Operand& yes, const Operand& no, ScalarType type) {
  return dispatch_compute(type,
                          [&](auto zero) {
                            using T = decltype(zero);
                            constexpr ScalarType kCompute = scalar_type_of<T>();
                            return map_elements<T, bool, T>(condition.to(ScalarType::kBool), yes.tensor.to(kCompute),
                                                            no.tensor.to(kCompute),
                                                            [](bool chosen, T x, T y) { return chosen ? x : y; });
                          })
      .to(type);
}

Tensor where(const OperatorCall& call) {
  const Operand operands[] = {call.operand("self"), call.operand("other")};
  return select_by(call.tensor("condition"), operands[0], operands[1], result_type(operands, call.default_float()));
}

Tensor masked_fill(const OperatorCall& call) {
  const Operand self = call.operand("self");
  return select_by(call.tensor("mask"), call.operand("value"), self, self.tensor.type());
}

constexpr auto kEqual = [](auto x, auto y) { return x == y; };
constexpr auto kNotEqual = [](auto x, auto y) { return x != y; };
constexpr auto kLess = [](auto x, auto y) { return x < y; };
constexpr auto kLessEqual = [](auto x, auto y) { return x <= y; };
constexpr auto kGreater = [](auto x, auto y) { return x > y; };
constexpr auto kGreaterEqual = [](auto x, auto y) { return x >= y; };
constexpr auto kAnd = [](auto x, auto y) -> decltype(x) { return x & y; };
constexpr auto kOr = [](auto x, auto y) -> decltype(x) { return x | y; };
constexpr auto kXor = [](auto x, auto y) -> decltype(x) { return x ^ y; };
constexpr auto kIsNan = [](double x) { return std::isnan(x); };
constexpr auto kIsInf = [](double x) { return std::isinf(x); };
constexpr auto kIsFinite = [](double x) { return std::isfinite(x); };

constexpr OperatorEntry kOperators[] = {
    {"aten.eq.Tensor", compare<kEqual>},
    {"aten.eq.Scalar", compare<kEqual>},
    {"aten.ne.Tensor", compare<kNotEqual>},
    {"aten.ne.Scalar", compare<kNotEqual>},
    {"aten.lt.Tensor", compare<kLess>},
    {"aten.lt.Scalar", compare<kLess>},
    {"aten.le.Tensor", compare<kLessEqual>},
    {"aten.le.Scalar", compare<kLessEqual>},
    {"aten.gt.Tensor", compare<kGreater>},
    {"aten.gt.Scalar", compare<kGreater>},
    {"aten.ge.Tensor", compare<kGreaterEqual>},
    {"aten.ge.Scalar", compare<kGreaterEqual>},
    {"aten.logical_and.default", logical<kAnd>},
    {"aten.logical_or.default", logical<kOr>},
    {"aten.logical_xor.default", logical<kXor>},
    {"aten.logical_not.default", logical_not},
    {"aten.bitwise_left_shift.Tensor", bitwise<kShiftLeft>},
    {"aten.bitwise_left_shift.Tensor_Scalar", bitwise<kShiftLeft>},
    {"aten.bitwise_right_shift.Tensor", bitwise<kShiftRight>},
    {"aten.bitwise_right_shift.Tensor_Scalar", bitwise<kShiftRight>},
    {"aten.bitwise_and.Tensor", bitwise<kAnd>},
    {"aten.bitwise_and.Scalar", bitwise<kAnd>},
    {"aten.bitwise_or.Tensor", bitwise<kOr>},
    {"aten.bitwise_or.Scalar", bitwise<kOr>},
    {"aten.bitwise_xor.Tensor", bitwise<kXor>},
    {"aten.bitwise_xor.Scalar", bitwise<kXor>},
    {"aten.bitwise_not.default", bitwise_not},
    {"aten.isnan.default", classify<kIsNan>},
    {"aten.isinf.default", classify<kIsInf>},
    {"aten.isfinite.default", classify<kIsFinite>},
    {"aten.where.self", where},
    {"aten.where.ScalarSelf", where},
    {"aten.where.ScalarOther", where},
    {"aten.where.Scalar", where},
    {"aten.masked_fill.Scalar", masked_fill},
    {"aten.masked_fill.Tensor", masked_fill},
};

}  // namespace

std::span<const OperatorEntry> comparison_operators() { return kOperators; }

}  // namespace tinyml::evaluation
