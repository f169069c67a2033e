#include "train/numbers.h"

#include <array>
#include <cmath>
#include <functional>

#include "tinyml/error.h"

namespace tinyml::train {
namespace {

using Operands = std::vector<c10::IValue>;

bool is_real(const c10::IValue& number) { return number.isDouble(); }
double real(const c10::IValue& number) { return number.toScalar().toDouble(); }
int64_t whole(const c10::IValue& number) { return number.toScalar().toLong(); }

/// f in int64 for integers, in double otherwise.
template <auto F>
c10::IValue binary(const Operands& x) {
  if (is_real(x.at(0)) || is_real(x.at(1))) return F(real(x.at(0)), real(x.at(1)));
  return F(whole(x.at(0)), whole(x.at(1)));
}

template <auto F>
c10::IValue unary(const Operands& x) {
  return is_real(x.at(0)) ? c10::IValue(F(real(x.at(0)))) : c10::IValue(F(whole(x.at(0))));
}

/// f in double, the result rounded to an integer by it.
template <auto F>
c10::IValue rounding(const Operands& x) {
  return is_real(x.at(0)) ? static_cast<int64_t>(F(real(x.at(0)))) : whole(x.at(0));
}

template <typename T>
T floor_divide(T a, T b) {
  if (b == 0) throw Error("division by zero");
  if constexpr (std::is_floating_point_v<T>) {
    return std::floor(a / b);
  } else {
    return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
  }
}

constexpr auto kFloorDivide = [](auto a, auto b) { return floor_divide(a, b); };
constexpr auto kModulo = [](auto a, auto b) { return a - floor_divide(a, b) * b; };
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

c10::IValue divide(const Operands& x) {
  if (real(x.at(1)) == 0) throw Error("division by zero");
  return real(x.at(0)) / real(x.at(1));
}
c10::IValue square_root(const Operands& x) { return std::sqrt(real(x.at(0))); }
c10::IValue logical_not(const Operands& x) { return real(x.at(0)) == 0; }
c10::IValue to_real(const Operands& x) { return real(x.at(0)); }
c10::IValue choose(const Operands& x) { return real(x.at(0)) != 0 ? x.at(1) : x.at(2); }

struct Entry {
  std::string_view op;
  NumberFunction function;
};

constexpr std::array kFunctions = {
    Entry{"_operator.add", binary<std::plus<>{}>},
    Entry{"_operator.sub", binary<std::minus<>{}>},
    Entry{"_operator.mul", binary<std::multiplies<>{}>},
    Entry{"_operator.truediv", divide},
    Entry{"_operator.floordiv", binary<kFloorDivide>},
    Entry{"_operator.mod", binary<kModulo>},
    Entry{"_operator.pow", binary<kPower>},
    Entry{"_operator.neg", unary<kNegate>},
    Entry{"_operator.eq", binary<std::equal_to<>{}>},
    Entry{"_operator.ne", binary<std::not_equal_to<>{}>},
    Entry{"_operator.lt", binary<std::less<>{}>},
    Entry{"_operator.le", binary<std::less_equal<>{}>},
    Entry{"_operator.gt", binary<std::greater<>{}>},
    Entry{"_operator.ge", binary<std::greater_equal<>{}>},
    Entry{"_operator.and_", binary<kAnd>},
    Entry{"_operator.or_", binary<kOr>},
    Entry{"_operator.not_", logical_not},
    Entry{"math.floor", rounding<kFloor>},
    Entry{"math.ceil", rounding<kCeil>},
    Entry{"math.trunc", rounding<kTrunc>},
    Entry{"torch.sym_max", binary<kMaximum>},
    Entry{"torch.sym_min", binary<kMinimum>},
    Entry{"torch.sym_float", to_real},
    Entry{"torch.sym_int", rounding<kTrunc>},
    Entry{"torch.sym_not", logical_not},
    Entry{"torch.sym_ite", choose},
    Entry{"torch._sym_sqrt", square_root},
    Entry{"builtins.abs", unary<kAbsolute>},
};

}  // namespace

NumberFunction find_number_function(std::string_view op) {
  for (const Entry& entry : kFunctions) {
    if (entry.op == op) return entry.function;
  }
  return nullptr;
}

}  // namespace tinyml::train
