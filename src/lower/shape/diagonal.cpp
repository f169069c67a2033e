// Triangles and diagonals.
#include <algorithm>
#include <numeric>

#include "lower/registry.h"
#include "lower/shape/positions.h"

namespace tinyml::lowering {
namespace {

template <bool is_lower>
void lower_triangle(Lowering& at) {
  const TensorId x = at.input("self");
  const Sizes shape = at.shape(x);
  const int64_t rows = shape[shape.size() - 2];
  const int64_t columns = shape.back();
  const int64_t diagonal = at.integer("diagonal");
  Tensor mask(ScalarType::kBool, {rows, columns});
  bool* holds = mask.mutable_data<bool>();
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      holds[i * columns + j] = is_lower ? j - i <= diagonal : j - i >= diagonal;
    }
  }
  at.set_output(at.select(at.constant(mask), x, at.scalar(0, at.type(x))));
}

// The order that puts two axes last.
Sizes last_order(int64_t rank, int64_t first, int64_t second) {
  Sizes order;
  for (int64_t axis = 0; axis < rank; ++axis) {
    if (axis != first && axis != second) order.push_back(axis);
  }
  order.insert(order.end(), {first, second});
  return order;
}

// Positions of the elements of a diagonal in a flattened matrix.
Sizes diagonal_positions(int64_t rows, int64_t columns, int64_t offset) {
  Sizes positions;
  for (int64_t i = std::max<int64_t>(0, -offset); i < rows && i + offset < columns; ++i) {
    positions.push_back(i * columns + i + offset);
  }
  return positions;
}

// The diagonal of the last two dimensions as the last one: a slice with steps of the flattened matrices.
TensorId diagonal(Lowering& at, TensorId x, int64_t offset) {
  const Sizes shape = at.shape(x);
  const int64_t rows = shape[shape.size() - 2];
  const int64_t columns = shape.back();
  const Sizes positions = diagonal_positions(rows, columns, offset);
  if (positions.empty()) at.refuse("an empty diagonal");
  Sizes flat(shape.begin(), shape.end() - 2);
  flat.push_back(rows * columns);
  x = at.reshape(x, flat);
  Sizes begin(flat.size(), 0);
  Sizes strides(flat.size(), 1);
  begin.back() = positions.front();
  flat.back() = positions.back() + 1;
  strides.back() = columns + 1;
  return at.strided_slice(x, begin, flat, strides);
}

// The last dimension on a diagonal of square matrices of zeros: padded rows, read one element later each.
TensorId diagonal_matrix(Lowering& at, TensorId x, int64_t offset) {
  Sizes shape = at.shape(x);
  const int64_t length = shape.back();
  const int64_t size = length + std::abs(offset);
  Sizes before(shape.size() + 1, 0);
  Sizes after(shape.size() + 1, 0);
  after.back() = size;
  shape.push_back(1);
  x = at.pad(at.reshape(x, shape), before, after);
  shape.pop_back();
  shape.back() = length * (size + 1);
  x = at.reshape(x, shape);
  const int64_t lead = offset >= 0 ? offset : -offset * size;
  const int64_t rest = size * size - lead - shape.back();
  before.assign(shape.size(), 0);
  after.assign(shape.size(), 0);
  if (rest < 0) {
    shape.back() += rest;
    x = at.slice(x, Sizes(shape.size(), 0), shape);
  }
  before.back() = lead;
  after.back() = std::max<int64_t>(rest, 0);
  x = at.pad(x, before, after);
  shape.back() = size;
  shape.push_back(size);
  return at.reshape(x, shape);
}

void lower_diagonal(Lowering& at) {
  const TensorId x = at.input("self");
  const Sizes order = last_order(at.rank(x), at.axis("dim1", at.rank(x)), at.axis("dim2", at.rank(x)));
  at.set_output(diagonal(at, at.transpose(x, order), at.integer("offset")));
}

void lower_diag(Lowering& at) {
  const TensorId x = at.input("self");
  const int64_t offset = at.integer("diagonal");
  at.set_output(at.rank(x) == 1 ? diagonal_matrix(at, x, offset) : diagonal(at, x, offset));
}

void lower_diagflat(Lowering& at) {
  const TensorId x = at.input("self");
  at.set_output(diagonal_matrix(at, at.reshape(x, {element_count(at.shape(x))}), at.integer("offset")));
}

Sizes inverse(const Sizes& order) {
  Sizes result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return result;
}

void lower_diag_embed(Lowering& at) {
  const TensorId x = at.input("self");
  const auto rank = static_cast<int64_t>(at.output_sizes().size());
  const Sizes order = last_order(rank, at.axis("dim1", rank), at.axis("dim2", rank));
  at.set_output(at.transpose(diagonal_matrix(at, x, at.integer("offset")), inverse(order)));
}

// A GATHER of the tensor and of what replaces its diagonal.
void lower_diagonal_scatter(Lowering& at) {
  const TensorId x = at.input("self");
  const Sizes order = last_order(at.rank(x), at.axis("dim1", at.rank(x)), at.axis("dim2", at.rank(x)));
  const TensorId ordered = at.transpose(x, order);
  const Sizes shape = at.shape(ordered);
  const int64_t count = shape[shape.size() - 2] * shape.back();
  Sizes source(static_cast<size_t>(count));
  std::iota(source.begin(), source.end(), 0);
  int64_t next = count;
  for (const int64_t position : diagonal_positions(shape[shape.size() - 2], shape.back(), at.integer("offset"))) {
    source[static_cast<size_t>(position)] = next++;
  }
  Sizes flat(shape.begin(), shape.end() - 2);
  flat.push_back(count);
  const auto axis = static_cast<int64_t>(flat.size()) - 1;
  const TensorId both = at.concatenate({at.reshape(ordered, flat), at.input("src", at.type(x))}, axis);
  at.set_output(at.transpose(at.reshape(at.gather(both, source, axis), shape), inverse(order)));
}

void lower_trace(Lowering& at) {
  const TensorId x = at.input("self", at.output_type());
  at.set_output(at.reduce(Op::SUM, diagonal(at, x, 0), {0}, false));
}

}  // namespace

void register_diagonal(Registry& registry) {
  registry.add({"tril.default"}, lower_triangle<true>);
  registry.add({"triu.default"}, lower_triangle<false>);
  registry.add({"diag.default"}, lower_diag, "no empty diagonals");
  registry.add({"diagonal.default", "diagonal_copy.default"}, lower_diagonal, "no empty diagonals");
  registry.add({"diag_embed.default"}, lower_diag_embed);
  registry.add({"diagflat.default"}, lower_diagflat);
  registry.add({"diagonal_scatter.default"}, lower_diagonal_scatter);
  registry.add({"trace.default"}, lower_trace);
}

}  // namespace tinyml::lowering
