// The solver against every assignment of orders there is, on small random graphs.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
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
      if (tensor(static_cast<int>(t)).is_constant() || tensor(static_cast<int>(t)).rank() < 2) continue;
      if (!uses_.consumers[t].empty()) follow_value(static_cast<int>(t));
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
  // Who gives or wants a value: the number of its order by the operator's choice, one number for the graph itself.
  struct Side {
    int op = kGraphOutput;
    std::vector<int> numbers;
  };
  struct Value {
    int64_t bytes = 0;
    Side made;
    std::vector<Side> wanted;
  };

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

  // Two orders of a tensor have the same number when they lay its bytes out alike.
  int number_of(int id, const Order& order) {
    return numbers_.try_emplace(order_key(tensor(id), order), static_cast<int>(numbers_.size())).first->second;
  }

  // The numbers of the orders that operator `o` gives or wants by its choice.
  Side by_choice(int id, int o, size_t slot, std::vector<Order> LayoutConfig::*operands) {
    Side side{o, {}};
    for (const LayoutConfig& config : domains_[static_cast<size_t>(o)]) {
      side.numbers.push_back(number_of(id, (config.*operands)[slot]));
    }
    return side;
  }

  void follow_value(int id) {
    const auto place = [&](const std::vector<int>& ids) {
      return static_cast<size_t>(std::find(ids.begin(), ids.end(), id) - ids.begin());
    };
    const int producer = uses_.producer[static_cast<size_t>(id)];
    Value value;
    value.bytes = byte_count(tensor(id).type, tensor(id).shape);
    if (producer == kNoProducer) {
      value.made = {kGraphOutput, {number_of(id, inputs_[place(subgraph_.inputs)])}};
    } else {
      const auto& made = subgraph_.operators[static_cast<size_t>(producer)].outputs;
      value.made = by_choice(id, producer, place(made), &LayoutConfig::outputs);
    }
    int last = producer;
    for (const Use& use : uses_.consumers[static_cast<size_t>(id)]) {
      const auto slot = static_cast<size_t>(use.input);
      last = std::max(last, use.op);
      value.wanted.push_back(use.op == kGraphOutput ? Side{kGraphOutput, {number_of(id, outputs_[slot])}}
                                                    : by_choice(id, use.op, slot, &LayoutConfig::inputs));
    }
    settled_[static_cast<size_t>(last + 1)].push_back(std::move(value));
  }

  int number(const Side& side) const {
    return side.numbers[side.op == kGraphOutput ? 0 : chosen_[static_cast<size_t>(side.op)]];
  }

  Cost settle(size_t step) {
    Cost cost = {0, 0};
    for (const Value& value : settled_[step]) {
      const int made = number(value.made);
      seen_.clear();
      for (const Side& side : value.wanted) {
        const int wanted = number(side);
        if (wanted != made && std::find(seen_.begin(), seen_.end(), wanted) == seen_.end()) seen_.push_back(wanted);
      }
      const auto count = static_cast<int64_t>(seen_.size());
      cost.first += count * value.bytes;
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
  std::vector<std::vector<Value>> settled_;  // Values whose cost is known after so many operators.
  std::map<Order, int> numbers_;
  std::vector<int> seen_;
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
