// TRANSPOSEs of few dimensions, for runtimes and delegates that know no others.
#include <algorithm>
#include <numeric>

#include "tflite/constant_values.h"
#include "tflite/layout/order.h"
#include "tflite/made_like.h"
#include "tflite/passes/editor.h"
#include "tflite/passes/passes.h"

namespace tinyml::tflite {
namespace {

// A permutation without axes of size 1, and with axes that stay neighbours as one.
struct Reduced {
  Shape shape;
  Order order;
};

Reduced reduce(const Shape& shape, const Order& order) {
  std::vector<std::vector<int>> runs;  // Of the output, each one axis of the input or neighbours there.
  for (int axis : order) {
    if (shape[static_cast<size_t>(axis)] == 1) continue;
    int before = axis - 1;  // The input axis before this one, but for those of size 1.
    while (before >= 0 && shape[static_cast<size_t>(before)] == 1) --before;
    if (!runs.empty() && before >= 0 && runs.back().back() == before) {
      runs.back().push_back(axis);
    } else {
      runs.push_back({axis});
    }
  }
  std::vector<size_t> sorted(runs.size());
  std::iota(sorted.begin(), sorted.end(), size_t{0});
  std::sort(sorted.begin(), sorted.end(), [&](size_t a, size_t b) { return runs[a][0] < runs[b][0]; });
  Reduced result;
  result.order.resize(runs.size());
  for (size_t i = 0; i < sorted.size(); ++i) {
    int32_t size = 1;
    for (int axis : runs[sorted[i]]) size *= shape[static_cast<size_t>(axis)];
    result.shape.push_back(size);
    result.order[sorted[i]] = static_cast<int>(i);
  }
  return result;
}

class Limiter {
 public:
  Limiter(Subgraph& subgraph, int rank) : editor_(subgraph), rank_(rank) {}

  int run() {
    int changes = 0;
    const int count = editor_.count();
    for (int o = 0; o < count; ++o) {
      const Operator op = editor_.op(o);
      if (op.op != Op::TRANSPOSE || op.inputs.size() != 2) continue;
      const Tensor& x = editor_.tensor(op.inputs[0]);
      const Tensor& out = editor_.tensor(op.outputs[0]);
      const auto permutation = constant_integers(editor_.subgraph(), op, 1);
      const bool dynamic = !x.shape_signature.empty() || !out.shape_signature.empty();
      if (!permutation || x.rank() <= rank_ || dynamic || x.quantization.per_channel()) continue;
      Order order;
      for (int64_t axis : *permutation) order.push_back(normalized_axis(axis, x.rank()));
      replace(o, op, reduce(x.shape, order));
      ++changes;
    }
    editor_.finish();
    return changes;
  }

 private:
  void replace(int o, const Operator& op, const Reduced& wanted) {
    int at = op.inputs[0];
    if (static_cast<int>(wanted.order.size()) <= rank_) {
      at = transpose(at, wanted.shape, wanted.order);
    } else {
      at = by_swaps(at, wanted);
    }
    editor_.set_inputs(o, {at});
    editor_.become(o, Op::RESHAPE, ReshapeOptions{});
  }

  // One neighbour after the other comes to its place: [outer, x, y, inner] becomes [outer, y, x, inner].
  int by_swaps(int at, const Reduced& wanted) {
    std::vector<int> now(wanted.order.size());
    std::iota(now.begin(), now.end(), 0);
    for (size_t place = 0; place < now.size(); ++place) {
      const auto from = static_cast<size_t>(std::find(now.begin(), now.end(), wanted.order[place]) - now.begin());
      if (from == place) continue;
      size_t end = from + 1;  // Those that follow here and there come along.
      while (end < now.size() && place + end - from < now.size() && now[end] == wanted.order[place + end - from]) ++end;
      const auto size = [&](size_t first, size_t last) {
        int32_t product = 1;
        for (size_t i = first; i < last; ++i) product *= wanted.shape[static_cast<size_t>(now[i])];
        return product;
      };
      at = swap(at, size(0, place), size(place, from), size(from, end), size(end, now.size()));
      std::rotate(now.begin() + static_cast<std::ptrdiff_t>(place), now.begin() + static_cast<std::ptrdiff_t>(from),
                  now.begin() + static_cast<std::ptrdiff_t>(end));
    }
    return at;
  }

  int swap(int at, int32_t outer, int32_t x, int32_t y, int32_t inner) {
    if (outer == 1) return transpose(at, {x, y, inner}, {1, 0, 2});
    if (inner == 1) return transpose(at, {outer, x, y}, {0, 2, 1});
    if (rank_ >= 4) return transpose(at, {outer, x, y, inner}, {0, 2, 1, 3});
    at = transpose(at, {outer * x, y, inner}, {1, 0, 2});
    return transpose(at, {y, outer, x * inner}, {1, 0, 2});
  }

  int transpose(int at, const Shape& shape, const Order& order) {
    const Tensor source = editor_.tensor(at);
    const auto add = [&](const char* suffix, const Shape& sizes) {
      Tensor made = made_like(source);
      made.name += suffix;
      made.shape = sizes;
      return editor_.add_tensor(std::move(made));
    };
    Operator reshape;
    reshape.op = Op::RESHAPE;
    reshape.options = ReshapeOptions{};
    reshape.inputs = {at};
    const int folded = add("_folded", shape);
    reshape.outputs = {folded};
    editor_.add_operator(std::move(reshape));
    Tensor permutation;
    permutation.name = "permutation";
    permutation.type = Type::INT32;
    permutation.shape = {static_cast<int32_t>(order.size())};
    permutation.buffer = Buffer::of(std::vector<int32_t>(order.begin(), order.end()));
    Operator moved;
    moved.op = Op::TRANSPOSE;
    moved.inputs = {folded, editor_.add_tensor(std::move(permutation))};
    const int result = add("_transposed", permuted(shape, order));
    moved.outputs = {result};
    editor_.add_operator(std::move(moved));
    return result;
  }

  Editor editor_;
  int rank_;
};

}  // namespace

int limit_transpose_rank(Subgraph& subgraph, int rank) { return Limiter(subgraph, rank).run(); }

}  // namespace tinyml::tflite
