// The solver against every assignment of orders there is, on small random graphs.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tflite/builder.h"
#include "tflite/layout/operator_layout.h"
#include "tflite/layout/prepare_layout.h"
#include "tflite/layout/solve_layout.h"
#include "tinyml/tflite_passes.h"

namespace tinyml::tflite {
namespace {

using Cost = std::pair<int64_t, int64_t>;  // Bytes, then operators.

// Assigns every operator, in execution order, every configuration that it can run in with operands in any order at
// all, whether anybody asks for it or not. The cost of a value is settled when its last reader is assigned; what cannot
// become better than the best so far is cut off, so that the search is exhaustive and yet ends.
class Search {
 public:
  Search(const Subgraph& subgraph, const std::vector<Order>& inputs, const std::vector<Order>& outputs)
      : subgraph_(subgraph), uses_(find_uses(subgraph)), inputs_(inputs), outputs_(outputs) {
    const OperatorLayouts layouts(subgraph, uses_);
    for (size_t o = 0; o < subgraph.operators.size(); ++o) collect(layouts, static_cast<int>(o));
    settled_.resize(subgraph.operators.size() + 1);
    for (size_t t = 0; t < subgraph.tensors.size(); ++t) {
      const Tensor& tensor = subgraph.tensors[t];
      if (tensor.is_constant() || tensor.rank() < 2 || uses_.consumers[t].empty()) continue;
      int last = uses_.producer[t];
      for (const Use& use : uses_.consumers[t]) last = std::max(last, use.op);
      settled_[static_cast<size_t>(last + 1)].push_back(static_cast<int>(t));
    }
    chosen_.resize(domains_.size());
  }

  // Nothing when more than `limit` partial assignments would have to be looked at.
  std::optional<Cost> best_below(Cost bound, int64_t limit) {
    best_ = bound;
    left_ = limit;
    assign(0, settle(0));
    return left_ < 0 ? std::nullopt : std::optional<Cost>(best_);
  }

  double assignments() const {
    double product = 1;
    for (const auto& domain : domains_) product *= static_cast<double>(domain.size());
    return product;
  }

 private:
  const Tensor& tensor(int id) const { return subgraph_.tensors[static_cast<size_t>(id)]; }

  void collect(const OperatorLayouts& layouts, int o) {
    const Operator& op = subgraph_.operators[static_cast<size_t>(o)];
    std::vector<LayoutConfig> domain = layouts.own_configs(o);
    const auto offer = [&](bool is_input, const std::vector<int>& ids) {
      for (size_t slot = 0; slot < ids.size(); ++slot) {
        if (ids[slot] < 0) continue;
        Order order = identity_order(tensor(ids[slot]).rank());
        do {
          const auto config = layouts.follow(o, is_input, slot, order);
          if (config && std::find(domain.begin(), domain.end(), *config) == domain.end()) domain.push_back(*config);
        } while (std::next_permutation(order.begin(), order.end()));
      }
    };
    offer(true, op.inputs);
    offer(false, op.outputs);
    if (domain.empty()) domain.push_back(layouts.identity_config(o));
    domains_.push_back(std::move(domain));
  }

  const LayoutConfig& config(int o) const { return domains_[static_cast<size_t>(o)][chosen_[static_cast<size_t>(o)]]; }

  Cost settle(size_t step) const {
    Cost cost = {0, 0};
    for (const int t : settled_[step]) {
      Order made;
      const int producer = uses_.producer[static_cast<size_t>(t)];
      if (producer == kNoProducer) {
        const auto at = std::find(subgraph_.inputs.begin(), subgraph_.inputs.end(), t) - subgraph_.inputs.begin();
        made = inputs_[static_cast<size_t>(at)];
      } else {
        const auto& ids = subgraph_.operators[static_cast<size_t>(producer)].outputs;
        made = config(producer).outputs[static_cast<size_t>(std::find(ids.begin(), ids.end(), t) - ids.begin())];
      }
      std::set<Order> wanted;
      for (const Use& use : uses_.consumers[static_cast<size_t>(t)]) {
        const auto slot = static_cast<size_t>(use.input);
        wanted.insert(order_key(tensor(t), use.op == kGraphOutput ? outputs_[slot] : config(use.op).inputs[slot]));
      }
      wanted.erase(order_key(tensor(t), made));
      const auto count = static_cast<int64_t>(wanted.size());
      cost.first += count * byte_count(tensor(t).type, tensor(t).shape);
      cost.second += count;
    }
    return cost;
  }

  void assign(size_t o, Cost so_far) {
    if (--left_ < 0 || so_far >= best_) return;
    if (o == domains_.size()) {
      best_ = so_far;
      return;
    }
    for (chosen_[o] = 0; chosen_[o] < domains_[o].size(); ++chosen_[o]) {
      const Cost more = settle(o + 1);
      assign(o + 1, {so_far.first + more.first, so_far.second + more.second});
    }
    chosen_[o] = 0;
  }

  const Subgraph& subgraph_;
  const Uses uses_;
  const std::vector<Order>&inputs_, &outputs_;
  std::vector<std::vector<LayoutConfig>> domains_;
  std::vector<std::vector<int>> settled_;  // Values whose cost is known after so many operators.
  std::vector<size_t> chosen_;
  Cost best_;
  int64_t left_ = 0;
};

TEST(LayoutOptimality, NoAssignmentCostsLess) {
  int proven = 0;
  int with_cost = 0;
  int with_regions = 0;
  std::set<int> ranks;
  for (unsigned seed = 0; seed < 800; ++seed) {
    Model model = testing::random_model(seed, 3 + static_cast<int>(seed % 6));
    Subgraph& subgraph = model.subgraphs[0];
    prepare_layout(subgraph);
    const Uses uses = find_uses(subgraph);
    const OperatorLayouts layouts(subgraph, uses);
    std::vector<Order> inputs;
    std::vector<Order> outputs;
    const auto rank_of = [&](int id) { return subgraph.tensors[static_cast<size_t>(id)].rank(); };
    for (const int id : subgraph.inputs) inputs.push_back(channels_last_order(rank_of(id)));
    for (const int id : subgraph.outputs) outputs.push_back(identity_order(rank_of(id)));
    const LayoutSolution found = solve_layout(subgraph, uses, layouts, inputs, outputs);
    const Cost cost = {found.bytes_transposed, found.transposes};
    Search search(subgraph, inputs, outputs);
    const auto best = search.best_below(cost, 20'000);
    if (!best) continue;
    EXPECT_EQ(*best, cost) << "seed " << seed;
    ++proven;
    with_cost += cost.second > 0 ? 1 : 0;
    with_regions += cost.second > 1 && search.assignments() > 100 ? 1 : 0;
    for (const Tensor& tensor : subgraph.tensors) ranks.insert(tensor.rank());
  }
  EXPECT_GT(proven, 450);
  EXPECT_GT(with_cost, 200);
  EXPECT_GT(with_regions, 50);
  for (const int rank : {2, 3, 4, 5}) EXPECT_TRUE(ranks.contains(rank)) << rank;
}

}  // namespace
}  // namespace tinyml::tflite
