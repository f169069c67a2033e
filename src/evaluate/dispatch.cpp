#include "evaluate/dispatch.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>

namespace tinyml::evaluation {
namespace {

enum class Kind { kBool, kInteger, kFloating };

Kind kind_of(ScalarType type) {
  if (type == ScalarType::kBool) return Kind::kBool;
  return is_floating_point(type) ? Kind::kFloating : Kind::kInteger;
}

bool is_unsigned(ScalarType type) {
  return type == ScalarType::kUInt8 || type == ScalarType::kUInt16 || type == ScalarType::kUInt32 ||
         type == ScalarType::kUInt64;
}

ScalarType promote_integers(ScalarType a, ScalarType b) {
  if (is_unsigned(a) == is_unsigned(b)) return size_of(a) >= size_of(b) ? a : b;
  const ScalarType without_sign = is_unsigned(a) ? a : b;
  const ScalarType with_sign = is_unsigned(a) ? b : a;
  if (size_of(with_sign) > size_of(without_sign)) return with_sign;
  switch (size_of(without_sign)) {
    case 1:
      return ScalarType::kInt16;
    case 2:
      return ScalarType::kInt32;
    case 4:
      return ScalarType::kInt64;
    default:
      throw Error(fmt::format("no common type for {} and {}", name_of(a), name_of(b)));
  }
}

/// The type of one category, or none.
struct Category {
  std::optional<ScalarType> type;
  void add(ScalarType other) { type = type ? promote_types(*type, other) : other; }
};

}  // namespace

ScalarType compute_type(ScalarType type) {
  switch (type) {
    case ScalarType::kFloat64:
      return ScalarType::kFloat64;
    case ScalarType::kFloat32:
    case ScalarType::kFloat16:
    case ScalarType::kBFloat16:
      return ScalarType::kFloat32;
    case ScalarType::kComplex64:
    case ScalarType::kComplex128:
      throw Error("complex tensors are not supported");
    default:
      return ScalarType::kInt64;
  }
}

ScalarType promote_types(ScalarType a, ScalarType b) {
  if (a == b) return a;
  if (kind_of(a) != kind_of(b)) return kind_of(a) > kind_of(b) ? a : b;
  if (kind_of(a) == Kind::kInteger) return promote_integers(a, b);
  if (size_of(a) == size_of(b)) return ScalarType::kFloat32;  // float16 and bfloat16
  return size_of(a) > size_of(b) ? a : b;
}

ScalarType result_type(std::span<const Operand> operands, ScalarType default_float) {
  Category with_dims;
  Category rank_zero;
  Category numbers;
  for (const Operand& operand : operands) {
    if (!operand.tensor.defined()) continue;
    const ScalarType type = operand.tensor.type();
    if (operand.is_number) {
      numbers.add(is_floating_point(type) ? default_float : type);
    } else {
      (operand.tensor.rank() > 0 ? with_dims : rank_zero).add(type);
    }
  }
  std::optional<ScalarType> result;
  for (const Category& category : {with_dims, rank_zero, numbers}) {
    if (!category.type) continue;
    if (!result || kind_of(*category.type) > kind_of(*result)) {
      result = result ? promote_types(*result, *category.type) : category.type;
    }
  }
  TINYML_CHECK(result.has_value());
  return *result;
}

std::vector<Tensor> same_type(std::vector<Tensor> tensors, const OperatorCall& call) {
  if (tensors.empty()) throw Error("an empty list of tensors");
  std::vector<Operand> operands;
  for (const Tensor& tensor : tensors) operands.push_back({tensor, false});
  const ScalarType type = result_type(operands, call.default_float());
  for (Tensor& tensor : tensors) tensor = tensor.to(type);
  return tensors;
}

int64_t normalize_dim(int64_t dim, int64_t rank) {
  const int64_t limit = std::max<int64_t>(rank, 1);
  if (dim < -limit || dim >= limit) throw Error(fmt::format("dimension {} is out of range for rank {}", dim, rank));
  return dim < 0 ? dim + limit : dim;
}

std::vector<int64_t> normalize_dims(std::vector<int64_t> dims, int64_t rank) {
  for (int64_t& dim : dims) dim = normalize_dim(dim, rank);
  std::vector<int64_t> sorted = dims;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) throw Error("a dimension is listed twice");
  return dims;
}

}  // namespace tinyml::evaluation
