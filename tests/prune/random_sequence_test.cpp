// Random networks over sequences: products of activations, attention, einsum, recurrent layers, embeddings, lookups.
#include <gtest/gtest.h>

#include <random>

#include "analysis/graph_builder.h"
#include "prune/random_seeds.h"
#include "tinyml/prune.h"

namespace tinyml {
namespace {

using testing::GraphBuilder;

constexpr int64_t kBatch = 2, kTokens = 5;

/// Grows a graph operator by operator on values of shape [kBatch, kTokens, C].
class RandomSequence {
 public:
  explicit RandomSequence(uint32_t seed) : random_(seed) {
    ids_ = b_.graph.add_input("ids", TensorType::of(ScalarType::kInt64, {kBatch, kTokens}));
    values_.push_back(b_.linear("stem", b_.input({kBatch, kTokens, 4}), 12));
  }

  Graph build(int operators) {
    for (int i = 0; i < operators; ++i) values_.push_back(step("n" + std::to_string(i)));
    std::vector<ValueId> loose;  // Everything nobody reads is read by the head.
    for (ValueId value : values_) {
      if (b_.graph.is_unused(value)) loose.push_back(value);
    }
    if (loose.empty()) loose.push_back(values_.back());
    b_.output(b_.linear("head", loose.size() == 1 ? loose[0] : b_.cat(loose, 2), 4));
    return b_.graph;
  }

 private:
  int pick(int count) { return std::uniform_int_distribution<int>(0, count - 1)(random_); }
  ValueId any() { return values_[static_cast<size_t>(pick(static_cast<int>(values_.size())))]; }
  int64_t width(ValueId value) const { return b_.sizes(value)[2]; }
  ValueId partner(const std::string& name, ValueId value) {
    for (int i = 0; i < 4; ++i) {
      const ValueId other = any();
      if (other != value && width(other) == width(value)) return other;
    }
    return b_.linear(name + ".partner", any(), width(value));
  }

  ValueId matmul(ValueId a, ValueId b) {
    std::vector<int64_t> sizes = b_.sizes(a);
    sizes.back() = b_.sizes(b).back();
    return b_.op("aten.matmul.default", {{"self", a}, {"other", b}}, sizes);
  }
  ValueId einsum(const std::string& equation, const std::vector<ValueId>& values, std::vector<int64_t> sizes) {
    Argument::List list(values.begin(), values.end());
    return b_.op("aten.einsum.default", {{"equation", equation}, {"tensors", list}}, std::move(sizes));
  }
  ValueId softmax(ValueId x) { return b_.op("aten.softmax.int", {{"self", x}, {"dim", -1}}, b_.sizes(x)); }
  ValueId index_constant(const std::string& name, const std::vector<int64_t>& indices) {
    Tensor data(ScalarType::kInt64, {static_cast<int64_t>(indices.size())});
    std::copy(indices.begin(), indices.end(), data.mutable_data<int64_t>());
    return b_.graph.add_binding(BindingKind::kBuffer, name + ".index", data);
  }

  /// [B, T, heads * size] -> [B, heads, T, size]
  ValueId split_heads(ValueId x, int64_t heads) {
    return b_.permute(b_.view(x, {kBatch, kTokens, heads, width(x) / heads}), {0, 2, 1, 3});
  }
  ValueId join_heads(ValueId x) {
    const std::vector<int64_t> sizes = b_.sizes(x);
    const ValueId last = b_.permute(x, {0, 2, 1, 3});
    return b_.op("aten.reshape.default",
                 {{"self", last}, {"shape", Argument::ints({kBatch, kTokens, sizes[1] * sizes[3]})}},
                 {kBatch, kTokens, sizes[1] * sizes[3]});
  }
  ValueId attention(const std::string& name, ValueId x, bool fused) {
    const int64_t heads = 1 + pick(3), size = 2 + pick(3);
    const bool shared_keys = fused && pick(3) == 0;
    const int64_t key_heads = shared_keys ? 1 : heads;
    const ValueId q = split_heads(b_.linear(name + ".q", x, heads * size), heads);
    const ValueId k = split_heads(b_.linear(name + ".k", any(), key_heads * size), key_heads);
    const ValueId v = split_heads(b_.linear(name + ".v", any(), key_heads * size), key_heads);
    if (fused) {
      return join_heads(b_.op("aten.scaled_dot_product_attention.default",
                              {{"query", q}, {"key", k}, {"value", v}, {"enable_gqa", shared_keys}}, b_.sizes(q)));
    }
    return join_heads(matmul(softmax(matmul(q, b_.permute(k, {0, 1, 3, 2}))), v));
  }

  /// aten.lstm.input or aten.gru.input, batch first.
  ValueId recurrent(const std::string& name, ValueId x) {
    const bool lstm = pick(2) == 0, both = pick(2) == 0;
    const int64_t layers = 1 + pick(2), directions = both ? 2 : 1, hidden = 3 + pick(3), rows = (lstm ? 4 : 3) * hidden;
    const int64_t projected = lstm && pick(2) == 0 ? 2 : 0, result = projected != 0 ? projected : hidden;
    Argument::List params;
    for (int64_t i = 0; i < layers * directions; ++i) {
      const std::string own = name + "." + std::to_string(i);
      const int64_t features = i < directions ? width(x) : result * directions;
      params.emplace_back(b_.parameter(own + ".ih", {rows, features}));
      params.emplace_back(b_.parameter(own + ".hh", {rows, result}));
      params.emplace_back(b_.parameter(own + ".bias_ih", {rows}));
      params.emplace_back(b_.parameter(own + ".bias_hh", {rows}));
      if (projected != 0) params.emplace_back(b_.parameter(own + ".hr", {projected, hidden}));
    }
    const std::vector<int64_t> state = {layers * directions, kBatch, result};
    const std::vector<int64_t> cell = {layers * directions, kBatch, hidden};
    const auto zeros = [&](const std::vector<int64_t>& sizes) {
      return b_.op("aten.zeros.default", {{"size", Argument::ints(sizes)}}, sizes);
    };
    const ValueId first = zeros(state);
    Node node;
    node.op = lstm ? "aten.lstm.input" : "aten.gru.input";
    node.args = make_args(node.op, {{"input", x},
                                    {"hx", lstm ? Argument(Argument::List{first, zeros(cell)}) : Argument(first)},
                                    {"params", params},
                                    {"has_biases", true},
                                    {"num_layers", layers},
                                    {"dropout", 0.0},
                                    {"train", false},
                                    {"bidirectional", both},
                                    {"batch_first", true}});
    node.outputs.push_back(
        b_.graph.add_value(name, TensorType::of(ScalarType::kFloat32, {kBatch, kTokens, directions * result})));
    for (int i = 0; i < (lstm ? 2 : 1); ++i) {
      node.outputs.push_back(
          b_.graph.add_value(name + "_state", TensorType::of(ScalarType::kFloat32, i == 0 ? state : cell)));
    }
    b_.graph.add_node(node);
    return node.outputs[0];
  }

  ValueId conv1d(const std::string& name, ValueId x) {
    const int64_t groups = width(x) % 3 == 0 && pick(2) == 0 ? 3 : 1;
    const ValueId weight = b_.parameter(name + ".weight", {12, width(x) / groups, 3});
    const ValueId turned = b_.permute(x, {0, 2, 1});
    const ValueId y = b_.op(
        "aten.conv1d.default",
        {{"input", turned}, {"weight", weight}, {"padding", Argument::ints({1})}, {"groups", groups}}, {kBatch, 12, 5});
    return b_.permute(y, {0, 2, 1});
  }

  /// Queries, keys and values from one layer, in each of the orders that people write; with a table of positions.
  ValueId fused_attention(const std::string& name, ValueId x) {
    const int64_t heads = 2 + pick(2), size = 2 + pick(3), all = heads * size;
    const ValueId fused = b_.linear(name + ".qkv", x, 3 * all);
    std::vector<ValueId> qkv;
    const int order = pick(3);
    if (order == 0) {
      const ValueId apart = b_.permute(b_.view(fused, {kBatch, kTokens, 3, heads, size}), {2, 0, 3, 1, 4});
      qkv = b_.ops("aten.unbind.int", {{"self", apart}, {"dim", 0}},
                   std::vector<std::vector<int64_t>>(3, {kBatch, heads, kTokens, size}));
    } else if (order == 1) {
      for (ValueId part : b_.ops("aten.chunk.default", {{"self", fused}, {"chunks", 3}, {"dim", -1}},
                                 std::vector<std::vector<int64_t>>(3, {kBatch, kTokens, all}))) {
        qkv.push_back(split_heads(part, heads));
      }
    } else {  // Head by head.
      const ValueId apart = b_.view(fused, {kBatch, kTokens, heads, 3 * size});
      for (ValueId part : b_.ops("aten.chunk.default", {{"self", apart}, {"chunks", 3}, {"dim", -1}},
                                 std::vector<std::vector<int64_t>>(3, {kBatch, kTokens, heads, size}))) {
        qkv.push_back(b_.permute(part, {0, 2, 1, 3}));
      }
    }
    ValueId scores = matmul(qkv[0], b_.permute(qkv[1], {0, 1, 3, 2}));
    if (pick(2) == 0) scores = b_.add(scores, relative_positions(name, heads));
    return join_heads(matmul(softmax(scores), qkv[2]));
  }

  /// [heads, T, T], learned as such or looked up in a table of distances.
  ValueId relative_positions(const std::string& name, int64_t heads) {
    if (pick(2) == 0) return b_.parameter(name + ".positions", {heads, kTokens, kTokens});
    std::vector<int64_t> distances;
    for (int64_t i = 0; i < kTokens; ++i) {
      for (int64_t j = 0; j < kTokens; ++j) distances.push_back(i - j + kTokens - 1);
    }
    const ValueId table = b_.parameter(name + ".table", {2 * kTokens - 1, heads});
    const ValueId index = index_constant(name + ".distance", distances);
    const ValueId rows =
        b_.op("aten.index.Tensor", {{"self", table}, {"indices", Argument::List{index}}}, {kTokens * kTokens, heads});
    return b_.permute(b_.view(rows, {kTokens, kTokens, heads}), {2, 0, 1});
  }

  /// Four heads of queries for two of keys and values, repeated by hand.
  ValueId grouped_attention(const std::string& name, ValueId x) {
    const int64_t size = 2 + pick(3);
    const ValueId q = split_heads(b_.linear(name + ".q", x, 4 * size), 4);
    const auto repeated = [&](ValueId value) {
      const ValueId few = split_heads(value, 2);
      if (pick(2) == 0) {
        return b_.op("aten.repeat_interleave.self_int", {{"self", few}, {"repeats", 2}, {"dim", 1}}, b_.sizes(q));
      }
      const ValueId apart = b_.op("aten.unsqueeze.default", {{"self", few}, {"dim", 2}}, {kBatch, 2, 1, kTokens, size});
      const ValueId wide =
          b_.op("aten.expand.default", {{"self", apart}, {"size", Argument::ints({kBatch, 2, 2, kTokens, size})}},
                {kBatch, 2, 2, kTokens, size});
      return b_.op("aten.reshape.default", {{"self", wide}, {"shape", Argument::ints(b_.sizes(q))}}, b_.sizes(q));
    };
    const ValueId k = repeated(b_.linear(name + ".k", x, 2 * size)), v = repeated(b_.linear(name + ".v", x, 2 * size));
    return join_heads(matmul(softmax(matmul(q, b_.permute(k, {0, 1, 3, 2}))), v));
  }

  /// What needs a weight twice, or moves tokens and channels.
  ValueId reuse(const std::string& name, ValueId x) {
    const int64_t c = width(x);
    switch (pick(6)) {
      case 0: {  // The table of an embedding that is also the layer that reads its kind.
        const ValueId table = b_.parameter(name + ".weight", {9, c});
        const ValueId looked_up = b_.op("aten.embedding.default", {{"weight", table}, {"indices", ids_}}, b_.sizes(x));
        return b_.op("aten.linear.default", {{"input", b_.add(x, looked_up)}, {"weight", table}}, {kBatch, kTokens, 9});
      }
      case 1: {  // A layer used twice.
        const ValueId weight = b_.parameter(name + ".weight", {c, c}), bias = b_.parameter(name + ".bias", {c});
        ValueId y = x;
        for (int i = 0; i < 2; ++i) {
          y = b_.relu(b_.op("aten.linear.default", {{"input", y}, {"weight", weight}, {"bias", bias}}, b_.sizes(y)));
        }
        return y;
      }
      case 2: {  // Tokens mixed by a weight, channels alone.
        const ValueId turned =
            b_.op("aten.transpose.int", {{"self", x}, {"dim0", 1}, {"dim1", 2}}, {kBatch, c, kTokens});
        const ValueId mixed = b_.linear(name, turned, kTokens);
        return b_.op("aten.transpose.int", {{"self", mixed}, {"dim0", 1}, {"dim1", 2}}, b_.sizes(x));
      }
      case 3: {  // Tokens merged with the batch.
        const ValueId flat = b_.view(x, {kBatch * kTokens, c});
        return b_.view(b_.relu(b_.linear(name, flat, 6)), {kBatch, kTokens, 6});
      }
      case 4:
        return b_.mul(x, b_.parameter(name, {c}));
      default:
        return b_.op(
            "aten.bmm.default",
            {{"self", x},
             {"mat2", b_.op("aten.bmm.default", {{"self", b_.permute(x, {0, 2, 1})}, {"mat2", x}}, {kBatch, c, c})}},
            b_.sizes(x));
    }
  }

  ValueId step(const std::string& name) {
    const ValueId x = any();
    const int64_t c = width(x);
    switch (pick(24)) {
      case 18:
      case 19:
        return fused_attention(name, x);
      case 20:
        return grouped_attention(name, x);
      case 21:
      case 22:
        return reuse(name, x);
      case 0:
        return b_.linear(name, x, 6 * (1 + pick(2)));
      case 1:
        return b_.op("aten.layer_norm.default",
                     {{"input", x},
                      {"normalized_shape", Argument::ints({c})},
                      {"weight", b_.parameter(name + ".weight", {c})},
                      {"bias", b_.parameter(name + ".bias", {c})}},
                     b_.sizes(x));
      case 2:
        return b_.unary(pick(2) == 0 ? "relu" : "tanh", x);
      case 3:
        return b_.add(x, partner(name, x));
      case 4:
        return b_.mul(x, b_.unary("sigmoid", partner(name, x)));
      case 5:
        return c <= 16 ? b_.cat({x, pick(2) == 0 ? x : any()}, 2) : x;
      case 6:
      case 7:
        return attention(name, x, pick(2) == 0);
      case 8: {  // Scores of all tokens, written as sums.
        const ValueId other = partner(name, x);
        const ValueId scores = softmax(einsum("btc,bsc->bts", {x, other}, {kBatch, kTokens, kTokens}));
        const ValueId mixed = any();
        return einsum("bts,bsc->btc", {scores, mixed}, b_.sizes(mixed));
      }
      case 9:
        return einsum("btc,cd->btd", {x, b_.parameter(name, {c, 6})}, {kBatch, kTokens, 6});
      case 10: {  // A matrix for each head.
        if (c % 3 != 0) return x;
        const ValueId heads = b_.view(x, {kBatch, kTokens, 3, c / 3});
        const ValueId mixed =
            einsum("bthd,hde->bthe", {heads, b_.parameter(name, {3, c / 3, 4})}, {kBatch, kTokens, 3, 4});
        return b_.op("aten.flatten.using_ints", {{"self", mixed}, {"start_dim", 2}}, {kBatch, kTokens, 12});
      }
      case 11:
        return recurrent(name, x);
      case 12:
        return conv1d(name, x);
      case 13: {
        if (c % 2 != 0) return x;
        const auto halves = b_.ops("aten.chunk.default", {{"self", x}, {"chunks", 2}, {"dim", 2}},
                                   {{kBatch, kTokens, c / 2}, {kBatch, kTokens, c / 2}});
        return b_.mul(halves[0], b_.unary("sigmoid", halves[1]));
      }
      case 14:
        return matmul(x, b_.parameter(name, {c, 8}));
      case 15: {
        const ValueId table = b_.parameter(name + ".weight", {9, c});
        return b_.add(x, b_.op("aten.embedding.default", {{"weight", table}, {"indices", ids_}}, b_.sizes(x)));
      }
      case 16: {  // Channels in another order, some of them, or some twice.
        std::vector<int64_t> indices(static_cast<size_t>(1 + pick(static_cast<int>(c) + 2)));
        for (int64_t& index : indices) index = pick(static_cast<int>(c));
        const ValueId index = index_constant(name, indices);
        const std::vector<int64_t> sizes = {kBatch, kTokens, static_cast<int64_t>(indices.size())};
        if (pick(2) == 0) return b_.op("aten.index_select.default", {{"self", x}, {"dim", 2}, {"index", index}}, sizes);
        return b_.op("aten.index.Tensor", {{"self", x}, {"indices", Argument::List{Argument(), Argument(), index}}},
                     sizes);
      }
      default:
        return c > 4 ? b_.slice(x, 2, pick(4), pick(2) == 0 ? INT64_MAX : c - pick(2), 1 + pick(3)) : x;
    }
  }

  GraphBuilder b_;
  std::mt19937 random_;
  std::vector<ValueId> values_;
  ValueId ids_ = kNoValue;
};

TEST(RandomSequences, PrunedEqualsMasked) {
  size_t pruned_networks = 0;
  const std::vector<uint32_t> all = testing::seeds(300);
  for (const uint32_t seed : all) {
    SCOPED_TRACE(seed);
    const Graph graph = RandomSequence(seed).build(3 + static_cast<int>(seed % 30));
    PruningConfig config;
    config.metric = "random";
    config.seed = seed;
    config.sparsity = 0.3 + 0.2 * (seed % 3);
    config.dependencies.whole_heads = seed % 4 == 3;
    DependencyGraph dependencies;
    try {
      dependencies = analyze_dependencies(graph, config.dependencies);
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
