// Random networks: whatever the analysis lets go must leave the rest unchanged.
#include <gtest/gtest.h>

#include <random>

#include "analysis/graph_builder.h"
#include "prune/random_seeds.h"
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
    if (loose.empty()) loose.push_back(values_.back());
    b_.output(b_.conv("head", loose.size() == 1 ? loose[0] : b_.cat(loose), 4));
    if (pick(3) == 0) b_.output(b_.conv("other_head", any(), 2, 1));
    if (pick(6) == 0) b_.output(any());
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
    if (pick(2) == 0) return rearrange(name, x);
    switch (pick(14)) {
      case 0: {
        const ValueId y = b_.conv(name, x, 6 * (1 + pick(3)));
        used_.push_back(b_.graph.node(b_.graph.value(y).producer).args);
        return y;
      }
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

  /// Steps that move channels to other dimensions and back, or read parameters in ways of their own.
  ValueId rearrange(const std::string& name, ValueId x) {
    const int64_t c = channels(x);
    switch (pick(19)) {
      case 0: {  // A module that is used again.
        for (std::vector<NamedArgument> args : used_) {
          if (b_.sizes(args[1].value.as_value())[1] != c) continue;
          const int64_t out = b_.sizes(args[1].value.as_value())[0];
          args[0].value = x;
          return b_.graph.add_operator("aten.conv2d.default", args,
                                       TensorType::of(ScalarType::kFloat32, {2, out, 4, 4}));
        }
        return x;
      }
      case 1:
        return pick(2) == 0 ? b_.mul(x, b_.parameter(name, {1, c, 1, 1})) : b_.add(x, b_.parameter(name, {c, 1, 1}));
      case 2: {
        const int64_t groups = c % 6 == 0 ? 1 + pick(3) : 1;
        const ValueId wide = b_.conv_transpose(name, x, 12, groups);
        return halve(wide);
      }
      case 3: {  // Channels merged with the batch: one filter for all groups.
        if (c % 3 != 0) return x;
        const ValueId y = b_.conv(name, b_.view(x, {6, c / 3, 4, 4}), 4, 1);
        return b_.view(b_.relu(y), {2, 12, 4, 4});
      }
      case 4:
        return c > 4 ? b_.slice(x, 1, pick(4), pick(2) == 0 ? INT64_MAX : c - pick(2), 1 + pick(3)) : x;
      case 5: {
        if (c % 4 != 0) return x;
        const ValueId wide =
            b_.op("aten.pixel_shuffle.default", {{"self", x}, {"upscale_factor", 2}}, {2, c / 4, 8, 8});
        if (pick(2) == 0) return halve(wide);
        return b_.op("aten.pixel_unshuffle.default", {{"self", b_.relu(wide)}, {"downscale_factor", 2}}, {2, c, 4, 4});
      }
      case 6: {
        const int64_t groups = c % 2 == 0 ? 1 + pick(2) : 1;
        const ValueId weight = b_.parameter(name + ".weight", {12, c / groups, 3});
        const ValueId y = b_.op("aten.conv1d.default",
                                {{"input", b_.view(x, {2, c, 16})},
                                 {"weight", weight},
                                 {"padding", Argument::ints({1})},
                                 {"groups", groups}},
                                {2, 12, 16});
        return b_.view(y, {2, 12, 4, 4});
      }
      case 7: {
        const ValueId deep = b_.op("aten.unsqueeze.default", {{"self", x}, {"dim", 2}}, {2, c, 1, 4, 4});
        const ValueId y = b_.op("aten.conv3d.default",
                                {{"input", deep},
                                 {"weight", b_.parameter(name + ".weight", {9, c, 1, 3, 3})},
                                 {"bias", b_.parameter(name + ".bias", {9})},
                                 {"padding", Argument::ints({0, 1, 1})}},
                                {2, 9, 1, 4, 4});
        return b_.op("aten.squeeze.dim", {{"self", y}, {"dim", 2}}, {2, 9, 4, 4});
      }
      case 8:
        if (c % 3 != 0) return x;
        return b_.op("aten.group_norm.default",
                     {{"input", x},
                      {"num_groups", 3},
                      {"weight", b_.parameter(name + ".weight", {c})},
                      {"bias", b_.parameter(name + ".bias", {c})}},
                     b_.sizes(x));
      case 9: {
        const ValueId other = partner(name, x);
        const ValueId both =
            b_.op("aten.stack.default", {{"tensors", Argument::List{x, other}}, {"dim", 2}}, {2, c, 2, 4, 4});
        if (pick(2) == 0 && c <= 24) return b_.view(both, {2, 2 * c, 4, 4});
        return b_.op("aten.select.int", {{"self", b_.relu(both)}, {"dim", 2}, {"index", pick(2)}}, {2, c, 4, 4});
      }
      case 10: {  // Channels and places flattened, and apart again.
        const ValueId y = b_.linear(name, b_.flatten(x), 6 * 16);
        return b_.view(b_.relu(y), {2, 6, 4, 4});
      }
      case 11: {  // Every channel against every other.
        const ValueId flat = b_.view(x, {2, c, 16});
        const ValueId gram =
            b_.op("aten.bmm.default", {{"self", flat}, {"mat2", b_.permute(flat, {0, 2, 1})}}, {2, c, c});
        const ValueId mixed = b_.op("aten.bmm.default", {{"self", gram}, {"mat2", flat}}, {2, c, 16});
        return b_.unary("tanh", b_.view(mixed, {2, c, 4, 4}));
      }
      case 12:
        return b_.op("aten.prelu.default", {{"self", x}, {"weight", b_.parameter(name, {c})}}, b_.sizes(x));
      case 13: {  // A map of where, from all channels.
        const ValueId where =
            b_.op("aten.mean.dim", {{"self", x}, {"dim", Argument::ints({1})}, {"keepdim", true}}, {2, 1, 4, 4});
        return pick(4) == 0 ? b_.mul(x, b_.unary("sigmoid", where)) : x;
      }
      case 14: {  // What is everywhere beside what is here.
        const ValueId all = b_.op("aten.expand.default",
                                  {{"self", b_.global_pool(x)}, {"size", Argument::ints({2, c, 4, 4})}}, {2, c, 4, 4});
        return c <= 24 ? b_.cat({all, any()}) : all;
      }
      case 15: {
        const Argument dims = Argument::ints({1});
        if (pick(2) == 0) return b_.op("aten.flip.default", {{"self", x}, {"dims", dims}}, b_.sizes(x));
        return b_.op("aten.roll.default", {{"self", x}, {"shifts", dims}, {"dims", dims}}, b_.sizes(x));
      }
      case 16: {  // Some channels written over.
        if (c < 4) return x;
        const int count = 2 + pick(static_cast<int>(c) - 3), start = pick(static_cast<int>(c) - count + 1);
        const ValueId source = b_.conv(name, any(), count);
        return b_.op("aten.slice_scatter.default",
                     {{"self", x}, {"src", source}, {"dim", 1}, {"start", start}, {"end", start + count}}, b_.sizes(x));
      }
      case 17: {  // Patches, changed and put back.
        const Argument two = Argument::ints({2, 2}), one = Argument::ints({1, 1}), zero = Argument::ints({0, 0});
        const ValueId patches = b_.op(
            "aten.im2col.default",
            {{"self", x}, {"kernel_size", two}, {"dilation", one}, {"padding", zero}, {"stride", two}}, {2, 4 * c, 4});
        return b_.op("aten.col2im.default",
                     {{"self", b_.relu(patches)},
                      {"output_size", Argument::ints({4, 4})},
                      {"kernel_size", two},
                      {"dilation", one},
                      {"padding", zero},
                      {"stride", two}},
                     b_.sizes(x));
      }
      default: {  // Crossing concatenations and sums.
        if (c > 18) return x;
        const ValueId other = partner(name, x);
        return b_.add(b_.cat({x, other}), b_.cat({other, x}));
      }
    }
  }

  ValueId halve(ValueId wide) {
    return b_.op("aten.avg_pool2d.default", {{"self", wide}, {"kernel_size", Argument::ints({2, 2})}},
                 {2, channels(wide), 4, 4});
  }

  GraphBuilder b_;
  std::mt19937 random_;
  std::vector<ValueId> values_;
  std::vector<std::vector<NamedArgument>> used_;  ///< Arguments of convolutions that may be used again.
};

TEST(RandomGraphs, PrunedEqualsMasked) {
  size_t pruned_networks = 0;
  const std::vector<uint32_t> all = testing::seeds(260);
  for (const uint32_t seed : all) {
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
      verify(apply_plan(graph, dependencies, plan));
      pruned_networks += plan.cuts.empty() ? 0 : 1;
    } catch (const Error& error) {
      ADD_FAILURE() << error.what() << '\n' << to_string(graph) << to_string(dependencies);
      return;
    }
  }
  EXPECT_GT(pruned_networks, all.size() / 2);
}

}  // namespace
}  // namespace tinyml
