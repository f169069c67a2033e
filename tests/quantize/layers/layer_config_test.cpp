#include "tinyml/layer_config.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "quantize/graphs.h"
#include "quantize/placement.h"
#include "tinyml/atomic_file.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

/// Two convolutions, a sum, a product that stays float.
Graph make_graph(bool longer = false) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId first = b.relu(b.conv(x, "first", 4));
  ValueId y = b.add(b.conv(first, "second", 4), first);
  if (longer) y = b.conv(y, "third", 4);
  b.output(b.call("aten.cumsum.default", {{"self", b.max_pool(y)}, {"dim", int64_t{1}}}, {1, 4, 4, 4}));
  return b.graph;
}

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string message_of(const std::string& text, const Graph& graph = make_graph(),
                       const QuantizationScheme& scheme = {}) {
  try {
    apply_layer_config(text, "layers.yaml", graph, scheme);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

std::string fresh(const QuantizationScheme& scheme = {}) {
  return layer_config_text(list_layers(make_graph(), scheme));
}

/// Layer -> precision after a text was applied.
std::map<std::string, std::string> precisions(const std::string& text, const QuantizationScheme& scheme = {}) {
  const Graph graph = make_graph();
  std::map<std::string, std::string> found;
  for (const LayerPrecision& layer : list_layers(graph, apply_layer_config(text, "layers.yaml", graph, scheme)))
    found[layer.name] = layer.precision + (layer.weight.empty() ? "" : "/" + layer.weight);
  return found;
}

constexpr const char* kFirst = "first: {operator: conv2d, type: Conv2d, precision: int8, weight: int8}";

TEST(LayerConfig, ListsWhatCanBeChosen) {
  const std::vector<LayerPrecision> layers = list_layers(make_graph(), {});
  ASSERT_EQ(layers.size(), 4u);  // not the activation, nor the pooling
  EXPECT_EQ(layers[0].name, "first");
  EXPECT_EQ(layers[0].op, "conv2d");
  EXPECT_EQ(layers[0].type, "Conv2d");
  EXPECT_EQ(layers[2].name, "add");
  EXPECT_EQ(layers[2].weight, "");
  EXPECT_EQ(layers[3].precision, "float");
  EXPECT_NE(layers[3].reason, "");
  EXPECT_EQ(list_layers(make_graph(), {}, true).size(), 2u);
}

TEST(LayerConfig, WithoutEditsNothingChanges) {
  const Graph graph = make_graph();
  EXPECT_TRUE(apply_layer_config(fresh(), "layers.yaml", graph, {}).by_result.empty());
}

TEST(LayerConfig, LinesOfLayersWinOverLinesOfOperators) {
  std::string text = replaced(fresh(), "conv2d: {precision: int8", "conv2d: {precision: int16");
  text = replaced(text, kFirst, "first: {operator: conv2d, type: Conv2d, precision: float, weight: int8}");
  const auto found = precisions(text);
  EXPECT_EQ(found.at("first"), "float/float");
  EXPECT_EQ(found.at("second"), "int16/int8");
  EXPECT_EQ(found.at("add"), "int8");
}

TEST(LayerConfig, ReadsEverySetting) {
  const Graph graph = make_graph();
  const std::string text = replaced(
      fresh(), kFirst,
      "first: {operator: conv2d, type: Conv2d, precision: int7, weight: int4, algorithm: kl, per_tensor: true, "
      "asymmetric: false, momentum: 0.5}");
  const QuantizationScheme scheme = apply_layer_config(text, "layers.yaml", graph, {});
  const LayerRule& rule = scheme.by_result.at("conv2d");
  EXPECT_EQ(rule.activation->quant_max, 63);
  EXPECT_EQ(rule.activation->observer, Observer::kKl);
  EXPECT_TRUE(rule.activation->symmetric);
  EXPECT_DOUBLE_EQ(rule.activation->momentum, 0.5);
  EXPECT_EQ(rule.weight->quant_min, -7);
  EXPECT_FALSE(rule.weight->per_channel);
}

TEST(LayerConfig, MistakesAreNamed) {
  const auto with_first = [](const std::string& line) { return replaced(fresh(), kFirst, line); };
  const std::string rest = ": {operator: conv2d, type: Conv2d, precision: int8, weight: int8}";
  EXPECT_NE(
      message_of(with_first(replaced("frist" + rest, "precision: int8", "precision: float"))).find("is 'first' meant?"),
      std::string::npos);
  EXPECT_NE(
      message_of(with_first("first: {operator: conv2d, type: Conv2d, precison: int8}")).find("is 'precision' meant?"),
      std::string::npos);
  const std::string start = "first: {operator: conv2d, type: Conv2d, ";
  EXPECT_NE(message_of(with_first(start + "precision: int61, weight: int8}")).find("int2 to int16"), std::string::npos);
  EXPECT_NE(message_of(with_first(start + "precision: int8, weight: int16}")).find("int2 to int8"), std::string::npos);
  EXPECT_NE(message_of(with_first(start + "precision: int8, weight: float}")).find("write precision: float"),
            std::string::npos);
  EXPECT_NE(message_of(with_first(start + "precision: int8, weight: int8, algorithm: ml}")).find("unknown algorithm"),
            std::string::npos);
  EXPECT_NE(message_of(with_first("first: {operator: linear, type: Conv2d, precision: int16, weight: int8}"))
                .find("was linear Conv2d, it is conv2d Conv2d"),
            std::string::npos);
  EXPECT_NE(message_of(with_first("")).find("no line for the layer 'first'"), std::string::npos);
  EXPECT_NE(
      message_of(replaced(fresh(), "  add: {precision: int8}", "  addd: {precision: float}")).find("is 'add' meant?"),
      std::string::npos);
  EXPECT_NE(
      message_of(replaced(fresh(), "cumsum, type: Model, precision: float", "cumsum, type: Model, precision: int8"))
          .find("can only be float"),
      std::string::npos);
  EXPECT_NE(
      message_of(replaced(fresh(), "  cumsum: {precision: float", "  cumsum: {precision: int8")).find("can only be"),
      std::string::npos);
  EXPECT_NE(message_of(fresh() + "  first" + rest + "\n").find("stands twice"), std::string::npos);
  for (const char* text : {"[1, 2]", "a: [", "format: tinyml.layers", "", "written: \"int8*9999999\"", "layers: 3"})
    EXPECT_NE(message_of(text), "") << text;
}

TEST(LayerConfig, AnEditedFileOfAnotherModelIsRefused) {
  const std::string edited =
      replaced(fresh(), kFirst, "first: {operator: conv2d, type: Conv2d, precision: float, weight: int8}");
  const std::string message = message_of(edited, make_graph(true));
  EXPECT_NE(message.find("another model"), std::string::npos) << message;
  EXPECT_NE(message.find("no line for the layer 'third'"), std::string::npos) << message;
  QuantizationScheme wide;
  wide.activation.quant_max = 32767;
  wide.activation.quant_min = -32768;
  EXPECT_NE(message_of(edited, make_graph(), wide).find("gave 'first' int8 with int8 weights, it gives int16"),
            std::string::npos);
  const std::string kind = replaced(fresh(), "add: {precision: int8}", "add: {precision: float}");
  EXPECT_NE(message_of(kind, make_graph(true)).find("'third'"), std::string::npos);
}

TEST(LayerConfig, FilesAreWrittenReadAndRenewed) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "layer_config_test.yaml";
  std::filesystem::remove(path);
  const auto text = [&] {
    std::stringstream out;
    out << std::ifstream(path).rdbuf();
    return out.str();
  };
  EXPECT_TRUE(sync_layer_config(path, make_graph(), {}).by_result.empty());
  EXPECT_EQ(text(), fresh());
  sync_layer_config(path, make_graph(true), {});  // without edits nothing is lost
  EXPECT_NE(text().find("third"), std::string::npos);
  sync_layer_config(path, make_graph(), {});
  EXPECT_EQ(text(), fresh());
  const std::string edited = replaced(fresh(), "add: {precision: int8}", "add: {precision: float}");
  write_file(path, edited);
  const QuantizationScheme scheme = sync_layer_config(path, make_graph(), {});
  EXPECT_TRUE(scheme.by_result.at("add").ignore);
  EXPECT_THROW(sync_layer_config(path, make_graph(true), {}), Error);
  EXPECT_EQ(text(), edited);
  std::filesystem::remove(path);
}

TEST(LayerConfig, OneLineForAllCallsOfASharedModule) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 8, 8});
  const ValueId weight = b.parameter("shared.weight", {4, 4, 1, 1});
  ValueId y = x;
  for (int i = 0; i < 2; ++i) {
    y = b.call("aten.conv2d.default", {{"input", y}, {"weight", weight}}, {1, 4, 8, 8}, "shared",
               "torch.nn.modules.conv.Conv2d");
  }
  b.output(y);
  const std::vector<LayerPrecision> layers = list_layers(b.graph, {});
  ASSERT_EQ(layers.size(), 1u);
  EXPECT_EQ(layers[0].name, "shared");
  EXPECT_EQ(layers[0].results.size(), 2u);
}

}  // namespace
}  // namespace tinyml
