#include <gtest/gtest.h>

#include "tinyml/quantize.h"

namespace tinyml {
namespace {

std::string message_of(const std::string& text) {
  try {
    parse_scheme(text);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(ParseScheme, DefaultsForNothing) {
  const QuantizationScheme scheme = parse_scheme("");
  EXPECT_EQ(scheme.activation, TensorScheme{});
  EXPECT_EQ(scheme.weight.quant_min, -127);
  EXPECT_TRUE(scheme.weight.per_channel);
  EXPECT_TRUE(scheme.float_residual);
}

TEST(ParseScheme, ReadsEveryKey) {
  const QuantizationScheme scheme = parse_scheme(R"(
backend: tflite
asymmetric: false
per_tensor: true
bits: {activation: 16, weight: 4}
observer: histogram
momentum: 0.1
residual: int8
ignore: [head.*]
layers:
  sigmoid: {bits: {activation: 7}, asymmetric: true}
)");
  EXPECT_EQ(scheme.activation.quant_min, -32768);
  EXPECT_TRUE(scheme.activation.symmetric);
  EXPECT_EQ(scheme.activation.observer, Observer::kMse);
  EXPECT_EQ(scheme.weight.quant_max, 7);
  EXPECT_EQ(scheme.weight.quant_min, -7);
  EXPECT_FALSE(scheme.weight.per_channel);
  EXPECT_FALSE(scheme.float_residual);
  ASSERT_EQ(scheme.layers.size(), 2u);
  EXPECT_TRUE(scheme.layers[0].ignore);
  EXPECT_EQ(scheme.layers[1].activation->quant_max, 63);
  EXPECT_FALSE(scheme.layers[1].activation->symmetric);
  EXPECT_FALSE(scheme.layers[1].weight.has_value());
}

TEST(ParseScheme, JsonIsYaml) {
  EXPECT_FALSE(parse_scheme(R"({"per_tensor": true, "ignore": ["fc"]})").weight.per_channel);
}

TEST(ParseScheme, ListsEveryProblemWithTheNearestKey) {
  const std::string message = message_of("{per_tenser: true, observer: median, layers: {conv: {bit: 4}}, bits: 32}");
  EXPECT_NE(message.find("is 'per_tensor' meant?"), std::string::npos) << message;
  EXPECT_NE(message.find("unknown observer 'median'"), std::string::npos) << message;
  EXPECT_NE(message.find("is 'bits' meant?"), std::string::npos) << message;
  EXPECT_NE(message.find("16, weight: 8"), std::string::npos) << message;
  EXPECT_NE(message_of("residual: int4").find("float or int8"), std::string::npos);
  EXPECT_NE(message_of("[1").find("not valid YAML"), std::string::npos);
  EXPECT_NE(message_of("just text").find("not a mapping"), std::string::npos);
}

TEST(ParseScheme, ReadsInputStatisticsAndActions) {
  const QuantizationScheme scheme = parse_scheme(
      "{quantized_input_stats: [[127.5, 2], null], quantize_op_action: {sigmoid: float, fc: int16}, bits: 4}");
  ASSERT_EQ(scheme.inputs.size(), 2u);
  EXPECT_EQ(scheme.inputs[0]->scale, 0.5f);
  EXPECT_EQ(scheme.inputs[0]->zero_point, 0);
  EXPECT_FALSE(scheme.inputs[1].has_value());
  ASSERT_EQ(scheme.layers.size(), 2u);
  EXPECT_TRUE(scheme.layers[0].ignore || scheme.layers[1].ignore);
  const LayerRule& wide = scheme.layers[scheme.layers[0].ignore ? 1 : 0];
  EXPECT_EQ(wide.pattern, "fc");
  EXPECT_EQ(wide.activation->quant_min, -32768);
  EXPECT_TRUE(wide.activation->symmetric);
}

TEST(ParseScheme, RefusesWrongStatisticsAndActions) {
  const std::string message =
      message_of("{quantized_input_stats: [3, [1, 0]], quantize_op_action: {fc: rewrit}, override_qconfig_func: f}");
  for (const char* part : {"neither [mean, std] nor null", "the deviation is positive", "one of float, int8, int16",
                           "a Python function"}) {
    EXPECT_NE(message.find(part), std::string::npos) << message;
  }
}

}  // namespace
}  // namespace tinyml
