#include "tflite/dynamic/size_source.h"

#include <algorithm>
#include <string>

#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr int64_t kLargestDivisor = 64;
constexpr int64_t kLargestOffset = 16;  // of a division: half a window

template <typename Predicate>
bool at_all(const Samples& wanted, Predicate predicate) {
  for (size_t k = 0; k < wanted.size(); ++k) {
    if (!predicate(k)) return false;
  }
  return true;
}

int64_t floor_divide(int64_t a, int64_t b) {
  const int64_t quotient = a / b;
  return a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
}

std::optional<SizeFormula> find_affine(const Samples& wanted, const std::vector<Samples>& pool) {
  for (size_t i = 0; i < pool.size(); ++i) {
    const Samples& x = pool[i];
    if (wanted.size() < 3 || x[1] == x[0]) continue;  // two samples fit any line
    const int64_t rise = wanted[1] - wanted[0];
    const int64_t run = x[1] - x[0];
    if (rise == 0 || rise % run != 0) continue;
    SizeFormula formula{i, {}, rise / run, 0, 1};
    formula.offset = wanted[0] - formula.factor * x[0];
    if (at_all(wanted, [&](size_t k) { return formula.apply(x[k], 0) == wanted[k]; })) return formula;
  }
  return std::nullopt;
}

std::optional<SizeFormula> find_product(const Samples& wanted, const std::vector<Samples>& pool) {
  for (size_t i = 0; i < pool.size(); ++i) {
    for (size_t j = i; j < pool.size(); ++j) {
      const int64_t product = pool[i][0] * pool[j][0];
      if (product == 0 || wanted[0] % product != 0) continue;
      const SizeFormula formula{i, j, wanted[0] / product, 0, 1};
      if (at_all(wanted, [&](size_t k) { return formula.apply(pool[i][k], pool[j][k]) == wanted[k]; })) return formula;
    }
  }
  return std::nullopt;
}

std::optional<SizeFormula> find_quotient(const Samples& wanted, const std::vector<Samples>& pool) {
  for (int64_t distance = 0; distance <= 2 * kLargestOffset; ++distance) {
    const int64_t offset = distance % 2 == 0 ? distance / 2 : -(distance + 1) / 2;
    for (size_t i = 0; i < pool.size(); ++i) {
      for (int64_t divisor = 2; divisor <= kLargestDivisor; ++divisor) {
        const SizeFormula formula{i, {}, 1, offset, divisor};
        if (at_all(wanted, [&](size_t k) { return formula.apply(pool[i][k], 0) == wanted[k]; })) return formula;
      }
    }
  }
  return std::nullopt;
}

}  // namespace

bool is_constant(const Samples& values) {
  return std::all_of(values.begin(), values.end(), [&](int64_t value) { return value == values[0]; });
}

int64_t SizeFormula::apply(int64_t x, int64_t y) const {
  return floor_divide(factor * x * (b ? y : 1) + offset, divisor);
}

std::optional<SizeFormula> find_formula(const Samples& wanted, const std::vector<Samples>& pool) {
  for (size_t i = 0; i < pool.size(); ++i) {
    if (pool[i] == wanted) return SizeFormula{i, {}, 1, 0, 1};
  }
  if (wanted[0] > 0) {
    for (size_t i = 0; i < pool.size(); ++i) {  // a multiple, before an offset of something else
      if (pool[i][0] <= 0 || wanted[0] % pool[i][0] != 0) continue;
      const SizeFormula formula{i, {}, wanted[0] / pool[i][0], 0, 1};
      if (at_all(wanted, [&](size_t k) { return formula.apply(pool[i][k], 0) == wanted[k]; })) return formula;
    }
  }
  if (const auto product = find_product(wanted, pool)) return product;
  if (const auto affine = find_affine(wanted, pool)) return affine;
  return find_quotient(wanted, pool);
}

void SizeSource::add(int tensor, const std::vector<Samples>& dims) {
  for (size_t axis = 0; axis < dims.size(); ++axis) {
    if (is_constant(dims[axis]) || std::find(pool_.begin(), pool_.end(), dims[axis]) != pool_.end()) continue;
    pool_.push_back(dims[axis]);
    dimensions_.push_back({tensor, static_cast<int>(axis)});
  }
}

int SizeSource::emit(Op op, std::vector<int> inputs, Shape shape, Options options) {
  const std::string name = "size_" + std::to_string(subgraph_.tensors.size());
  const int output = subgraph_.add_tensor(name, Type::INT32, std::move(shape));
  subgraph_.add_operator(op, std::move(inputs), {output}, std::move(options));
  return output;
}

int SizeSource::constant(std::vector<int32_t> values) {
  const auto count = static_cast<int32_t>(values.size());
  return subgraph_.add_constant("size", std::move(values), Shape{count});
}

int SizeSource::binary(Op op, int a, int b) {
  Options options;
  if (op != Op::FLOOR_DIV) options = ArithmeticOptions{};
  return emit(op, {a, b}, {1}, options);
}

int SizeSource::from_dimension(int tensor, int axis) {
  auto [entry, is_new] = shapes_.try_emplace(tensor, kNoTensor);
  if (is_new) {
    const int rank = subgraph_.tensors[static_cast<size_t>(tensor)].rank();
    entry->second = emit(Op::SHAPE, {tensor}, {rank}, ShapeOptions{Type::INT32});
  }
  const int shape = entry->second;
  return emit(Op::STRIDED_SLICE, {shape, constant({axis}), constant({axis + 1}), constant({1})}, {1},
              StridedSliceOptions{});
}

int SizeSource::element(const Samples& value) {
  if (is_constant(value)) return constant({static_cast<int32_t>(value[0])});
  if (const auto found = elements_.find(value); found != elements_.end()) return found->second;
  const auto formula = find_formula(value, pool_);
  if (!formula) return kNoTensor;
  const auto dimension = [&](size_t i) {
    if (const auto found = elements_.find(pool_[i]); found != elements_.end()) return found->second;
    return elements_[pool_[i]] = from_dimension(dimensions_[i].tensor, dimensions_[i].axis);
  };
  int result = dimension(formula->a);
  if (formula->b) result = binary(Op::MUL, result, dimension(*formula->b));
  if (formula->factor != 1) result = binary(Op::MUL, result, constant({static_cast<int32_t>(formula->factor)}));
  if (formula->offset != 0) result = binary(Op::ADD, result, constant({static_cast<int32_t>(formula->offset)}));
  if (formula->divisor != 1) {
    result = binary(Op::FLOOR_DIV, result, constant({static_cast<int32_t>(formula->divisor)}));
  }
  elements_[value] = result;
  return result;
}

int SizeSource::vector_of(const std::vector<Samples>& elements) {
  std::vector<int> parts;
  std::vector<int32_t> fixed;
  const auto flush = [&] {
    if (!fixed.empty()) parts.push_back(constant(std::move(fixed)));
    fixed.clear();
  };
  for (const Samples& value : elements) {
    if (is_constant(value)) {
      fixed.push_back(static_cast<int32_t>(value[0]));
      continue;
    }
    flush();
    const int part = element(value);
    if (part == kNoTensor) return kNoTensor;
    parts.push_back(part);
  }
  flush();
  if (parts.size() == 1) return parts[0];
  return emit(Op::CONCATENATION, std::move(parts), {static_cast<int32_t>(elements.size())},
              ConcatenationOptions{0, Activation::NONE});
}

int SizeSource::scalar_of(const Samples& value) {
  if (const auto found = scalars_.find(value); found != scalars_.end()) return found->second;
  const int vector = element(value);
  if (vector == kNoTensor) return kNoTensor;
  StridedSliceOptions options;
  options.shrink_axis_mask = 1;
  return scalars_[value] = emit(Op::STRIDED_SLICE, {vector, constant({0}), constant({1}), constant({1})}, {}, options);
}

}  // namespace tinyml::tflite
