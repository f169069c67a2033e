// Functions of single elements that several families need.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "tinyml/error.h"

namespace tinyml::evaluation {

template <typename T>
constexpr bool is_real = std::is_floating_point_v<T>;

template <typename T>
T logistic(T x) {
  return 1 / (1 + std::exp(-x));
}

/// Rounded towards minus infinity, as Python's //. Throws Error for an integer division by zero.
template <typename T>
T floor_divide(T a, T b) {
  if constexpr (is_real<T>) {
    // As Python: a - remainder is an exact multiple of b up to rounding.
    if (b == 0) return a / b;
    T remainder = std::fmod(a, b);
    T quotient = (a - remainder) / b;
    if (remainder != 0 && (b < 0) != (remainder < 0)) quotient -= 1;
    if (quotient == 0) return std::copysign(T{0}, a / b);
    T floor = std::floor(quotient);
    if (quotient - floor > T(0.5)) floor += 1;
    return floor;
  } else {
    if (b == 0) throw Error("integer division by zero");
    if (b == -1) return static_cast<T>(-static_cast<uint64_t>(a));
    const T quotient = a / b;
    return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
  }
}

}  // namespace tinyml::evaluation
