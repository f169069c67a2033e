// linear and addmm: FULLY_CONNECTED.
#include "lower/dimension_limits.h"
#include "lower/math/matmul.h"
#include "lower/registry.h"

namespace tinyml::lowering {

TensorId fully_connected(Lowering& at, TensorId x, TensorId weights, TensorId bias) {
  Sizes shape = at.shape(x);
  const bool vector = shape.size() == 1;
  if (vector) x = at.reshape(x, {1, shape[0]});
  if (at.rank(x) > most_dimensions(Op::FULLY_CONNECTED)) {
    Sizes wide = shape;
    wide.back() = at.shape(weights)[0];
    int64_t rows = 1;
    for (size_t i = 0; i + 1 < shape.size(); ++i) rows *= shape[i];
    return at.reshape(fully_connected(at, at.reshape(x, {rows, shape.back()}), weights, bias), wide);
  }
  Sizes out = at.shape(x);
  out.back() = at.shape(weights)[0];
  std::vector<TensorId> inputs = {x, weights};
  if (bias != tflite::kNoTensor) inputs.push_back(bias);
  tflite::FullyConnectedOptions options;
  options.keep_num_dims = out.size() > 2;
  const TensorId y = at.emit(Op::FULLY_CONNECTED, std::move(inputs), Type::FLOAT32, out, options);
  return vector ? at.reshape(y, {out.back()}) : y;
}

namespace {

void lower_linear(Lowering& at) {
  const TensorId x = at.input("input", Type::FLOAT32);
  TensorId weights = at.input("weight", Type::FLOAT32);
  const bool vector = at.rank(weights) == 1;  // F.linear allows weights [in], which drop the last dimension
  if (vector) weights = at.reshape(weights, {1, at.shape(weights)[0]});
  TensorId bias = at.has("bias") ? at.input("bias", Type::FLOAT32) : tflite::kNoTensor;
  if (bias != tflite::kNoTensor && at.rank(bias) == 0) bias = at.reshape(bias, {1});
  const TensorId y = fully_connected(at, x, weights, bias);
  at.set_output(at.reshape(y, at.output_sizes()));
}

// beta * input + alpha * (mat1 @ mat2)
void lower_addmm(Lowering& at) {
  const double beta = at.number("beta");
  const double alpha = at.number("alpha");
  const Tensor* weights = at.constant_data("mat2");
  const Tensor* bias = at.constant_data("self");
  const TensorId mat1 = at.input("mat1", Type::FLOAT32);
  if (weights != nullptr && bias != nullptr && bias->rank() == 1 && bias->size(0) == weights->size(1) && alpha == 1 &&
      beta == 1) {
    const Sizes order = {1, 0};
    const TensorId transposed = at.constant(weights->permuted(order));
    return at.set_output(fully_connected(at, mat1, transposed, at.input("self", Type::FLOAT32)));
  }
  TensorId product = matmul(at, mat1, at.input("mat2", Type::FLOAT32));
  if (alpha != 1) product = at.binary(Op::MUL, product, at.scalar(alpha, Type::FLOAT32));
  TensorId added = at.input("self", Type::FLOAT32);
  if (beta != 1) added = at.binary(Op::MUL, added, at.scalar(beta, Type::FLOAT32));
  at.set_output(at.binary(Op::ADD, product, added));
}

}  // namespace

void register_linear(Registry& registry) {
  registry.add({"linear.default"}, lower_linear);
  registry.add({"addmm.default"}, lower_addmm);
}

}  // namespace tinyml::lowering
