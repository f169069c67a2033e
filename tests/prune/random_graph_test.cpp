// Random networks: whatever the analysis lets go must leave the rest unchanged.
#include <gtest/gtest.h>

#include <random>

#include "analysis/graph_builder.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

/// Grows a graph operator by operator on values of shape [2, C, 4, 4].
class RandomNetwork {
 public:
  explicit RandomNetwork(uint32_t seed) : random_(seed) {
    values_.push_back(b_.relu(b_.conv("stem", b_.input({2, 3, 4, 4}), 12)));
  }

  Graph build(int operators) {
    for (int i = 0; i < operators; ++i) values_.push_back(step("n" + std::to_string(i)));
    // Everything nobody reads is read by the head.
    std::vector<ValueId> loose;
    for (ValueId value : values_) {
      if (b_.graph.is_unused(value)) loose.push_back(value);
    }
    b_.output(b_.conv("head", loose.size() == 1 ? loose[0] : b_.cat(loose), 4));
    return b_.graph;
  }

 private:
  int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }
  ValueId any() { return values_[static_cast<size_t>(pick(static_cast<int>(values_.size())))]; }
  int64_t channels(ValueId value) const { return b_.sizes(value)[1]; }
  /// A value with as many channels, made by a convolution if there is none.
  ValueId partner(const std::string& name, ValueId value) {
    for (int i = 0; i < 4; ++i) {
      const ValueId other = any();
      if (other != value && channels(other) == channels(value)) return other;
    }
    return b_.conv(name + ".partner", any(), channels(value));
  }

  ValueId step(const std::string& name) {
    const ValueId x = any();
    const int64_t c = channels(x);
    switch (pick(14)) {
      case 0:
        return b_.conv(name, x, 6 * (1 + pick(3)));
      case 1:
        return b_.batch_norm(name, x);
      case 2:
        return b_.unary(pick(2) == 0 ? "relu" : "sigmoid", x);
      case 3:
        return b_.add(x, partner(name, x));
      case 4:
        return b_.mul(x, b_.unary("sigmoid", partner(name, x)));
      case 5:
        return c <= 24 ? b_.cat({x, any()}) : x;
      case 6:
        return c <= 24 ? b_.cat({x, x}) : x;
      case 7:
        return b_.conv(name, x, c, 3, c);
      case 8:
        return c % 6 == 0 ? b_.conv(name, x, 12, 3, pick(2) == 0 ? 2 : 3) : b_.conv(name, x, c, 1, c);
      case 9: {
        if (c % 2 != 0) return x;
        const auto halves = b_.ops("aten.chunk.default", {{"self", x}, {"chunks", 2}, {"dim", 1}},
                                   {{2, c / 2, 4, 4}, {2, c / 2, 4, 4}});
        values_.push_back(halves[0]);
        return halves[1];
      }
      case 10: {
        if (c < 3) return x;
        const auto parts = b_.ops("aten.split_with_sizes.default",
                                  {{"self", x}, {"split_sizes", Argument::ints({c / 3, c - c / 3})}, {"dim", 1}},
                                  {{2, c / 3, 4, 4}, {2, c - c / 3, 4, 4}});
        values_.push_back(parts[0]);
        return parts[1];
      }
      case 11: {
        if (c % 3 != 0) return x;
        const ValueId split = b_.view(x, {2, 3, c / 3, 4, 4});
        if (pick(2) == 0) return b_.view(b_.relu(split), {2, c, 4, 4});
        return b_.view(b_.permute(split, {0, 2, 1, 3, 4}), {2, c, 4, 4});
      }
      case 12: {
        const ValueId last = b_.permute(x, {0, 2, 3, 1});
        return b_.permute(b_.linear(name, last, 12), {0, 3, 1, 2});
      }
      default: {
        const ValueId pooled = b_.global_pool(x);
        return b_.mul(x, b_.unary("sigmoid", b_.conv(name, pooled, c, 1)));
      }
    }
  }

  GraphBuilder b_;
  std::mt19937 random_;
  std::vector<ValueId> values_;
};

TEST(RandomGraphs, PrunedEqualsMasked) {
  int pruned_networks = 0;
  for (uint32_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = RandomNetwork(seed).build(4 + static_cast<int>(seed % 40));
    const DependencyGraph dependencies = analyze_dependencies(graph);
    PruningConfig config;
    config.metric = "random";
    config.seed = seed;
    config.sparsity = 0.3 + 0.2 * (seed % 3);
    try {
      const PruningPlan plan = plan_pruning(graph, dependencies, config);
      verify_plan(graph, dependencies, plan);
      pruned_networks += plan.cuts.empty() ? 0 : 1;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what() << '\n' << to_string(graph) << to_string(dependencies);
      return;
    }
  }
  EXPECT_GT(pruned_networks, 120);
}

}  // namespace
}  // namespace tinyml
