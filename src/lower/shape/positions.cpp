#include "lower/shape/positions.h"

#include <algorithm>
#include <numeric>

namespace tinyml::lowering {

int64_t element_count(const Sizes& sizes) {
  return std::accumulate(sizes.begin(), sizes.end(), int64_t{1}, std::multiplies<>());
}

Sizes row_major_strides(const Sizes& sizes) {
  Sizes strides(sizes.size(), 1);
  for (size_t i = sizes.size(); i-- > 1;) strides[i - 1] = strides[i] * sizes[i];
  return strides;
}

int64_t Positions::count() const { return element_count(shape); }

Positions known_positions(Sizes values, Sizes shape) { return {std::move(shape), true, std::move(values)}; }

Positions read_positions(Lowering& at, ValueId value, int64_t length, bool may_be_negative) {
  const Binding* binding = at.graph().binding_of(value);
  if (binding != nullptr) {
    Sizes values;
    for (const double number : binding->data.to_doubles()) {
      const auto position = static_cast<int64_t>(number);
      if (position < -length || position >= length) {
        at.refuse("position " + std::to_string(position) + " of " + std::to_string(length) + " elements");
      }
      values.push_back(position < 0 ? position + length : position);
    }
    return known_positions(std::move(values), binding->data.shape());
  }
  TensorId rows = at.cast(at.tensor_of(value), Type::INT32);
  if (may_be_negative) {
    const TensorId wrapped = at.binary(Op::ADD, rows, at.scalar(static_cast<double>(length), Type::INT32));
    rows = at.select(at.compare(Op::LESS, rows, at.scalar(0, Type::INT32)), wrapped, rows);
  }
  return {at.shape(rows), false, {}, rows};
}

std::vector<Positions> positions_of_mask(const Tensor& mask) {
  const std::vector<double> holds = mask.to_doubles();
  const Sizes strides = row_major_strides(mask.shape());
  std::vector<Positions> dims(mask.shape().size());
  for (size_t dim = 0; dim < dims.size(); ++dim) {
    Sizes values;
    for (size_t i = 0; i < holds.size(); ++i) {
      if (holds[i] != 0) values.push_back(static_cast<int64_t>(i) / strides[dim] % mask.shape()[dim]);
    }
    const auto count = static_cast<int64_t>(values.size());
    dims[dim] = known_positions(std::move(values), {count});
  }
  return dims;
}

Positions multiply(Lowering& at, const Positions& a, int64_t factor) {
  if (factor == 1) return a;
  if (a.is_known) {
    Positions result = a;
    for (int64_t& value : result.values) value *= factor;
    return result;
  }
  return {a.shape, false, {}, at.binary(Op::MUL, a.tensor, at.scalar(static_cast<double>(factor), Type::INT32))};
}

namespace {

Positions add_known(const Positions& a, const Positions& b) {
  const Sizes shape = broadcast(a.shape, b.shape);
  Sizes values(static_cast<size_t>(element_count(shape)));
  const auto read = [&](const Positions& x, Sizes index) {
    index.erase(index.begin(), index.end() - static_cast<std::ptrdiff_t>(x.shape.size()));
    const Sizes strides = row_major_strides(x.shape);
    int64_t flat = 0;
    for (size_t i = 0; i < index.size(); ++i) flat += x.shape[i] == 1 ? 0 : index[i] * strides[i];
    return x.values[static_cast<size_t>(flat)];
  };
  const Sizes strides = row_major_strides(shape);
  for (size_t i = 0; i < values.size(); ++i) {
    Sizes index;
    for (size_t d = 0; d < shape.size(); ++d) index.push_back(static_cast<int64_t>(i) / strides[d] % shape[d]);
    values[i] = read(a, index) + read(b, index);
  }
  return known_positions(std::move(values), shape);
}

bool all_zero(const Positions& a) {
  return a.is_known && std::all_of(a.values.begin(), a.values.end(), [](int64_t value) { return value == 0; });
}

}  // namespace

Positions add(Lowering& at, const Positions& a, const Positions& b) {
  if (a.is_known && b.is_known) return add_known(a, b);
  const Sizes shape = broadcast(a.shape, b.shape);
  if (all_zero(b) && shape == a.shape) return a;
  if (all_zero(a) && shape == b.shape) return b;
  return {shape, false, {}, at.binary(Op::ADD, to_tensor(at, a), to_tensor(at, b))};
}

Positions reshape(Lowering& at, Positions a, const Sizes& shape) {
  if (!a.is_known) a.tensor = at.reshape(a.tensor, shape);
  a.shape = shape;
  return a;
}

TensorId to_tensor(Lowering& at, const Positions& positions) {
  if (!positions.is_known) return positions.tensor;
  return at.constant(std::vector<int32_t>(positions.values.begin(), positions.values.end()), positions.shape);
}

Positions flatten(Lowering& at, const std::vector<Positions>& dims, const Sizes& sizes) {
  const Sizes leading(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(dims.size()));
  const Sizes strides = row_major_strides(leading);
  Positions flat = multiply(at, dims[0], strides[0]);
  for (size_t i = 1; i < dims.size(); ++i) flat = add(at, flat, multiply(at, dims[i], strides[i]));
  return flat;
}

Positions along_axis(Lowering& at, const Positions& index, int64_t axis, const Sizes& sizes, const Sizes& shape) {
  const Sizes strides = row_major_strides(sizes);
  Positions others = known_positions({0}, Sizes(shape.size(), 1));
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    if (static_cast<int64_t>(dim) == axis || sizes[dim] == 1) continue;
    Sizes own(shape.size(), 1);
    own[dim] = shape[dim];
    Sizes values;
    for (int64_t i = 0; i < shape[dim]; ++i) values.push_back(i * strides[dim]);
    others = add(at, others, known_positions(std::move(values), own));
  }
  return add(at, multiply(at, index, strides[static_cast<size_t>(axis)]), others);
}

TensorId pick(Lowering& at, TensorId x, const Positions& flat) {
  return at.gather(at.reshape(x, {element_count(at.shape(x))}), to_tensor(at, flat), 0);
}

}  // namespace tinyml::lowering
