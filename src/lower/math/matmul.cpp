// matmul, mm, bmm, mv: FULLY_CONNECTED for constant matrices, else BATCH_MATMUL.
#include "lower/math/matmul.h"

#include <numeric>
#include <utility>

#include "lower/nn/weights.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// What the kernels of BATCH_MATMUL take besides the two of the matrices.
constexpr size_t kMostBatchDimensions = 3;

// All batch dimensions as one.
TensorId multiply_merged(Lowering& at, TensorId a, TensorId b, const Sizes& batch) {
  int64_t count = 1;
  for (const int64_t size : batch) count *= size;
  const auto merge = [&](TensorId x) {
    const int64_t rows = at.shape(x)[at.shape(x).size() - 2];
    const int64_t columns = at.shape(x).back();
    Sizes whole = batch;
    whole.insert(whole.end(), {rows, columns});
    return at.reshape(at.broadcast_to(x, whole), {count, rows, columns});
  };
  Sizes out = batch;
  out.insert(out.end(), {at.shape(a)[at.shape(a).size() - 2], at.shape(b).back()});
  const TensorId left = merge(a), right = merge(b);
  const TensorId product = at.emit(Op::BATCH_MATMUL, {left, right}, Type::FLOAT32,
                                   {count, out[out.size() - 2], out.back()}, tflite::BatchMatMulOptions{});
  return at.reshape(product, out);
}

TensorId multiply(Lowering& at, TensorId a, TensorId b) {  // ranks of at least 2
  if (at.rank(b) == 2) {
    const Sizes order = {1, 0};
    const TensorId weights =
        at.tensor(b).is_constant()
            ? change_weights(at, b, [&](const Tensor& data) { return data.permuted(order).contiguous(); })
            : tflite::kNoTensor;
    if (weights != tflite::kNoTensor) return fully_connected(at, a, weights, tflite::kNoTensor);
    Sizes out = at.shape(a);
    out.back() = at.shape(b)[1];
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < out.size(); ++i) rows *= out[i];
    a = at.reshape(a, {rows, at.shape(a).back()});
    const TensorId y =
        at.emit(Op::BATCH_MATMUL, {a, b}, Type::FLOAT32, {rows, out.back()}, tflite::BatchMatMulOptions{});
    return at.reshape(y, out);
  }
  const Sizes x = at.shape(a);
  const Sizes y = at.shape(b);
  Sizes out = broadcast({x.begin(), x.end() - 2}, {y.begin(), y.end() - 2});
  if (out.size() > kMostBatchDimensions) return multiply_merged(at, a, b, out);
  return multiply_matrices(at, a, b, false);
}

void lower_matmul(Lowering& at) {
  const char* second = at.node().has_arg("mat2") ? "mat2" : at.node().has_arg("vec") ? "vec" : "other";
  at.set_output(matmul(at, at.input("self", Type::FLOAT32), at.input(second, Type::FLOAT32)));
}

}  // namespace

TensorId multiply_matrices(Lowering& at, TensorId a, TensorId b, bool adj_y) {
  const Sizes x = at.shape(a);
  const Sizes y = at.shape(b);
  const size_t rank = x.size();
  const bool shares = rank > 2 && rank == y.size() && x[rank - 3] > 1 && y[rank - 3] == 1;
  Sizes order(rank);
  std::iota(order.begin(), order.end(), 0);
  if (shares) {
    std::swap(order[rank - 3], order[rank - 2]);
    Sizes rows = x;
    rows[rank - 3] = 1;
    rows[rank - 2] = x[rank - 3] * x[rank - 2];
    a = at.reshape(at.transpose(a, order), rows);
  }
  Sizes out = at.shape(a);
  out.resize(rank - 2);
  out = broadcast(out, {y.begin(), y.end() - 2});
  out.push_back(at.shape(a)[rank - 2]);
  out.push_back(adj_y ? y[y.size() - 2] : y.back());
  tflite::BatchMatMulOptions options;
  options.adj_y = adj_y;
  const TensorId product = at.emit(Op::BATCH_MATMUL, {a, b}, Type::FLOAT32, out, options);
  if (!shares) return product;
  out[rank - 3] = x[rank - 2];
  out[rank - 2] = x[rank - 3];
  return at.transpose(at.reshape(product, out), order);
}

TensorId matmul(Lowering& at, TensorId a, TensorId b) {
  const Sizes x = at.shape(a);
  const Sizes y = at.shape(b);
  if (x.size() == 1) a = at.reshape(a, {1, x[0]});
  if (y.size() == 1) b = at.reshape(b, {y[0], 1});
  const TensorId product = multiply(at, a, b);
  Sizes out = at.shape(product);
  if (y.size() == 1) out.pop_back();
  if (x.size() == 1) out.erase(out.end() - (y.size() == 1 ? 1 : 2));
  return at.reshape(product, out);
}

void register_matmul(Registry& registry) {
  registry.add({"matmul.default", "mm.default", "bmm.default", "mv.default"}, lower_matmul);
}

}  // namespace tinyml::lowering
