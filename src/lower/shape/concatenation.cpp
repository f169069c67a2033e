// cat, stack and their kin: CONCATENATION.
#include "lower/math/elementwise.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

std::vector<TensorId> parts_of(Lowering& at) {
  std::vector<TensorId> parts;
  for (const TensorId part : at.inputs("tensors")) {
    const Sizes shape = at.shape(part);
    bool empty = false;
    for (const int64_t size : shape) empty = empty || size == 0;
    if (!empty) parts.push_back(at.cast(part, computing_type(at.output_type())));  // narrow integers need a scale there
  }
  if (parts.empty()) at.refuse("only empty tensors");
  return parts;
}

void lower_cat(Lowering& at) {
  const auto rank = static_cast<int64_t>(at.output_sizes().size());
  at.set_output(at.concatenate(parts_of(at), at.axis("dim", rank)));
}

void lower_stack(Lowering& at) {
  const auto rank = static_cast<int64_t>(at.output_sizes().size());
  const int64_t axis = at.axis("dim", rank);
  Sizes shape = at.output_sizes();
  shape[static_cast<size_t>(axis)] = 1;
  std::vector<TensorId> parts = parts_of(at);
  for (TensorId& part : parts) part = at.reshape(part, shape);
  at.set_output(at.concatenate(parts, axis));
}

// hstack, vstack, dstack, column_stack: along one axis, after each part has the rank of the result.
TensorId raised(Lowering& at, TensorId part, const Sizes& front, const Sizes& back) {
  Sizes shape = front;
  const Sizes own = at.shape(part);
  shape.insert(shape.end(), own.begin(), own.end());
  shape.insert(shape.end(), back.begin(), back.end());
  return at.reshape(part, shape);
}

void lower_hstack(Lowering& at) {
  std::vector<TensorId> parts = parts_of(at);
  for (TensorId& part : parts) part = at.rank(part) == 0 ? at.reshape(part, {1}) : part;
  at.set_output(at.concatenate(parts, at.rank(parts[0]) == 1 ? 0 : 1));
}

void lower_vstack(Lowering& at) {
  std::vector<TensorId> parts = parts_of(at);
  for (TensorId& part : parts) {
    part = at.rank(part) > 1 ? part : raised(at, part, {1}, at.rank(part) == 0 ? Sizes{1} : Sizes{});
  }
  at.set_output(at.concatenate(parts, 0));
}

void lower_dstack(Lowering& at) {
  std::vector<TensorId> parts = parts_of(at);
  for (TensorId& part : parts) {
    if (at.rank(part) == 0) part = at.reshape(part, {1});
    if (at.rank(part) == 1) part = raised(at, part, {1}, {});
    if (at.rank(part) == 2) part = raised(at, part, {}, {1});
  }
  at.set_output(at.concatenate(parts, 2));
}

void lower_column_stack(Lowering& at) {
  std::vector<TensorId> parts = parts_of(at);
  for (TensorId& part : parts) {
    if (at.rank(part) == 0) part = at.reshape(part, {1, 1});
    if (at.rank(part) == 1) part = raised(at, part, {}, {1});
  }
  at.set_output(at.concatenate(parts, 1));
}

// Each part between zeros to its left and right.
void lower_block_diag(Lowering& at) {
  std::vector<TensorId> parts = parts_of(at);
  const int64_t columns = at.output_sizes()[1];
  int64_t left = 0;
  for (TensorId& part : parts) {
    if (at.rank(part) < 2) part = at.reshape(part, {1, at.rank(part) == 0 ? 1 : at.shape(part)[0]});
    const int64_t own = at.shape(part)[1];
    part = at.pad(part, {0, left}, {0, columns - left - own});
    left += own;
  }
  at.set_output(at.concatenate(parts, 0));
}

// Every combination as a row, the last part changing fastest.
void lower_cartesian_prod(Lowering& at) {
  const std::vector<TensorId> parts = parts_of(at);
  if (parts.size() == 1) return at.set_output(parts[0]);
  Sizes grid;
  for (const TensorId part : parts) grid.push_back(at.shape(part)[0]);
  std::vector<TensorId> columns;
  for (size_t i = 0; i < parts.size(); ++i) {
    Sizes own(parts.size(), 1);
    own[i] = grid[i];
    const TensorId spread = at.broadcast_to(at.reshape(parts[i], own), grid);
    columns.push_back(at.reshape(spread, {at.output_sizes()[0], 1}));
  }
  at.set_output(at.concatenate(columns, 1));
}

}  // namespace

void register_concatenation(Registry& registry) {
  registry.add({"cat.default", "concat.default", "concatenate.default"}, lower_cat);
  registry.add({"stack.default"}, lower_stack);
  registry.add({"hstack.default"}, lower_hstack);
  registry.add({"vstack.default", "row_stack.default"}, lower_vstack);
  registry.add({"dstack.default"}, lower_dstack);
  registry.add({"column_stack.default"}, lower_column_stack);
  registry.add({"block_diag.default"}, lower_block_diag);
  registry.add({"cartesian_prod.default"}, lower_cartesian_prod);
}

}  // namespace tinyml::lowering
