// bilinear (nn.Bilinear): FULLY_CONNECTED of the first operand with all output's matrices, then a product with the
// second.
#include "lower/math/matmul.h"
#include "lower/nn/weights.h"
#include "lower/registry.h"

namespace tinyml::lowering {
namespace {

// y[o] = sum over i, j of x1[i] W[o, i, j] x2[j] + b[o]
void lower_bilinear(Lowering& at) {
  const Sizes shape = at.sizes("weight");  // [out, in1, in2]
  const Sizes order = {0, 2, 1};
  TensorId weights = at.input("weight", Type::FLOAT32);
  const TensorId changed = change_weights(at, weights, [&](const Tensor& data) { return data.permuted(order); });
  weights = changed == tflite::kNoTensor ? at.transpose(weights, order) : changed;
  weights = reshape_weights(at, weights, {shape[0] * shape[2], shape[1]});
  int64_t rows = 1;
  for (size_t i = 0; i + 1 < at.output_sizes().size(); ++i) rows *= at.output_sizes()[i];
  const TensorId first = at.reshape(at.input("input1", Type::FLOAT32), {rows, shape[1]});
  const TensorId second = at.reshape(at.input("input2", Type::FLOAT32), {rows, shape[2], 1});
  const TensorId matrices =
      at.reshape(fully_connected(at, first, weights, tflite::kNoTensor), {rows, shape[0], shape[2]});
  TensorId y = at.reshape(matmul(at, matrices, second), {rows, shape[0]});
  if (at.has("bias")) y = at.binary(Op::ADD, y, at.input("bias", Type::FLOAT32));
  at.set_output(at.reshape(y, at.output_sizes()));
}

}  // namespace

void register_bilinear(Registry& registry) { registry.add({"bilinear.default"}, lower_bilinear); }

}  // namespace tinyml::lowering
