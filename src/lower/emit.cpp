// Emitting operators of the TFLite level.
#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "lower/dimension_limits.h"
#include "lower/lowering.h"

namespace tinyml::lowering {

void Lowering::add_operator(Op op, std::vector<TensorId> inputs, const std::vector<TensorId>& outputs,
                            tflite::Options options, bool channels_first) {
  const int64_t most = most_dimensions(op);
  const auto check = [&](TensorId id) {
    if (id == tflite::kNoTensor || rank(id) <= most || op == Op::RESHAPE) return;
    refuse(
        fmt::format("a tensor of {} dimensions in {}, of which LiteRT runs {} at most", rank(id), to_string(op), most),
        "merge dimensions with reshape or flatten before this operator");
  };
  for (const TensorId id : inputs) check(id);
  for (const TensorId id : outputs) check(id);
  const int index = subgraph().add_operator(op, std::move(inputs), outputs, std::move(options), channels_first);
  origins[{scopes_.back().subgraph, static_cast<size_t>(index)}] = node_id_;
  for (const TensorId output : outputs) scopes_.back().producers.emplace(output, static_cast<size_t>(index));
}

const tflite::Operator* Lowering::producer_of(TensorId id) const {
  const auto& producers = scopes_.back().producers;
  const auto found = producers.find(id);
  return found == producers.end() ? nullptr : &subgraph().operators[found->second];
}

TensorId Lowering::emit(Op op, std::vector<TensorId> inputs, Type type, const Sizes& shape, tflite::Options options,
                        bool channels_first) {
  const TensorId output = add_tensor(type, shape);
  add_operator(op, std::move(inputs), {output}, std::move(options), channels_first);
  return output;
}

std::vector<TensorId> Lowering::emit_many(Op op, std::vector<TensorId> inputs, Type type,
                                          const std::vector<Sizes>& shapes, tflite::Options options) {
  std::vector<TensorId> outputs;
  for (const Sizes& shape : shapes) outputs.push_back(add_tensor(type, shape));
  add_operator(op, std::move(inputs), outputs, std::move(options), false);
  return outputs;
}

TensorId Lowering::unary(Op op, TensorId x, tflite::Options options) {
  return emit(op, {x}, type(x), shape(x), std::move(options));
}

TensorId Lowering::binary(Op op, TensorId a, TensorId b) {
  TINYML_CHECK(type(a) == type(b));
  tflite::Options options;
  if (op == Op::ADD || op == Op::SUB || op == Op::MUL || op == Op::DIV) options = tflite::ArithmeticOptions{};
  return emit(op, {a, b}, type(a), broadcast(shape(a), shape(b)), options);
}

TensorId Lowering::compare(Op op, TensorId a, TensorId b) {
  TINYML_CHECK(type(a) == type(b));
  return emit(op, {a, b}, Type::BOOL, broadcast(shape(a), shape(b)));
}

TensorId Lowering::select(TensorId condition, TensorId a, TensorId b) {
  TINYML_CHECK(type(a) == type(b) && type(condition) == Type::BOOL);
  return emit(Op::SELECT_V2, {condition, a, b}, type(a), broadcast(shape(condition), broadcast(shape(a), shape(b))));
}

TensorId Lowering::cast(TensorId x, Type to) {
  if (type(x) == to) return x;
  return emit(Op::CAST, {x}, to, shape(x), tflite::CastOptions{type(x), to});
}

TensorId Lowering::reshape(TensorId x, const Sizes& shape) {
  if (this->shape(x) == shape) return x;
  return emit(Op::RESHAPE, {x, indices(shape)}, type(x), shape, tflite::ReshapeOptions{tflite_shape(shape)});
}

TensorId Lowering::transpose(TensorId x, const Sizes& order) {
  if (std::is_sorted(order.begin(), order.end())) return x;
  const Sizes from = shape(x);
  Sizes to;
  for (const int64_t axis : order) to.push_back(from[static_cast<size_t>(axis)]);
  return emit(Op::TRANSPOSE, {x, indices(order)}, type(x), to);
}

TensorId Lowering::slice(TensorId x, const Sizes& begin, const Sizes& size) {
  if (shape(x) == size) return x;
  return emit(Op::SLICE, {x, indices(begin), indices(size)}, type(x), size);
}

TensorId Lowering::strided_slice(TensorId x, const Sizes& begin, const Sizes& end, const Sizes& strides) {
  Sizes size;
  for (size_t i = 0; i < begin.size(); ++i) size.push_back((end[i] - begin[i] + strides[i] - 1) / strides[i]);
  if (std::all_of(strides.begin(), strides.end(), [](int64_t stride) { return stride == 1; })) {
    return slice(x, begin, size);
  }
  return emit(Op::STRIDED_SLICE, {x, indices(begin), indices(end), indices(strides)}, type(x), size,
              tflite::StridedSliceOptions{});
}

TensorId Lowering::concatenate(const std::vector<TensorId>& parts, int64_t axis) {
  if (parts.size() == 1) return parts[0];
  Sizes result = shape(parts[0]);
  const auto dim = static_cast<size_t>(axis);
  result[dim] = 0;
  for (const TensorId part : parts) result[dim] += shape(part)[dim];
  return emit(Op::CONCATENATION, parts, type(parts[0]), result,
              tflite::ConcatenationOptions{static_cast<int32_t>(axis), tflite::Activation::NONE});
}

TensorId Lowering::reduce(Op op, TensorId x, const Sizes& axes, bool keep_dims) {
  const Sizes from = shape(x);
  Sizes to;
  for (size_t i = 0; i < from.size(); ++i) {
    const bool reduced = std::find(axes.begin(), axes.end(), static_cast<int64_t>(i)) != axes.end();
    if (!reduced) to.push_back(from[i]);
    if (reduced && keep_dims) to.push_back(1);
  }
  if (axes.empty()) return x;
  return emit(op, {x, indices(axes)}, type(x), to, tflite::ReducerOptions{keep_dims});
}

TensorId Lowering::gather(TensorId x, const Sizes& rows, int64_t axis) {
  Sizes to = shape(x);
  to[static_cast<size_t>(axis)] = static_cast<int64_t>(rows.size());
  return emit(Op::GATHER, {x, indices(rows)}, type(x), to, tflite::GatherOptions{static_cast<int32_t>(axis), 0});
}

TensorId Lowering::gather(TensorId x, TensorId rows, int64_t axis) {
  Sizes to = shape(x);
  const Sizes inserted = shape(rows);
  to.erase(to.begin() + axis);
  to.insert(to.begin() + axis, inserted.begin(), inserted.end());
  return emit(Op::GATHER, {x, rows}, type(x), to, tflite::GatherOptions{static_cast<int32_t>(axis), 0});
}

std::vector<TensorId> Lowering::topk(TensorId x, TensorId count, const Sizes& shape) {
  const std::vector<TensorId> outputs = {add_tensor(type(x), shape), add_tensor(Type::INT32, shape)};
  add_operator(Op::TOPK_V2, {x, count}, outputs, {}, false);
  return outputs;
}

TensorId Lowering::broadcast_to(TensorId x, const Sizes& shape) {
  if (this->shape(x) == shape) return x;
  Sizes from = this->shape(x);
  from.insert(from.begin(), shape.size() - from.size(), 1);
  x = reshape(x, from);
  return emit(Op::BROADCAST_TO, {x, indices(shape)}, type(x), shape);
}

namespace {

std::vector<int32_t> paddings_of(const Sizes& before, const Sizes& after) {
  std::vector<int32_t> paddings;
  for (size_t i = 0; i < before.size(); ++i) {
    TINYML_CHECK(before[i] >= 0 && after[i] >= 0);
    paddings.push_back(static_cast<int32_t>(before[i]));
    paddings.push_back(static_cast<int32_t>(after[i]));
  }
  return paddings;
}

bool all_zero(const Sizes& sizes) {
  return std::all_of(sizes.begin(), sizes.end(), [](int64_t size) { return size == 0; });
}

constexpr size_t kPadRank = 5;  // of the kernels of PAD

struct Merged {
  Sizes shape, before, after;
};

// Neighbouring dimensions without padding become one.
Merged merge_unpadded(const Sizes& shape, const Sizes& before, const Sizes& after) {
  Merged result;
  bool mergeable = false;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool plain = before[i] == 0 && after[i] == 0;
    if (plain && mergeable) {
      result.shape.back() *= shape[i];
    } else {
      result.shape.push_back(shape[i]);
      result.before.push_back(before[i]);
      result.after.push_back(after[i]);
    }
    mergeable = plain;
  }
  return result;
}

Sizes padded(Sizes shape, const Sizes& before, const Sizes& after) {
  for (size_t i = 0; i < shape.size(); ++i) shape[i] += before[i] + after[i];
  return shape;
}

}  // namespace

TensorId Lowering::pad(TensorId x, const Sizes& before, const Sizes& after) { return pad(x, before, after, 0); }

TensorId Lowering::pad(TensorId x, const Sizes& before, const Sizes& after, double value) {
  if (all_zero(before) && all_zero(after)) return x;
  const Sizes result = padded(shape(x), before, after);
  if (shape(x).size() > kPadRank) {
    const Merged merged = merge_unpadded(shape(x), before, after);
    if (merged.shape.size() > kPadRank) refuse("padding of more than five dimensions");
    return reshape(pad(reshape(x, merged.shape), merged.before, merged.after, value), result);
  }
  const TensorId paddings = constant(paddings_of(before, after), {rank(x), 2});
  if (value == 0) return emit(Op::PAD, {x, paddings}, type(x), result);
  return emit(Op::PADV2, {x, paddings, scalar(value, type(x))}, type(x), result);
}

}  // namespace tinyml::lowering
