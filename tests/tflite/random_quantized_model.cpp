// Random convolutional models with FakeQuants, as quantization-aware training leaves them, in logical form.
#include <algorithm>

#include "tflite/builder.h"

namespace tinyml::tflite::testing {
namespace {

class Generator {
 public:
  Generator(unsigned seed, int size) : builder_(seed), size_(size) {}

  Model run() {
    values_.push_back(quantized(builder_.input({1, 8, 12, 12}), 1.0F));
    while (static_cast<int>(values_.size()) < size_) step();
    const int last = values_.back();
    int y = builder_.mean(last, {2, 3}, number(2) == 0);
    y = quantized(y, 1.0F);
    if (builder_.shape(y).size() == 4) y = builder_.reshape(y, {1, builder_.shape(last)[1]});
    y = quantized(with_quantized_weights(builder_.linear(y, 6), 0), 2.0F);
    return builder_.finish({y});
  }

 private:
  int number(int count) { return std::uniform_int_distribution<int>(0, count - 1)(builder_.random()); }
  int value() { return values_[static_cast<size_t>(std::max(number(size()), number(size())))]; }
  int size() const { return static_cast<int>(values_.size()); }

  int quantized(int x, float bound) { return builder_.fake_quant(x, 2 * bound / 255, number(3) - 1); }
  int quantized_positive(int x, float bound) { return builder_.fake_quant(x, bound / 255, -128); }

  // Puts a FakeQuant between the last operator and its weights.
  int with_quantized_weights(int y, int dimension) {
    Subgraph& g = builder_.graph();
    Operator op = g.operators.back();
    g.operators.pop_back();
    op.inputs[1] = builder_.fake_quant_weights(op.inputs[1], dimension);
    g.operators.push_back(op);
    return y;
  }

  void step() {
    const int x = value();
    const Shape s = builder_.shape(x);
    switch (number(12)) {
      case 0:
      case 1:
      case 2: {
        const int padded = builder_.pad(x, {0, 0, 0, 0, 1, 1, 1, 1});
        const int y = with_quantized_weights(builder_.convolution(padded, 8, 3, s[2] > 6 ? 1 + number(2) : 1), 0);
        if (number(2) == 0)
          return keep(quantized_positive(builder_.unary(number(2) == 0 ? Op::RELU : Op::RELU6, y), 3.0F));
        if (number(2) == 0) return keep(quantized(builder_.unary(Op::HARD_SWISH, quantized(y, 3.0F)), 3.0F));
        return keep(quantized(y, 3.0F));
      }
      case 3: {
        const int y = with_quantized_weights(builder_.convolution(x, s[1], 1, 1, s[1]), 0);
        return keep(quantized(y, 3.0F));
      }
      case 4:
        return s[2] >= 4 && s[3] >= 4 ? keep(builder_.max_pool(x)) : void();
      case 5:
        return s[2] >= 4 && s[3] >= 4 ? keep(quantized(builder_.average_pool(x), 1.0F)) : void();
      case 6:
      case 7:
        for (int other : values_) {
          if (other == x || builder_.shape(other) != s) continue;
          if (number(2) == 0) return keep(quantized(builder_.binary(Op::ADD, x, other), 4.0F));
          return keep(quantized(builder_.concatenation({x, other}, 1), 3.0F));
        }
        return;
      case 8: {
        const int pooled = quantized(builder_.mean(x, {2, 3}, true), 1.0F);
        const int gate = builder_.unary(Op::LOGISTIC, pooled);
        const bool fixed = number(2) == 0;
        const int g = fixed ? builder_.fake_quant(gate, 1.0F / 256, -128) : quantized_positive(gate, 0.9F);
        return keep(quantized(builder_.binary(Op::MUL, x, g), 2.0F));
      }
      case 9:
        return keep(quantized_positive(builder_.unary(Op::RELU, x), 2.0F));
      case 10:
        if (s[1] % 2 == 0 && s[1] > 4) {
          for (int part : builder_.split(x, 1, 2)) keep(part);
        }
        return;
      default:
        return s[2] * s[3] < 40 ? keep(quantized(builder_.resize(x), 2.0F)) : void();
    }
  }

  void keep(int id) { values_.push_back(id); }

  Builder builder_;
  int size_;
  std::vector<int> values_;
};

}  // namespace

Model random_quantized_model(unsigned seed, int size) { return Generator(seed, size).run(); }

}  // namespace tinyml::tflite::testing
