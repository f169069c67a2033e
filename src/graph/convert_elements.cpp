#include "graph/convert_elements.h"

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>

namespace tinyml {
namespace {

struct TypeInfo {
  std::string_view name;
  size_t size;
};

constexpr std::array<TypeInfo, 15> kTypes{{{"uint8", 1},
                                           {"int8", 1},
                                           {"int16", 2},
                                           {"int32", 4},
                                           {"int64", 8},
                                           {"float16", 2},
                                           {"float32", 4},
                                           {"float64", 8},
                                           {"complex64", 8},
                                           {"complex128", 16},
                                           {"bool", 1},
                                           {"bfloat16", 2},
                                           {"uint16", 2},
                                           {"uint32", 4},
                                           {"uint64", 8}}};

struct Half {
  uint16_t bits;
};
struct BFloat16 {
  uint16_t bits;
};

template <typename T>
T load(const std::byte* in) {
  T value;
  std::memcpy(&value, in, sizeof(T));
  return value;
}

template <typename To, typename From>
To convert(From value) {
  if constexpr (std::is_same_v<From, Half>) {
    return convert<To>(half_to_float(value.bits));
  } else if constexpr (std::is_same_v<From, BFloat16>) {
    return convert<To>(bfloat16_to_float(value.bits));
  } else if constexpr (std::is_same_v<To, Half>) {
    return {float_to_half(static_cast<float>(value))};
  } else if constexpr (std::is_same_v<To, BFloat16>) {
    return {float_to_bfloat16(static_cast<float>(value))};
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{};
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    // Out-of-range conversions are undefined in C++; saturate instead.
    if (std::isnan(value)) return To{0};
    const auto wide = static_cast<long double>(value);
    if (wide <= static_cast<long double>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (wide >= static_cast<long double>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

template <typename Visit>
void dispatch(ScalarType type, Visit visit) {
  switch (type) {
    case ScalarType::kUInt8:
      return visit(uint8_t{});
    case ScalarType::kInt8:
      return visit(int8_t{});
    case ScalarType::kInt16:
      return visit(int16_t{});
    case ScalarType::kInt32:
      return visit(int32_t{});
    case ScalarType::kInt64:
      return visit(int64_t{});
    case ScalarType::kFloat16:
      return visit(Half{});
    case ScalarType::kFloat32:
      return visit(float{});
    case ScalarType::kFloat64:
      return visit(double{});
    case ScalarType::kBool:
      return visit(bool{});
    case ScalarType::kBFloat16:
      return visit(BFloat16{});
    case ScalarType::kUInt16:
      return visit(uint16_t{});
    case ScalarType::kUInt32:
      return visit(uint32_t{});
    case ScalarType::kUInt64:
      return visit(uint64_t{});
    case ScalarType::kComplex64:
    case ScalarType::kComplex128:
      break;
  }
  throw Error("complex tensors are not supported here", "split the tensor into its real and imaginary parts");
}

}  // namespace

void convert_elements(const std::byte* in, ScalarType from, std::byte* out, ScalarType to, size_t count) {
  dispatch(from, [&](auto source) {
    using From = decltype(source);
    dispatch(to, [&](auto target) {
      using To = decltype(target);
      for (size_t i = 0; i < count; ++i) {
        To value;
        if constexpr (std::is_same_v<From, bool>) {
          value = convert<To>(static_cast<uint8_t>(load<uint8_t>(in + i) != 0));
        } else {
          value = convert<To>(load<From>(in + i * sizeof(From)));
        }
        std::memcpy(out + i * sizeof(To), &value, sizeof(To));
      }
    });
  });
}

size_t size_of(ScalarType type) { return kTypes[static_cast<size_t>(type)].size; }

std::string_view name_of(ScalarType type) { return kTypes[static_cast<size_t>(type)].name; }

ScalarType parse_scalar_type(std::string_view name) {
  for (size_t i = 0; i < kTypes.size(); ++i) {
    if (kTypes[i].name == name) return static_cast<ScalarType>(i);
  }
  throw Error("unknown element type '" + std::string(name) + "'");
}

bool is_floating_point(ScalarType type) {
  return type == ScalarType::kFloat16 || type == ScalarType::kFloat32 || type == ScalarType::kFloat64 ||
         type == ScalarType::kBFloat16;
}

bool is_integral(ScalarType type) {
  return !is_floating_point(type) && type != ScalarType::kBool && type != ScalarType::kComplex64 &&
         type != ScalarType::kComplex128;
}

float half_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t float_to_half(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 0x38800000u) {
    const float scaled = std::ldexp(std::bit_cast<float>(magnitude), 24);
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(scaled)));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | ((rounded - 0x38000000u) >> 13));
}

float bfloat16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

uint16_t float_to_bfloat16(float value) {
  const auto bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

}  // namespace tinyml
