#include "quantize/search/frontier.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

namespace tinyml::quantization {
namespace {

PrecisionModel random_model(uint64_t seed, size_t layers) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> uniform(0.0, 1.0);
  PrecisionModel model;
  for (size_t i = 0; i < layers; ++i) {
    PrecisionModel::Layer layer;
    // Not always dearer: a float first layer may be the fastest.
    layer.cost = {uniform(random), uniform(random) * 2.0, uniform(random) * 3.0};
    layer.allowed = {true, random() % 4 != 0, random() % 4 != 0};
    layer.weight_noise = uniform(random) * 0.3;
    model.layers.push_back(layer);
  }
  for (size_t i = 0; i + 1 < layers; ++i) {
    PrecisionModel::Site site{uniform(random), {i, i + 1}};
    if (random() % 2 == 0) site.layers.push_back(random() % layers);
    model.sites.push_back(site);
  }
  return model;
}

std::vector<Assignment> all_assignments(const PrecisionModel& model) {
  std::vector<Assignment> all = {{}};
  for (const PrecisionModel::Layer& layer : model.layers) {
    std::vector<Assignment> longer;
    for (const Assignment& assignment : all) {
      for (uint8_t precision = 0; precision < kPrecisions; ++precision) {
        if (!layer.allowed[precision]) continue;
        longer.push_back(assignment);
        longer.back().push_back(precision);
      }
    }
    all = std::move(longer);
  }
  return all;
}

TEST(Frontier, TheCutIsTheLeastEnergyOfAllAssignments) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    const PrecisionModel model = random_model(seed, 6);
    for (const double price : {0.01, 0.2, 1.0, 5.0}) {
      const auto energy = [&](const Assignment& assignment) {
        return model.noise(assignment) + price * model.cost(assignment);
      };
      double least = 1e300;
      for (const Assignment& assignment : all_assignments(model)) least = std::min(least, energy(assignment));
      EXPECT_NEAR(energy(least_energy(model, price)), least, 1e-9) << seed << " " << price;
    }
  }
}

TEST(Frontier, HoldsTheWholeConvexHull) {
  const PrecisionModel model = random_model(77, 7);
  const std::vector<Assignment> frontier = find_frontier(model);
  ASSERT_GT(frontier.size(), 3u);
  for (size_t i = 0; i + 1 < frontier.size(); ++i) {
    EXPECT_LT(model.cost(frontier[i]), model.cost(frontier[i + 1]));
    EXPECT_GT(model.noise(frontier[i]), model.noise(frontier[i + 1]));
  }
  // No assignment lies below the line between neighbours.
  for (const Assignment& assignment : all_assignments(model)) {
    const double cost = model.cost(assignment);
    for (size_t i = 0; i + 1 < frontier.size(); ++i) {
      const double a = model.cost(frontier[i]), b = model.cost(frontier[i + 1]);
      if (cost < a || cost > b) continue;
      const double share = (cost - a) / (b - a);
      const double line = (1 - share) * model.noise(frontier[i]) + share * model.noise(frontier[i + 1]);
      EXPECT_GE(model.noise(assignment), line - 1e-9);
    }
  }
}

}  // namespace
}  // namespace tinyml::quantization
