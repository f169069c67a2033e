#include <gtest/gtest.h>

#include <functional>

#include "tinyml/tflite_verify.h"

namespace tinyml::tflite {
namespace {

constexpr int kX = 0, kW = 1, kB = 2, kY = 3, kS = 4;

/// x int8 -> CONV_2D 3x3 SAME stride 2 -> LOGISTIC; sound.
Model sound_model() {
  Model model;
  Subgraph& g = model.subgraphs.emplace_back();
  g.add_tensor("x", Type::INT8, {1, 8, 8, 2}, {{0.5F}, {3}, 0});
  g.add_constant("w", Type::INT8, {3, 3, 3, 2}, Buffer::of(std::vector<int8_t>(54, 1)),
                 {{1.0F, 2.0F, 3.0F}, {0, 0, 0}, 0});
  g.add_constant("b", Type::INT32, {3}, Buffer::of(std::vector<int32_t>(3)), {{0.5F, 1.0F, 1.5F}, {0, 0, 0}, 0});
  g.add_tensor("y", Type::INT8, {1, 4, 4, 3}, {{2.0F}, {-5}, 0});
  g.add_tensor("s", Type::INT8, {1, 4, 4, 3}, {{1.0F / 256}, {-128}, 0});
  g.add_operator(Op::CONV_2D, {kX, kW, kB}, {kY},
                 Conv2DOptions{.padding = Padding::SAME, .stride_w = 2, .stride_h = 2});
  g.add_operator(Op::LOGISTIC, {kY}, {kS});
  g.inputs = {kX};
  g.outputs = {kS};
  return model;
}

struct Damage {
  const char* name;
  std::function<void(Subgraph&)> apply;
  const char* expected;  ///< A part of the message.
};

class Violations : public ::testing::TestWithParam<Damage> {};

TEST(Verify, SoundModelPasses) {
  EXPECT_TRUE(find_violations(sound_model()).empty());
  const Model model = sound_model();
  EXPECT_NO_THROW(verify_file(serialize_tflite(model)));
}

TEST_P(Violations, AreNamed) {
  Model model = sound_model();
  GetParam().apply(model.subgraphs[0]);
  std::string all;
  for (const Diagnostic& violation : find_violations(model)) all += violation.what + "\n";
  EXPECT_NE(all.find(GetParam().expected), std::string::npos) << all;
}

Tensor& tensor(Subgraph& g, int id) { return g.tensors[static_cast<size_t>(id)]; }

INSTANTIATE_TEST_SUITE_P(
    Verify, Violations,
    ::testing::Values(
        Damage{"shape",
               [](Subgraph& g) {
                 tensor(g, kY).shape = {1, 3, 3, 3};
               },
               "its inputs make it"},
        Damage{"unary_shape",
               [](Subgraph& g) {
                 tensor(g, kS).shape = {1, 4, 3, 4};
               },
               "its inputs make it"},
        Damage{"channels",
               [](Subgraph& g) {
                 tensor(g, kX).shape = {1, 8, 8, 3};
               },
               "do not fit weights"},
        Damage{"order", [](Subgraph& g) { std::swap(g.operators[0], g.operators[1]); }, "used before it is computed"},
        Damage{"id", [](Subgraph& g) { g.operators[1].inputs = {77}; }, "does not exist"},
        Damage{"count",
               [](Subgraph& g) {
                 g.operators[1].inputs = {kY, kY};
               },
               "2 inputs"},
        Damage{"producer", [](Subgraph& g) { g.operators[1].outputs = {kY}; }, "another producer"},
        Damage{"options", [](Subgraph& g) { g.operators[0].options = Pool2DOptions{}; }, "another operator"},
        Damage{"logical", [](Subgraph& g) { g.operators[0].channels_first = true; }, "logical"},
        Damage{"stride", [](Subgraph& g) { std::get<Conv2DOptions>(g.operators[0].options).stride_h = 0; }, "stride"},
        Damage{"type", [](Subgraph& g) { tensor(g, kS).type = Type::UINT8; }, "is needed"},
        Damage{"no_scale", [](Subgraph& g) { tensor(g, kY).quantization = {}; }, "without a scale"},
        Damage{"zero_scale", [](Subgraph& g) { tensor(g, kY).quantization.scale = {0.0F}; }, "illegal"},
        Damage{"zero_point", [](Subgraph& g) { tensor(g, kY).quantization.zero_point = {200}; }, "outside INT8"},
        Damage{"fixed", [](Subgraph& g) { tensor(g, kS).quantization.scale = {0.1F}; }, "must have scale"},
        Damage{"channel_dim", [](Subgraph& g) { tensor(g, kW).quantization.quantized_dimension = 1; }, "dimension 1"},
        Damage{"weight_zero",
               [](Subgraph& g) {
                 tensor(g, kW).quantization.zero_point = {0, 1, 0};
               },
               "not 0"},
        Damage{"weight_range", [](Subgraph& g) { tensor(g, kW).buffer = Buffer::of(std::vector<int8_t>(54, -128)); },
               "-128"},
        Damage{"bias_scale",
               [](Subgraph& g) {
                 tensor(g, kB).quantization.scale = {0.5F, 1.0F, 1.0F};
               },
               "bias scale"},
        Damage{"bias_size", [](Subgraph& g) { tensor(g, kB).buffer = Buffer::of(std::vector<int32_t>(2)); }, "bytes"},
        Damage{"tie",
               [](Subgraph& g) {
                 const int p = g.add_tensor("p", Type::INT8, {1, 4, 4, 3}, {{1.0F}, {-5}, 0});
                 g.add_operator(Op::MAX_POOL_2D, {kY}, {p}, Pool2DOptions{});
                 g.outputs.push_back(p);
               },
               "same scale and zero point"},
        Damage{"output", [](Subgraph& g) { g.operators.pop_back(); }, "never computed"}),
    [](const auto& test) { return test.param.name; });

TEST(Verify, EveryViolationIsListedAtOnce) {
  Model model = sound_model();
  tensor(model.subgraphs[0], kS).quantization.scale = {0.1F};
  tensor(model.subgraphs[0], kB).quantization.scale = {0.5F, 1.0F, 1.0F};
  try {
    verify(model);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.diagnostics().size(), 2U);
  }
}

}  // namespace
}  // namespace tinyml::tflite
