// Orders spread from the operators that ask for them: a *label* is an order at one tensor, carried in both directions
// through every operator that can follow it; it gives each operator it reaches one configuration. Choosing among
// labels is an energy of the form "bytes of t if the producer's order differs from one that some consumer wants".
// Switching any set of operators to one label at once is a minimum cut (every such term becomes edges, with a helper
// node for "some consumer"), so with two labels a single cut is optimal, and with more, cuts are repeated until none
// improves (expansion moves).
#include "tflite/layout/solve_layout.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "graph/min_cut.h"
#include "tinyml/error.h"

namespace tinyml::tflite {
namespace {

constexpr size_t kMostVisits = 20'000'000;  // Bound on the total size of labels; more labels are not tried.
// So much work in all may go into labels that start where an earlier one has been, and so much in each into places
// where an earlier one has been: small graphs get every label whole, large ones stay linear.
constexpr size_t kRepeatedSeeds = 4'000;
constexpr size_t kRepeatedPlaces = 1'000;
// Fewest bytes first, then fewest operators: what one byte weighs, where a TRANSPOSE weighs one.
constexpr int64_t kByteWeight = 4096;

bool only_moves(Op op) {
  return op == Op::RESHAPE || op == Op::TRANSPOSE || op == Op::SLICE || op == Op::STRIDED_SLICE || op == Op::SPLIT;
}

// Bits of an element as it will lie in memory: what is moved behind a DEQUANTIZE or in front of a QUANTIZE is moved as
// integers once the quantization is folded.
std::vector<int64_t> stored_bits(const Subgraph& subgraph, const Uses& uses) {
  std::vector<int64_t> bits;
  for (const Tensor& tensor : subgraph.tensors) bits.push_back(bits_of(tensor.type) == 0 ? 64 : bits_of(tensor.type));
  const auto at = [&](int id) -> int64_t& { return bits[static_cast<size_t>(id)]; };
  const auto moved = [](const Operator& op) { return op.inputs[op.op == Op::SPLIT ? 1 : 0]; };
  const auto is_quantized = [&](int id) { return !subgraph.tensors[static_cast<size_t>(id)].quantization.empty(); };
  for (const Operator& op : subgraph.operators) {
    const bool from = op.op == Op::DEQUANTIZE && is_quantized(op.inputs[0]);
    if (!from && !only_moves(op.op)) continue;
    for (const int out : op.outputs) at(out) = std::min(at(out), at(moved(op)));
  }
  for (auto op = subgraph.operators.rbegin(); op != subgraph.operators.rend(); ++op) {
    const bool to = op->op == Op::QUANTIZE;
    if (!to && !only_moves(op->op)) continue;
    const int x = moved(*op);
    if (uses.consumers[static_cast<size_t>(x)].size() != 1) continue;
    for (const int out : op->outputs) at(x) = std::min(at(x), at(out));
  }
  return bits;
}

class Solver {
 public:
  Solver(const Subgraph& subgraph, const Uses& uses, const OperatorLayouts& layouts, const std::vector<Order>& inputs,
         const std::vector<Order>& outputs)
      : subgraph_(subgraph), uses_(uses), layouts_(layouts), outputs_(outputs), input_order_(subgraph.tensors.size()) {
    bits_ = stored_bits(subgraph, uses);
    for (size_t i = 0; i < inputs.size(); ++i) input_order_[static_cast<size_t>(subgraph.inputs[i])] = inputs[i];
  }

  LayoutSolution solve() {
    collect_labels();
    const size_t count = subgraph_.operators.size();
    current_.assign(count, 0);
    for (size_t o = 0; o < count; ++o) {
      if (domain_[o].empty()) domain_[o].push_back(layouts_.identity_config(static_cast<int>(o)));
    }
    intern_keys();
    node_.assign(count, -1);
    target_.assign(count, -1);
    bool improved = true;
    for (int round = 0; improved && round < 16; ++round) {
      improved = false;
      for (const Label& label : labels_) improved = expand(label) || improved;
    }
    LayoutSolution solution;
    for (size_t o = 0; o < count; ++o) {
      solution.configs.push_back(domain_[o][static_cast<size_t>(current_[o])]);
    }
    for (int t = 0; t < static_cast<int>(subgraph_.tensors.size()); ++t) {
      const int64_t needed = transposes_of(t);
      if (needed == 0) continue;
      solution.transposes += static_cast<int>(needed);
      solution.bytes_transposed += needed * bytes(t);
    }
    return solution;
  }

 private:
  struct Choice {
    int op, config;
  };
  using Label = std::vector<Choice>;

  const Tensor& tensor(int id) const { return subgraph_.tensors[static_cast<size_t>(id)]; }
  const Operator& op_at(int o) const { return subgraph_.operators[static_cast<size_t>(o)]; }
  bool has_order(int id) const { return id != kNoTensor && tensor(id).rank() >= 2 && !tensor(id).is_constant(); }

  int config_index(int o, const LayoutConfig& config) {
    auto& domain = domain_[static_cast<size_t>(o)];
    const auto at = std::find(domain.begin(), domain.end(), config);
    if (at != domain.end()) return static_cast<int>(at - domain.begin());
    domain.push_back(config);
    return static_cast<int>(domain.size()) - 1;
  }

  void collect_labels() {
    const size_t count = subgraph_.operators.size();
    domain_.resize(count);
    stamp_.assign(count, -1);
    std::vector<size_t> own(count);
    for (size_t o = 0; o < count; ++o) {
      domain_[o] = layouts_.own_configs(static_cast<int>(o));
      own[o] = domain_[o].size();
    }
    for (size_t o = 0; o < count; ++o) {
      for (size_t c = 0; c < own[o]; ++c) {
        const LayoutConfig config = domain_[o][c];
        const Operator& op = op_at(static_cast<int>(o));
        for (size_t i = 0; i < op.inputs.size(); ++i) seed(op.inputs[i], config.inputs[i]);
        for (size_t i = 0; i < op.outputs.size(); ++i) seed(op.outputs[i], config.outputs[i]);
        if (own[o] > 1) labels_.push_back({{static_cast<int>(o), static_cast<int>(c)}});
      }
    }
    for (int id : subgraph_.inputs) seed(id, input_order_[static_cast<size_t>(id)]);
    for (size_t i = 0; i < outputs_.size(); ++i) seed(subgraph_.outputs[i], outputs_[i]);
  }

  // Starts a label, unless an earlier one has been here.
  void seed(int id, const Order& order) {
    if (id == kNoTensor || order.empty() || !has_order(id) || visits_ > kMostVisits) return;
    if (!seeds_.insert({id, order_key(tensor(id), order)}).second) return;
    if (visits_ > kRepeatedSeeds && visited_.contains({id, order_key(tensor(id), order)})) return;
    Label label;
    const int number = ++last_label_;
    size_t repeated = 0;
    std::set<std::pair<int, Order>> inside;
    // By the axes that the order tells apart, most first: a factor of each channel alone says nothing of the order in
    // which an operator is to run that reads it.
    std::map<size_t, std::vector<std::pair<int, Order>>, std::greater<>> open;
    const auto visit_later = [&](int value, const Order& in) {
      if (has_order(value) && !in.empty()) open[order_key(tensor(value), in).size()].emplace_back(value, in);
    };
    visit_later(id, order);
    while (!open.empty()) {
      auto& next = open.begin()->second;
      const auto at = next.back().first;  // no structured binding: lambdas below capture them
      const auto wanted = std::move(next.back().second);
      next.pop_back();
      if (next.empty()) open.erase(open.begin());
      std::pair<int, Order> place = {at, order_key(tensor(at), wanted)};
      if (!inside.insert(place).second) continue;
      if (!visited_.insert(std::move(place)).second && ++repeated > kRepeatedPlaces) continue;
      const auto reach = [&](int o, bool is_input, size_t slot) {
        ++visits_;
        int& stamp = stamp_[static_cast<size_t>(o)];
        if (stamp == number) return;
        const auto config = layouts_.follow(o, is_input, slot, wanted);
        if (!config) return;
        stamp = number;
        label.push_back({o, config_index(o, *config)});
        const Operator& op = op_at(o);
        for (size_t i = 0; i < op.inputs.size(); ++i) visit_later(op.inputs[i], config->inputs[i]);
        for (size_t i = 0; i < op.outputs.size(); ++i) visit_later(op.outputs[i], config->outputs[i]);
      };
      const int producer = uses_.producer[static_cast<size_t>(at)];
      if (producer != kNoProducer) {
        const auto& made = op_at(producer).outputs;
        reach(producer, false, static_cast<size_t>(std::find(made.begin(), made.end(), at) - made.begin()));
      }
      for (const Use& use : uses_.consumers[static_cast<size_t>(at)]) {
        if (use.op != kGraphOutput) reach(use.op, true, static_cast<size_t>(use.input));
      }
    }
    if (!label.empty()) labels_.push_back(std::move(label));
  }

  int key_of(int id, const Order& order) {
    if (!has_order(id) || order.empty()) return -1;
    return key_numbers_.try_emplace(order_key(tensor(id), order), static_cast<int>(key_numbers_.size())).first->second;
  }

  // Numbers for the orders in all configurations: [op][config][slot], inputs first.
  void intern_keys() {
    keys_.resize(domain_.size());
    for (size_t o = 0; o < domain_.size(); ++o) {
      const Operator& op = subgraph_.operators[o];
      for (const LayoutConfig& config : domain_[o]) {
        std::vector<int> keys;
        for (size_t i = 0; i < op.inputs.size(); ++i) keys.push_back(key_of(op.inputs[i], config.inputs[i]));
        for (size_t i = 0; i < op.outputs.size(); ++i) keys.push_back(key_of(op.outputs[i], config.outputs[i]));
        keys_[o].push_back(std::move(keys));
      }
    }
    input_key_.assign(subgraph_.tensors.size(), -1);
    for (int id : subgraph_.inputs)
      input_key_[static_cast<size_t>(id)] = key_of(id, input_order_[static_cast<size_t>(id)]);
    for (size_t i = 0; i < outputs_.size(); ++i) output_key_.push_back(key_of(subgraph_.outputs[i], outputs_[i]));
  }

  // An operator's key at a slot now, and after a switch (the same for operators outside the label).
  struct Demand {
    int op;  // Operator that may switch, or -1.
    int before, after;
  };

  Demand demand(int o, size_t slot) const {
    const auto i = static_cast<size_t>(o);
    const int before = keys_[i][static_cast<size_t>(current_[i])][slot];
    if (target_[i] < 0) return {-1, before, before};
    return {o, before, keys_[i][static_cast<size_t>(target_[i])][slot]};
  }

  Demand supply(int id) const {
    const int producer = uses_.producer[static_cast<size_t>(id)];
    if (producer == kNoProducer) return {-1, input_key_[static_cast<size_t>(id)], input_key_[static_cast<size_t>(id)]};
    const Operator& op = op_at(producer);
    const auto slot = static_cast<size_t>(std::find(op.outputs.begin(), op.outputs.end(), id) - op.outputs.begin());
    return demand(producer, op.inputs.size() + slot);
  }

  std::vector<Demand> demands(int id) const {
    std::vector<Demand> result;
    for (const Use& use : uses_.consumers[static_cast<size_t>(id)]) {
      const auto slot = static_cast<size_t>(use.input);
      const Demand d = use.op == kGraphOutput ? Demand{-1, output_key_[slot], output_key_[slot]} : demand(use.op, slot);
      if (d.before >= 0) result.push_back(d);
    }
    return result;
  }

  int64_t bytes(int id) const { return (bits_[static_cast<size_t>(id)] * element_count(tensor(id).shape) + 7) / 8; }

  int64_t weight(int id) const { return std::min(bytes(id), INT64_MAX >> 24) * kByteWeight + 1; }

  // How many TRANSPOSEs of the value there are now.
  int64_t transposes_of(int id) const {
    if (!has_order(id)) return 0;
    const int made = supply(id).before;
    std::set<int> wanted;
    for (const Demand& d : demands(id)) {
      if (d.before != made) wanted.insert(d.before);
    }
    return static_cast<int64_t>(wanted.size());
  }

  int64_t cost(int id) const {
    const int64_t count = transposes_of(id);
    return count == 0 ? 0 : count * weight(id);
  }

  // Offers the label's configuration to every operator it reaches, and switches the best set of them.
  bool expand(const Label& label) {
    std::vector<int> switching;
    std::vector<int> touched;
    for (const Choice& choice : label) {
      const auto o = static_cast<size_t>(choice.op);
      if (current_[o] == choice.config) continue;
      target_[o] = choice.config;
      switching.push_back(choice.op);
      const Operator& op = op_at(choice.op);
      for (int id : op.inputs) touched.push_back(id);
      for (int id : op.outputs) touched.push_back(id);
    }
    if (switching.empty()) return false;
    std::sort(touched.begin(), touched.end());
    touched.erase(std::unique(touched.begin(), touched.end()), touched.end());
    std::erase_if(touched, [&](int id) { return !has_order(id); });

    MinCut cut;
    for (int o : switching) node_[static_cast<size_t>(o)] = cut.add_node();
    int64_t before = 0;
    for (int id : touched) {
      before += cost(id);
      add_terms(cut, id);
    }
    cut.solve();
    std::vector<std::pair<int, int>> undo;
    for (int o : switching) {
      const auto i = static_cast<size_t>(o);
      if (cut.on_sink_side(node_[i])) {
        undo.emplace_back(o, current_[i]);
        current_[i] = target_[i];
      }
      target_[i] = node_[i] = -1;
    }
    int64_t after = 0;
    for (int id : touched) after += cost(id);
    if (after < before) return true;
    for (const auto& [o, config] : undo) current_[static_cast<size_t>(o)] = config;
    return false;
  }

  // Source side: keeps. Sink side: switches.
  void add_terms(MinCut& cut, int id) {
    const Demand made = supply(id);
    const std::vector<Demand> wanted = demands(id);
    std::set<int> keys;
    for (const Demand& d : wanted) keys.insert({d.before, d.after});
    const int64_t capacity = weight(id);
    for (int key : keys) {
      const bool differs_kept = made.before != key;
      const bool differs_switched = made.after != key;
      if (!differs_kept && !differs_switched) continue;
      bool always = false;
      std::vector<int> when_kept;
      std::vector<int> when_switched;
      for (const Demand& d : wanted) {
        if (d.before == key && d.after == key) always = true;
        if (d.before == key && d.after != key) when_kept.push_back(node_[static_cast<size_t>(d.op)]);
        if (d.before != key && d.after == key) when_switched.push_back(node_[static_cast<size_t>(d.op)]);
      }
      // Combinations that no cut expresses are bounded from above; expand() checks the true cost.
      if (!when_kept.empty() && !when_switched.empty()) always = true;
      if (differs_kept && !differs_switched && !when_kept.empty()) always = true;
      if (!differs_kept && differs_switched && !when_switched.empty()) always = true;
      const int producer = made.op < 0 ? -1 : node_[static_cast<size_t>(made.op)];
      if (always) {
        if (differs_kept && differs_switched) continue;  // A constant.
        if (differs_kept) {
          cut.add_edge(producer, cut.sink(), capacity);
        } else {
          cut.add_edge(cut.source(), producer, capacity);
        }
        continue;
      }
      const int helper = cut.add_node();
      if (!when_switched.empty()) {
        cut.add_edge(differs_switched ? cut.source() : producer, helper, capacity);
        for (int node : when_switched) cut.add_edge(helper, node, MinCut::kInfinite);
      } else {
        cut.add_edge(helper, differs_kept ? cut.sink() : producer, capacity);
        for (int node : when_kept) cut.add_edge(node, helper, MinCut::kInfinite);
      }
    }
  }

  const Subgraph& subgraph_;
  const Uses& uses_;
  const OperatorLayouts& layouts_;
  const std::vector<Order>& outputs_;
  std::vector<Order> input_order_;
  std::vector<int64_t> bits_;  // Of an element, by tensor.
  std::vector<std::vector<LayoutConfig>> domain_;
  std::vector<Label> labels_;
  std::set<std::pair<int, Order>> seeds_, visited_;
  int last_label_ = 0;
  std::vector<int> stamp_;
  size_t visits_ = 0;
  std::map<Order, int> key_numbers_;
  std::vector<std::vector<std::vector<int>>> keys_;
  std::vector<int> input_key_, output_key_;
  std::vector<int> current_, target_, node_;
};

}  // namespace

LayoutSolution solve_layout(const Subgraph& subgraph, const Uses& uses, const OperatorLayouts& layouts,
                            const std::vector<Order>& inputs, const std::vector<Order>& outputs) {
  return Solver(subgraph, uses, layouts, inputs, outputs).solve();
}

}  // namespace tinyml::tflite
