// Values picked, moved or combined along dimensions that stay; the other dimensions correspond index by index.
#include <algorithm>
#include <set>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kPicked = "values are picked along it at run time";

/// Lays operands of one rank over the result, without those dimensions, and where a size differs, without that one.
void join_without(Propagation& p, const std::vector<ValueId>& values, std::set<int64_t> dims, const Node& node,
                  const char* why) {
  const ValueId output = node.outputs[0];
  const std::vector<int64_t> space = p.sizes(output);
  for (const ValueId value : values) {
    for (int64_t dim = 0; dim < p.rank(value); ++dim) {
      if (p.sizes(value)[static_cast<size_t>(dim)] != space[static_cast<size_t>(dim)]) dims.insert(dim);
    }
  }
  std::vector<Operand> operands;
  for (const ValueId value : values) {
    Operand each = aligned(p, value);
    for (const int64_t dim : dims) {
      p.fix(value, dim, why);
      each.dims[static_cast<size_t>(dim)] = -1;
    }
    operands.push_back(std::move(each));
  }
  p.set(output, p.join(operands, space, ZeroRule::kAll));
}

int64_t dim_of(const Propagation& p, const Node& node) {
  return wrap_dim(node.arg("dim").as_int(), p.rank(operand(node)));
}

/// gather(x, dim, index), scatter(x, dim, index, source or value) and what is like them.
void propagate_gather(Propagation& p, const Node& node) {
  std::vector<ValueId> values{operand(node)};
  if (!node.arg("dim").is_int()) {
    p.fix_all(operand(node), kPicked);  // Of the flattened tensor.
    return p.fix_all(node.arg("indices").as_value(), kPicked);
  }
  for (const char* name : {"index", "indices", "src"}) {
    if (const ValueId value = optional_operand(node, name); value != kNoValue) values.push_back(value);
  }
  for (const ValueId value : values) {
    if (p.rank(value) == p.rank(node.outputs[0])) continue;
    for (const ValueId each : values) p.fix_all(each, kPicked);
    return;
  }
  join_without(p, values, {dim_of(p, node)}, node, kPicked);
}

/// index_add(x, dim, index, source) and what is like it: `index` is a vector.
void propagate_index_add(Propagation& p, const Node& node) {
  p.fix_all(node.arg("index").as_value(), "it holds indices");
  std::vector<ValueId> values{operand(node)};
  for (const char* name : {"source", "value"}) {
    const ValueId value = optional_operand(node, name);
    if (value != kNoValue && p.rank(value) == p.rank(values[0])) values.push_back(value);
  }
  join_without(p, values, {dim_of(p, node)}, node, "it is written over at indices");
}

/// index_put(x, indices, values): what is written has the dimensions of x after the indexed ones, which stay.
void propagate_index_put(Propagation& p, const Node& node) {
  const ValueId input = operand(node), written = node.arg("values").as_value();
  const std::vector<ValueId> indices = node.arg("indices").as_values();
  std::set<int64_t> dims;
  for (size_t i = 0; i < indices.size(); ++i) {
    if (indices[i] == kNoValue) continue;
    const TensorType& type = p.graph().tensor_type(indices[i]);
    const bool mask = type.type == ScalarType::kBool || type.type == ScalarType::kUInt8;
    for (int64_t k = 0; k < (mask ? type.rank() : 1); ++k) dims.insert(static_cast<int64_t>(i) + k);
    p.fix_all(indices[i], "it holds indices");
  }
  const int64_t last = dims.empty() ? -1 : *dims.rbegin();
  Operand all = aligned(p, input), part{written, {}};
  for (int64_t dim = 0; dim < p.rank(input); ++dim) {
    if (dims.contains(dim) || (dim < last && p.rank(written) > 0)) {
      p.fix(input, dim, "it is written over at indices");
      all.dims[static_cast<size_t>(dim)] = -1;
    }
  }
  // Behind the last indexed dimension, what is written is aligned with x at the end.
  const int64_t shift = p.rank(input) - p.rank(written);
  for (int64_t i = 0; i < p.rank(written); ++i) {
    const int64_t dim = i + shift;
    const bool follows =
        dim > last && p.sizes(written)[static_cast<size_t>(i)] == p.sizes(input)[static_cast<size_t>(dim)];
    if (!follows && p.sizes(written)[static_cast<size_t>(i)] > 1) {
      p.fix(written, i, "it is written at indices");
    }
    part.dims.push_back(follows ? dim : -1);
  }
  p.set(node.outputs[0], p.join({all, part}, p.sizes(node.outputs[0]), ZeroRule::kAll));
}

/// One operand and result, of which those dimensions stay.
void keep_dims(Propagation& p, const Node& node, const std::set<int64_t>& dims, const char* why) {
  join_without(p, {operand(node)}, dims, node, why);
}

void propagate_triangle(Propagation& p, const Node& node) {
  const int64_t rank = p.rank(operand(node));
  keep_dims(p, node, {rank - 2, rank - 1}, "a triangle of it is kept");
}

void propagate_rot90(Propagation& p, const Node& node) {
  std::set<int64_t> dims;
  for (const int64_t dim : node.arg("dims").as_ints()) dims.insert(wrap_dim(dim, p.rank(operand(node))));
  keep_dims(p, node, dims, "it is rotated");
}

/// diff with more than one step, or with what stands before and after.
void propagate_diff(Propagation& p, const Node& node) {
  std::vector<ValueId> values{operand(node)};
  for (const char* name : {"prepend", "append"}) {
    if (const ValueId value = optional_operand(node, name); value != kNoValue) values.push_back(value);
  }
  join_without(p, values, {dim_of(p, node)}, node, "differences are taken along it");
}

void propagate_cross(Propagation& p, const Node& node) {
  const ValueId a = operand(node, 0), b = operand(node, 1);
  if (!node.arg("dim").is_int() || p.sizes(a) != p.sizes(b)) {
    for (const ValueId each : {a, b}) p.fix_all(each, "a cross product is taken along it");
    return;
  }
  join_without(p, {a, b}, {dim_of(p, node)}, node, "a cross product is taken along it");
}

/// unfold(x, dim, size, step): windows of `dim`, with a last dimension for what is in one.
void propagate_unfold(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  const int64_t dim = wrap_dim(node.arg("dimension").as_int(), p.rank(input));
  p.fix(input, dim, "windows slide over it");
  p.set(node.outputs[0], p.blocks(input));
}

/// diagonal(x, offset, dim1, dim2): the two give way to a last dimension.
void propagate_diagonal(Propagation& p, const Node& node) {
  const ValueId input = operand(node);
  const int64_t first = wrap_dim(node.arg("dim1").as_int(), p.rank(input));
  const int64_t second = wrap_dim(node.arg("dim2").as_int(), p.rank(input));
  for (const int64_t dim : {first, second}) {
    p.fix(input, dim, "its diagonal is taken");
  }
  Blocks result = p.blocks(input);
  for (Block& block : result) {
    for (int64_t& dim : block.dims) dim -= int64_t{dim > first} + int64_t{dim > second};
  }
  p.set(node.outputs[0], std::move(result));
}

}  // namespace

void add_along_rules(Rules& rules) {
  add_rules(rules,
            {"aten.gather.default", "aten.take_along_dim.default", "aten.scatter.src", "aten.scatter.value",
             "aten.scatter.reduce", "aten.scatter.value_reduce", "aten.scatter_add.default", "aten.scatter_reduce.two"},
            propagate_gather);
  add_rules(rules,
            {"aten.index_add.default", "aten.index_copy.default", "aten.index_fill.int_Scalar",
             "aten.index_fill.int_Tensor", "aten.index_reduce.default"},
            propagate_index_add);
  add_rules(rules, {"aten.index_put.default", "aten._unsafe_index_put.default"}, propagate_index_put);
  add_rules(rules, {"aten.tril.default", "aten.triu.default"}, propagate_triangle);
  add_rules(rules, {"aten.rot90.default"}, propagate_rot90);
  add_rules(rules, {"aten.diff.default"}, propagate_diff);
  add_rules(rules, {"aten.cross.default", "aten.linalg_cross.default"}, propagate_cross);
  add_rules(rules, {"aten.unfold.default"}, propagate_unfold);
  add_rules(rules, {"aten.diagonal.default"}, propagate_diagonal);
}

}  // namespace tinyml::analysis
