#include "lower/shape/write_rows.h"

namespace tinyml::lowering {
namespace {

TensorId segment(Lowering& at, Op op, TensorId rows, const Positions& positions, int64_t count) {
  Sizes shape = at.shape(rows);
  shape[0] = count;
  const TensorId segments = at.constant(std::vector<int32_t>{static_cast<int32_t>(count)}, {});
  return at.emit(op, {rows, to_tensor(at, positions), segments}, at.type(rows), shape);
}

// A tensor of as many rows, of one number each, that broadcasts over the others.
TensorId as_column(Lowering& at, TensorId numbers, int64_t rank) {
  Sizes shape(static_cast<size_t>(rank), 1);
  shape[0] = at.shape(numbers)[0];
  return at.reshape(numbers, shape);
}

Positions counted(int64_t count) {
  Sizes values;
  for (int64_t i = 0; i < count; ++i) values.push_back(i);
  return known_positions(std::move(values), {count});
}

// For each place the last row that is written there, negative where none is.
TensorId last_row(Lowering& at, const Positions& positions, int64_t count) {
  return segment(at, Op::UNSORTED_SEGMENT_MAX, to_tensor(at, counted(positions.count())), positions, count);
}

TensorId is_written(Lowering& at, TensorId last) {
  return at.compare(Op::GREATER_EQUAL, last, at.scalar(0, Type::INT32));
}

TensorId replace(Lowering& at, TensorId x, const Positions& positions, TensorId rows) {
  const int64_t count = at.shape(x)[0];
  if (positions.is_known) {
    Sizes source = counted(count).values;
    for (size_t i = 0; i < positions.values.size(); ++i) {
      source[static_cast<size_t>(positions.values[i])] = count + static_cast<int64_t>(i);
    }
    return at.gather(at.concatenate({x, rows}, 0), source, 0);
  }
  const TensorId last = last_row(at, positions, count);
  const TensorId found = at.gather(rows, at.binary(Op::MAXIMUM, last, at.scalar(0, Type::INT32)), 0);
  return at.select(as_column(at, is_written(at, last), at.rank(x)), found, x);
}

TensorId mean(Lowering& at, TensorId x, const Positions& positions, TensorId rows, bool include_self) {
  const int64_t count = at.shape(x)[0];
  const TensorId ones = at.broadcast_to(at.scalar(1, Type::FLOAT32), {positions.count()});
  TensorId number = segment(at, Op::UNSORTED_SEGMENT_SUM, ones, positions, count);
  TensorId sum = segment(at, Op::UNSORTED_SEGMENT_SUM, rows, positions, count);
  if (include_self) {
    sum = at.binary(Op::ADD, sum, x);
    number = at.binary(Op::ADD, number, at.scalar(1, Type::FLOAT32));
    return at.binary(Op::DIV, sum, as_column(at, number, at.rank(x)));
  }
  const TensorId divisor = at.binary(Op::MAXIMUM, number, at.scalar(1, Type::FLOAT32));
  const TensorId written = at.compare(Op::GREATER, number, at.scalar(0, Type::FLOAT32));
  const TensorId average = at.binary(Op::DIV, sum, as_column(at, divisor, at.rank(x)));
  return at.select(as_column(at, written, at.rank(x)), average, x);
}

struct Reduction {
  Op segments, both;
};

Reduction reduction_of(Write write) {
  switch (write) {
    case Write::kProduct:
      return {Op::UNSORTED_SEGMENT_PROD, Op::MUL};
    case Write::kMaximum:
      return {Op::UNSORTED_SEGMENT_MAX, Op::MAXIMUM};
    case Write::kMinimum:
      return {Op::UNSORTED_SEGMENT_MIN, Op::MINIMUM};
    default:
      return {Op::UNSORTED_SEGMENT_SUM, Op::ADD};
  }
}

}  // namespace

TensorId write_rows(Lowering& at, TensorId x, const Positions& positions, TensorId rows, Write write,
                    bool include_self) {
  TINYML_CHECK(at.type(x) == at.type(rows));
  if (write == Write::kReplace) return replace(at, x, positions, rows);
  if (write == Write::kMean) {
    if (at.type(x) != Type::FLOAT32) at.refuse("the mean of integers", "convert them to floats first");
    return mean(at, x, positions, rows, include_self);
  }
  const Reduction reduction = reduction_of(write);
  const int64_t count = at.shape(x)[0];
  const TensorId reduced = segment(at, reduction.segments, rows, positions, count);
  if (include_self) return at.binary(reduction.both, x, reduced);
  const TensorId written = is_written(at, last_row(at, positions, count));
  return at.select(as_column(at, written, at.rank(x)), reduced, x);
}

TensorId fill_rows(Lowering& at, TensorId x, const Positions& positions, TensorId value) {
  const int64_t count = at.shape(x)[0];
  if (!positions.is_known) {
    const TensorId written = is_written(at, last_row(at, positions, count));
    return at.select(as_column(at, written, at.rank(x)), value, x);
  }
  Tensor mask(ScalarType::kBool, {count});
  bool* holds = mask.mutable_data<bool>();
  for (const int64_t position : positions.values) holds[position] = true;
  return at.select(as_column(at, at.constant(mask), at.rank(x)), value, x);
}

Write parse_reduce(const Lowering& at) {
  const std::string& name = at.node().arg("reduce").as_string();
  if (name == "sum" || name == "add") return Write::kSum;
  if (name == "prod" || name == "multiply") return Write::kProduct;
  if (name == "mean") return Write::kMean;
  if (name == "amax") return Write::kMaximum;
  if (name == "amin") return Write::kMinimum;
  at.refuse("the reduction '" + name + "'", "use sum, prod, mean, amax or amin");
}

}  // namespace tinyml::lowering
