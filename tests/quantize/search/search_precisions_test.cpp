#include <gtest/gtest.h>

#include <filesystem>
#include <random>

#include "quantize/graphs.h"
#include "quantize/search/noise_sites.h"
#include "tinyml/calibration.h"
#include "tinyml/precision_search.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

Graph make_graph() {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 3, 6, 6});
  const ValueId stem = b.relu(b.conv(x, "stem", 6, 3, true));
  const ValueId body = b.add(b.relu(b.conv(stem, "body", 6, 3, true)), stem);
  const ValueId left = b.conv(body, "left", 4, 1, true);
  const ValueId right = b.conv(b.max_pool(body), "right", 4, 1, true);
  b.output(b.conv(b.cat({b.max_pool(left), right}), "head", 4, 1, true));
  return b.graph;
}

std::vector<std::vector<Tensor>> make_samples(size_t count) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<std::vector<Tensor>> samples;
  for (size_t i = 0; i < count; ++i) {
    std::vector<float> values(3 * 6 * 6);
    for (float& value : values) value = normal(random);
    samples.push_back({Tensor::from(values, {1, 3, 6, 6})});
  }
  return samples;
}

TEST(NoiseSites, ValuesBelongToAllThatMakeAndReadThem) {
  const Graph graph = make_graph();
  const std::vector<LayerPrecision> layers = list_layers(graph, {});
  const auto name = [&](size_t layer) { return layers[layer].name; };
  std::vector<std::vector<std::string>> values;
  size_t weights = 0;
  for (const quantization::NoiseSite& site : quantization::find_noise_sites(quantize(graph), layers)) {
    if (site.weight) {
      ++weights;
      EXPECT_EQ(site.layers.size(), 1u);
      continue;
    }
    std::vector<std::string> names;
    for (const size_t layer : site.layers) names.push_back(name(layer));
    values.push_back(names);
  }
  EXPECT_EQ(weights, 5u);
  const std::vector<std::vector<std::string>> expected = {
      {"stem"}, {"stem", "body", "add"}, {"body", "add"}, {"add", "left", "right"}, {"left", "right", "cat", "head"},
      {"head"}};
  EXPECT_EQ(values, expected);
}

TEST(SearchPrecisions, MeetsAQualityAtLessCostThanAllOrNothing) {
  const Graph graph = make_graph();
  const auto samples = make_samples(4);
  PrecisionSearchOptions options;
  options.min_quality = 1.0;
  const PrecisionSearchResult easy = search_precisions(graph, {}, samples, options);
  EXPECT_EQ(easy.measured.size(), 1u);  // int8 is enough: nothing else is measured
  for (const SearchedLayer& layer : easy.layers) EXPECT_EQ(layer.chosen.precision, "int8");
  options.min_quality = easy.chosen.quality + 4.0;
  const PrecisionSearchResult found = search_precisions(graph, {}, samples, options);
  EXPECT_TRUE(found.complete);
  EXPECT_GE(found.chosen.quality, *options.min_quality);
  EXPECT_LT(found.chosen.cost, found.float_cost);
  EXPECT_GT(found.chosen.cost, found.configured.cost);
  EXPECT_GT(found.layers[0].weight_noise, 0.0);
  // The file gives what was measured.
  const QuantizationScheme scheme = apply_layer_config(found.text, "found", graph, {});
  const Graph quantized = calibrate(quantize(graph, scheme), samples);
  PrecisionSearchOptions check;
  check.min_quality = found.chosen.quality - 1e-6;
  EXPECT_EQ(list_layers(graph, scheme)[0].precision, found.layers[0].chosen.precision);
  options.min_quality = 1e9;
  options.allow_float = false;
  EXPECT_THROW(search_precisions(graph, {}, samples, options), Error);
}

TEST(SearchPrecisions, SpendsACostWell) {
  const Graph graph = make_graph();
  const auto samples = make_samples(4);
  PrecisionSearchOptions options;
  double before = 0.0;
  for (const double share : {0.1, 0.5, 1.0}) {
    options.max_cost_share = share;
    const PrecisionSearchResult found = search_precisions(graph, {}, samples, options);
    EXPECT_LE(found.chosen.cost, share * found.float_cost);
    EXPECT_GT(found.chosen.quality, before);
    before = found.chosen.quality;
  }
  options.max_cost_share = 0.01;
  EXPECT_THROW(search_precisions(graph, {}, samples, options), Error);
}

TEST(SearchPrecisions, MeasuresCostsByTheCallersFunction) {
  const Graph graph = make_graph();
  PrecisionSearchOptions options;
  size_t calls = 0;
  options.cost = [&](const Graph& quantized) {  // the number of operators without FakeQuants around them
    ++calls;
    return 1.0 + static_cast<double>(quantized.node_count());
  };
  options.max_cost = 1e9;
  const PrecisionSearchResult found = search_precisions(graph, {}, make_samples(2), options);
  EXPECT_GT(calls, 10u);
  EXPECT_GT(found.chosen.quality, found.configured.quality);
}

TEST(SearchPrecisions, GoesOnWhereItWasStopped) {
  const Graph graph = make_graph();
  const auto samples = make_samples(3);
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "search_journal.json";
  std::filesystem::remove(path);
  PrecisionSearchOptions options;
  options.max_cost_share = 0.4;
  const PrecisionSearchResult whole = search_precisions(graph, {}, samples, options);
  options.journal = path;
  size_t steps = 0;
  options.on_progress = [&](const SearchProgress&) { return ++steps <= 8; };
  const PrecisionSearchResult part = search_precisions(graph, {}, samples, options);
  EXPECT_FALSE(part.complete);
  EXPECT_LE(part.chosen.cost, 0.4 * part.float_cost);
  size_t more = 0;
  options.on_progress = [&](const SearchProgress&) { return ++more > 0; };
  const PrecisionSearchResult resumed = search_precisions(graph, {}, samples, options);
  EXPECT_EQ(resumed.text, whole.text);
  EXPECT_EQ(resumed.chosen.quality, whole.chosen.quality);
  more = 0;
  search_precisions(graph, {}, samples, options);
  EXPECT_EQ(more, 0u);                                                          // all is known
  EXPECT_THROW(search_precisions(graph, {}, make_samples(2), options), Error);  // other data
  std::filesystem::remove(path);
  options.journal.clear();
  options.seconds = 1e-9;
  options.on_progress = {};
  EXPECT_THROW(search_precisions(graph, {}, samples, options), Error);  // nothing was measured
}

TEST(SearchPrecisions, ReadsTargets) {
  PrecisionSearchOptions options;
  EXPECT_EQ(read_search_target("snr=40", options), "snr");
  EXPECT_DOUBLE_EQ(*options.min_quality, 40.0);
  EXPECT_EQ(read_search_target("latency=3.5ms", options), "latency");
  EXPECT_DOUBLE_EQ(*options.max_cost, 3.5e-3);
  EXPECT_EQ(read_search_target("bit_operations=0.3", options), "bit_operations");
  EXPECT_DOUBLE_EQ(*options.max_cost_share, 0.3);
  for (const char* text :
       {"", "snr", "snr=x", "latency=2", "latency=-1ms", "bit_operations=3ms", "bops=1", "snr=4=5"}) {
    PrecisionSearchOptions none;
    EXPECT_THROW(read_search_target(text, none), Error) << text;
  }
  EXPECT_THROW(search_precisions(make_graph(), {}, make_samples(1), options), Error);  // three targets
}

}  // namespace
}  // namespace tinyml
