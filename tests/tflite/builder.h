// Small models in logical form for the tests: one call an operator, shapes worked out, weights random.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "tinyml/tflite.h"

namespace tinyml::tflite::testing {

class Builder {
 public:
  explicit Builder(unsigned seed = 1) : random_(seed) {
    model.subgraphs.emplace_back();
    model.subgraphs[0].name = "main";
  }

  Model model;
  Subgraph& graph() { return model.subgraphs[0]; }
  const Shape& shape(int id) const { return model.subgraphs[0].tensors[static_cast<size_t>(id)].shape; }

  int input(Shape shape);
  int constant(Shape shape, float low = -1, float high = 1);
  int convolution(int x, int channels, int kernel = 3, int stride = 1, int groups = 1);
  int transposed_convolution(int x, int channels, int kernel = 2, int stride = 2);
  int max_pool(int x, int size = 2);
  int average_pool(int x, int size = 2);
  int resize(int x, int factor = 2);
  int unary(Op op, int x);
  int binary(Op op, int a, int b);
  int concatenation(const std::vector<int>& parts, int axis);
  std::vector<int> split(int x, int axis, int parts);
  int pad(int x, const std::vector<int32_t>& paddings);
  int slice(int x, const std::vector<int32_t>& begin, const std::vector<int32_t>& size);
  int mean(int x, const std::vector<int32_t>& axes, bool keep_dims);
  int transpose(int x, const std::vector<int32_t>& permutation);
  int reshape(int x, Shape shape);
  int softmax(int x);
  int linear(int x, int features);
  int batch_matmul(int a, int b, bool adj_y = false);
  /// QUANTIZE to INT8 and DEQUANTIZE.
  int fake_quant(int x, float scale, int zero_point);
  int fake_quant_weights(int x, int dimension);

  /// Makes these the outputs, adds a signature, and returns the model.
  Model finish(const std::vector<int>& outputs);

  std::mt19937& random() { return random_; }

 private:
  int result(Shape shape, Type type = Type::FLOAT32);
  std::vector<float> values(size_t count, float low, float high);

  std::mt19937 random_;
  int next_ = 0;
};

/// Physical form the dull way: each channels-first operator between TRANSPOSEs of its own. Shares no code with the
/// layout.
Model expand_naively(const Model& logical);

/// A random model of about `size` operators.
Model random_model(unsigned seed, int size);

/// A random convolutional model with FakeQuants on activations and weights, of about `size` values.
Model random_quantized_model(unsigned seed, int size);

/// Number of operators of a kind in the main subgraph.
int count(const Model& model, Op op);

}  // namespace tinyml::tflite::testing
