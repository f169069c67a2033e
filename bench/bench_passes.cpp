// Layout, passes and verification of generated graphs of up to 20,000 operators: the time must not grow faster than
// n log n.
#include <benchmark/benchmark.h>

#include "tests/tflite/builder.h"
#include "tinyml/tflite_passes.h"
#include "tinyml/tflite_verify.h"

namespace {

using tinyml::tflite::Model;
using tinyml::tflite::Op;
using tinyml::tflite::testing::Builder;

/// Convolution, activation, convolution, ...
Model chain(int operators) {
  Builder b;
  int x = b.input({1, 8, 6, 6});
  while (static_cast<int>(b.graph().operators.size()) < operators) x = b.unary(Op::RELU, b.convolution(x, 8, 1));
  return b.finish({x});
}

/// Residual units with batch normalisation and padding.
Model residual(int operators) {
  Builder b;
  int x = b.input({1, 8, 6, 6});
  while (static_cast<int>(b.graph().operators.size()) < operators) {
    int y = b.convolution(b.pad(x, {0, 0, 0, 0, 1, 1, 1, 1}), 8);
    y = b.binary(Op::ADD, b.binary(Op::MUL, y, b.constant({8, 1, 1})), b.constant({8, 1, 1}));
    x = b.binary(Op::ADD, b.unary(Op::RELU, y), x);
  }
  return b.finish({x});
}

/// Blocks of 24 layers that each read all layers of their block before.
Model dense(int operators) {
  Builder b;
  int x = b.input({1, 8, 4, 4});
  while (static_cast<int>(b.graph().operators.size()) < operators) {
    std::vector<int> parts = {x};
    for (int layer = 0; layer < 24; ++layer) {
      const int all = parts.size() == 1 ? x : b.concatenation(parts, 1);
      parts.push_back(b.unary(Op::RELU, b.convolution(all, 4, 1)));
    }
    x = b.convolution(b.concatenation(parts, 1), 8, 1);
  }
  return b.finish({x});
}

/// Layers of attention and feed-forward with residual connections on 16 tokens.
Model transformer(int operators) {
  Builder b;
  int x = b.input({1, 16, 16});
  const std::vector<int32_t> heads = {0, 2, 1, 3};
  while (static_cast<int>(b.graph().operators.size()) < operators) {
    const auto split = [&](int y) { return b.transpose(b.reshape(b.linear(y, 16), {1, 16, 4, 4}), heads); };
    const int q = split(x);
    const int k = split(x);
    const int v = split(x);
    const int y = b.batch_matmul(b.softmax(b.batch_matmul(q, k, true)), v);
    x = b.binary(Op::ADD, x, b.linear(b.reshape(b.transpose(y, heads), {1, 16, 16}), 16));
    const int centred = b.binary(Op::SUB, x, b.mean(x, {2}, true));
    x = b.binary(Op::ADD, x, b.linear(b.unary(Op::RELU, b.linear(centred, 32)), 16));
  }
  return b.finish({x});
}

/// Units of ShuffleNet: split, convolution, concatenation, channel shuffle.
Model shuffle(int operators) {
  Builder b;
  int x = b.input({1, 8, 4, 4});
  while (static_cast<int>(b.graph().operators.size()) < operators) {
    const auto parts = b.split(x, 1, 2);
    x = b.concatenation({parts[0], b.unary(Op::RELU, b.convolution(parts[1], 4, 1))}, 1);
    x = b.reshape(b.transpose(b.reshape(x, {1, 2, 4, 4, 4}), {0, 2, 1, 3, 4}), {1, 8, 4, 4});
  }
  return b.finish({x});
}

void optimize_and_verify(benchmark::State& state, Model (*network)(int)) {
  const Model logical = network(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    Model model = logical;
    tinyml::tflite::optimize(model);
    tinyml::tflite::verify(model);
    benchmark::DoNotOptimize(model);
  }
  state.SetComplexityN(state.range(0));
}

#define TINYML_GENERATED(network)                          \
  BENCHMARK_CAPTURE(optimize_and_verify, network, network) \
      ->Arg(1000)                                          \
      ->Arg(2500)                                          \
      ->Arg(5000)                                          \
      ->Arg(10000)                                         \
      ->Arg(20000)                                         \
      ->Unit(benchmark::kMillisecond)                      \
      ->Complexity(benchmark::oNLogN)
TINYML_GENERATED(chain);
TINYML_GENERATED(residual);
TINYML_GENERATED(dense);
TINYML_GENERATED(transformer);
TINYML_GENERATED(shuffle);
#undef TINYML_GENERATED

}  // namespace

BENCHMARK_MAIN();
