// Writing elements by position: index_put, index_add, scatter and their kin.
#include <algorithm>
#include <numeric>

#include "lower/math/elementwise.h"
#include "lower/registry.h"
#include "lower/shape/advanced_index.h"
#include "lower/shape/write_rows.h"

namespace tinyml::lowering {
namespace {

// The segment operators know float and int32.
Type writing_type(const Lowering& at) {
  const Type type = computing_type(at.output_type());
  return type == Type::BOOL ? Type::INT32 : type;
}

Sizes inverse(const Sizes& order) {
  Sizes result(order.size());
  for (size_t i = 0; i < order.size(); ++i) result[static_cast<size_t>(order[i])] = static_cast<int64_t>(i);
  return result;
}

// The order that brings one axis to the front.
Sizes front_order(int64_t axis, size_t rank) {
  Sizes order(rank);
  std::iota(order.begin(), order.end(), 0);
  std::rotate(order.begin(), order.begin() + axis, order.begin() + axis + 1);
  return order;
}

// x[mask] = value, for a value that does not depend on how often the mask holds.
void put_mask(Lowering& at, TensorId x, bool accumulate) {
  TensorId mask = at.tensor_of(at.node().arg("indices").as_list()[0].as_value());
  mask = at.cast(mask, Type::BOOL);
  const TensorId values = at.input("values", at.type(x));
  Sizes shape = at.shape(mask);
  const auto covered = at.rank(mask);
  shape.resize(static_cast<size_t>(at.rank(x)), 1);
  const bool is_row = at.rank(values) <= at.rank(x) - covered ||
                      (at.rank(values) == at.rank(x) - covered + 1 && at.shape(values)[0] == 1);
  if (!is_row) {
    at.refuse("values for every place where a computed mask holds: their number depends on data",
              "use torch.where(mask, values, x) or x.masked_scatter(mask, source)");
  }
  TensorId row = values;
  if (at.rank(values) == at.rank(x) - covered + 1) {
    const Sizes own = at.shape(values);
    row = at.reshape(values, {own.begin() + 1, own.end()});
  }
  at.set_output(at.select(at.reshape(mask, shape), accumulate ? at.binary(Op::ADD, x, row) : row, x));
}

void lower_index_put(Lowering& at) {
  const Type type = writing_type(at);
  const TensorId x = at.input("self", type);
  const bool accumulate = at.flag("accumulate");
  if (is_computed_mask(at)) return put_mask(at, x, accumulate);
  const AdvancedIndex index = read_advanced_index(at, at.shape(x));
  const Sizes front = front_order(index.axis, index.merged.size());
  const Sizes permuted_shape = at.shape(at.transpose(x, index.order));
  const TensorId rows = at.transpose(at.reshape(at.transpose(x, index.order), index.merged), front);
  const Positions positions = reshape(at, index.rows, {index.rows.count()});
  const TensorId values = at.input("values", type);
  TensorId written = tflite::kNoTensor;
  if (element_count(at.shape(values)) == 1 && !accumulate) {
    written = fill_rows(at, rows, positions, at.reshape(values, {}));
  } else {
    Sizes whole = index.merged;  // what x[indices] has
    const auto place = whole.erase(whole.begin() + index.axis);
    whole.insert(place, index.rows.shape.begin(), index.rows.shape.end());
    Sizes flat = index.merged;
    flat[static_cast<size_t>(index.axis)] = positions.count();
    const TensorId spread = at.reshape(at.broadcast_to(values, whole), flat);
    written = write_rows(at, rows, positions, at.transpose(spread, front), accumulate ? Write::kSum : Write::kReplace);
  }
  const TensorId merged = at.transpose(written, inverse(front));
  at.set_output(at.transpose(at.reshape(merged, permuted_shape), inverse(index.order)));
}

// Whole slices along one dimension, with `act` on the tensor that has it in front.
template <class Act>
void along_dim(Lowering& at, Act act) {
  const TensorId x = at.input("self", writing_type(at));
  const Sizes shape = at.rank(x) == 0 ? Sizes{1} : at.shape(x);
  const int64_t axis = at.axis("dim", static_cast<int64_t>(shape.size()));
  Positions rows = read_positions(at, at.node().arg("index").as_value(), shape[static_cast<size_t>(axis)], false);
  rows = reshape(at, rows, {rows.count()});
  const Sizes front = front_order(axis, shape.size());
  const TensorId result = act(at.transpose(at.reshape(x, shape), front), rows, front);
  at.set_output(at.reshape(at.transpose(result, inverse(front)), at.output_sizes()));
}

void write_slices(Lowering& at, Write write, double factor, bool include_self) {
  along_dim(at, [&](TensorId x, const Positions& rows, const Sizes& front) {
    TensorId source = at.input("source", at.type(x));
    if (at.rank(source) == 0) source = at.reshape(source, {1});
    if (factor != 1) source = at.binary(Op::MUL, source, at.scalar(factor, at.type(x)));
    return write_rows(at, x, rows, at.transpose(source, front), write, include_self);
  });
}

void lower_index_add(Lowering& at) { write_slices(at, Write::kSum, at.number("alpha"), true); }
void lower_index_copy(Lowering& at) { write_slices(at, Write::kReplace, 1, true); }
void lower_index_reduce(Lowering& at) { write_slices(at, parse_reduce(at), 1, at.flag("include_self")); }

void lower_index_fill(Lowering& at) {
  along_dim(at, [&](TensorId x, const Positions& rows, const Sizes&) {
    return fill_rows(at, x, rows, at.input("value", at.type(x)));
  });
}

// The flattened tensor and the flat positions of `index` along `dim`.
template <class Act>
void elementwise_write(Lowering& at, Act act) {
  const TensorId x = at.input("self", writing_type(at));
  const Sizes shape = at.rank(x) == 0 ? Sizes{1} : at.shape(x);
  const int64_t axis = at.axis("dim", static_cast<int64_t>(shape.size()));
  Positions index = read_positions(at, at.node().arg("index").as_value(), shape[static_cast<size_t>(axis)], false);
  const Sizes written = index.shape.empty() ? Sizes{1} : index.shape;
  // Every dimension counts, even where the index has one element and the tensor more.
  Positions flat = along_axis(at, reshape(at, index, written), axis, shape, written);
  flat = reshape(at, flat, {flat.count()});
  at.set_output(at.reshape(act(at.reshape(x, {element_count(shape)}), flat, written), at.output_sizes()));
}

void write_elements(Lowering& at, Write write, bool include_self) {
  elementwise_write(at, [&](TensorId x, const Positions& flat, const Sizes& shape) {
    TensorId source = at.input(at.node().has_arg("src") ? "src" : "value", at.type(x));
    if (at.rank(source) > 0) source = at.slice(source, Sizes(shape.size(), 0), shape);
    source = at.reshape(at.broadcast_to(source, shape), {flat.count()});
    return write_rows(at, x, flat, source, write, include_self);
  });
}

void lower_scatter(Lowering& at) { write_elements(at, Write::kReplace, true); }
void lower_scatter_add(Lowering& at) { write_elements(at, Write::kSum, true); }
void lower_scatter_reduce_mode(Lowering& at) { write_elements(at, parse_reduce(at), true); }
void lower_scatter_reduce(Lowering& at) { write_elements(at, parse_reduce(at), at.flag("include_self")); }

void lower_scatter_value(Lowering& at) {
  elementwise_write(at, [&](TensorId x, const Positions& flat, const Sizes&) {
    return fill_rows(at, x, flat, at.input("value", at.type(x)));
  });
}

void lower_put(Lowering& at) {
  const TensorId x = at.input("self", writing_type(at));
  const int64_t count = element_count(at.shape(x));
  Positions flat = read_positions(at, at.node().arg("index").as_value(), count, true);
  flat = reshape(at, flat, {flat.count()});
  const TensorId source = at.reshape(at.input("source", at.type(x)), {flat.count()});
  const Write write = at.flag("accumulate") ? Write::kSum : Write::kReplace;
  at.set_output(at.reshape(write_rows(at, at.reshape(x, {count}), flat, source, write), at.output_sizes()));
}

// Where the mask holds for the n-th time, the n-th element of the source.
void lower_masked_scatter(Lowering& at) {
  const TensorId x = at.input("self");
  const Sizes shape = at.output_sizes();
  const int64_t count = element_count(shape);
  const TensorId mask = at.reshape(at.broadcast_to(at.input("mask", Type::BOOL), shape), {count});
  const TensorId source = at.input("source", at.type(x));
  const int64_t given = element_count(at.shape(source));
  const TensorId axis = at.constant(std::vector<int32_t>{0}, {});
  const TensorId held =
      at.emit(Op::CUMSUM, {at.cast(mask, Type::INT32), axis}, Type::INT32, {count}, tflite::CumsumOptions{});
  TensorId position = at.binary(Op::SUB, held, at.scalar(1, Type::INT32));
  position = at.binary(Op::MAXIMUM, position, at.scalar(0, Type::INT32));
  position = at.binary(Op::MINIMUM, position, at.scalar(static_cast<double>(given - 1), Type::INT32));
  const TensorId found = at.gather(at.reshape(source, {given}), position, 0);
  at.set_output(at.reshape(at.select(mask, found, at.reshape(at.broadcast_to(x, shape), {count})), shape));
}

}  // namespace

void register_scatter(Registry& registry) {
  constexpr auto kLast = "of several values for one place the last is taken, where PyTorch takes any";
  constexpr auto kReduce = "reduce is sum, prod, mean, amax or amin; the mean is of floats";
  registry.add({"index_put.default", "_unsafe_index_put.default"}, lower_index_put,
               "values for a computed mask must broadcast: one number or one row");
  registry.add({"index_add.default"}, lower_index_add);
  registry.add({"index_copy.default"}, lower_index_copy);
  registry.add({"index_fill.int_Scalar", "index_fill.int_Tensor"}, lower_index_fill);
  registry.add({"index_reduce.default"}, lower_index_reduce, kReduce);
  registry.add({"scatter.src"}, lower_scatter, kLast);
  registry.add({"scatter.value"}, lower_scatter_value);
  registry.add({"scatter_add.default"}, lower_scatter_add);
  registry.add({"scatter.reduce", "scatter.value_reduce"}, lower_scatter_reduce_mode, kReduce);
  registry.add({"scatter_reduce.two"}, lower_scatter_reduce, kReduce);
  registry.add({"put.default"}, lower_put);
  registry.add({"masked_scatter.default"}, lower_masked_scatter);
}

}  // namespace tinyml::lowering
