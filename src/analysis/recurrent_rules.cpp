// Recurrent layers and cells: a hidden index goes from the rows of every gate, from the columns that read the state,
// and from the states.
#include <algorithm>

#include "analysis/rules.h"

namespace tinyml::analysis {
namespace {

constexpr const char* kReads = "a recurrent layer reads features that cannot be removed";
constexpr const char* kSequence = "a recurrent layer runs over it";

/// Which initial states decide whether a hidden index whose weights are zero stays zero.
enum class ZeroState : uint8_t {
  kNone,    ///< Simple cells: tanh(0) and relu(0), whatever came before.
  kHidden,  ///< GRU: the previous state is mixed in.
  kMemory,  ///< LSTM: half of the previous cell state stays.
};

struct Kind {
  int64_t gates;
  ZeroState zero;
};

/// Weights of one direction of one layer; kNoValue for what it does not have.
struct Weights {
  ValueId input = kNoValue;        ///< [gates * hidden, features]
  ValueId recurrent = kNoValue;    ///< [gates * hidden, state]
  ValueId input_bias = kNoValue;   ///< [gates * hidden]
  ValueId hidden_bias = kNoValue;  ///< [gates * hidden]
  ValueId projection = kNoValue;   ///< [state, hidden]; without it the state is the hidden vector.
};

/// Indices of a direction: of its hidden vector (an LSTM's cell state) and of its state (the projected one).
struct Indices {
  LabelList hidden;
  LabelList state;
};

LabelList joined(const std::vector<LabelList>& lists) {
  auto result = std::make_shared<Labels>();
  for (const LabelList& list : lists) result->insert(result->end(), list->begin(), list->end());
  return result;
}

LabelList repeated(const LabelList& labels, int64_t times) {
  return joined(std::vector<LabelList>(static_cast<size_t>(times), labels));
}

/// Rows of a weight or bias follow `labels`; where they cannot, neither can go.
void link_rows(Propagation& p, const LabelList& labels, ValueId weight, int64_t dim, AxisRole role) {
  if (weight == kNoValue) return;
  p.link(labels, weight, dim, "a recurrent weight cannot be cut");
  p.set_role(weight, dim, role);
}

/// `features`: labels of what it reads, nullptr if fixed.
Indices link_direction(Propagation& p, const Weights& weights, const LabelList& features, int64_t gates) {
  const bool parameters = p.is_binding(weights.input) && p.is_binding(weights.recurrent) &&
                          (weights.projection == kNoValue || p.is_binding(weights.projection));
  Indices indices;
  indices.hidden = p.labels().fresh(p.sizes(weights.recurrent)[0] / gates);
  indices.state = indices.hidden;
  const LabelList rows = repeated(indices.hidden, gates);
  for (ValueId weight : {weights.input, weights.recurrent}) link_rows(p, rows, weight, 0, AxisRole::kProducer);
  for (ValueId bias : {weights.input_bias, weights.hidden_bias}) link_rows(p, rows, bias, 0, AxisRole::kFollower);
  if (weights.projection != kNoValue) {
    indices.state = p.labels().fresh(p.sizes(weights.projection)[0]);
    link_rows(p, indices.state, weights.projection, 0, AxisRole::kProducer);
    link_rows(p, indices.hidden, weights.projection, 1, AxisRole::kConsumer);
  }
  link_rows(p, indices.state, weights.recurrent, 1, AxisRole::kConsumer);
  if (!p.link(features, weights.input, 1, kReads) && features != nullptr) p.pin(features, kReads);
  p.set_role(weights.input, 1, AxisRole::kConsumer);
  if (!parameters) {
    const char* why = "the weights of a recurrent layer are computed";
    p.pin(indices.hidden, why);
    p.pin(indices.state, why);
    if (features != nullptr) p.pin(features, why);
  }
  return indices;
}

/// Whether the value is made for `node` alone, with one number everywhere.
bool is_own_fill(const Propagation& p, const Node& node, ValueId value) {
  const Value& state = p.graph().value(value);
  if (state.producer == kNoNode || p.graph().is_output(value)) return false;
  const std::string& op = p.graph().node(state.producer).op;
  return (op == "aten.zeros.default" || op == "aten.new_zeros.default") &&
         std::all_of(state.users.begin(), state.users.end(),
                     [&](NodeId user) { return &p.graph().node(user) == &node; });
}

/// Labels of a state tensor [rows, ..., size] (rows: layers times directions) or [..., size], and of the initial one,
/// which lose the same indices. Returns whether the initial entries of removed indices are zero.
bool link_state(Propagation& p, const Node& node, ValueId initial, ValueId last, std::vector<LabelList> rows,
                bool stacked) {
  const int64_t size = static_cast<int64_t>(rows[0]->size());
  const auto count = static_cast<int64_t>(rows.size());
  Blocks blocks;
  if (size > 1) {
    const int64_t dim = p.rank(last) - 1;
    Block block{{dim}, {size}, joined(rows)};
    if (stacked && count > 1) {
      block.dims = {0, dim};
      block.shape = {count, size};
      p.require_rectangle({count, size}, {true, false}, block.labels);
    }
    blocks.push_back(std::move(block));
  }
  p.set(last, blocks);
  if (is_own_fill(p, node, initial)) {
    p.set(initial, std::move(blocks));
    return true;
  }
  Blocks together = p.join({aligned(p, last), aligned(p, initial)}, p.sizes(last), ZeroRule::kAll);
  const bool zero = std::all_of(together.begin(), together.end(), [](const Block& block) { return block.zero; });
  p.set(last, std::move(together));
  return zero;
}

void set_zero(Propagation& p, ValueId value, bool zero) {
  Blocks blocks = p.known_blocks(value);
  for (Block& block : blocks) block.zero = zero;
  p.set(value, std::move(blocks));
}

bool stays_zero(const Kind& kind, const std::vector<bool>& initial_zero, bool projected) {
  if (projected || kind.zero == ZeroState::kNone) return true;
  return kind.zero == ZeroState::kHidden ? initial_zero.front() : initial_zero.back();
}

std::vector<ValueId> initial_states(const Node& node) {
  const Argument& states = node.arg("hx");
  return states.is_list() ? states.as_values() : std::vector<ValueId>{states.as_value()};
}

/// Layers over a whole sequence: outputs, last hidden states and, of LSTM, last cell states.
void propagate_layers(Propagation& p, const Node& node, const Kind& kind) {
  const ValueId input = operand(node);
  for (int64_t dim = p.rank(input) - 2; dim >= 0; --dim) p.fix(input, dim, kSequence);
  const std::vector<ValueId> params = node.arg("params").as_values();
  const int64_t directions = node.arg("bidirectional").as_bool() ? 2 : 1;
  const int64_t layers = node.arg("num_layers").as_int();
  const bool biased = node.arg("has_biases").as_bool();
  const size_t per_direction = params.size() / static_cast<size_t>(layers * directions);
  const bool projected = per_direction == (biased ? 5u : 3u);

  LabelList features = p.isolate(input, p.rank(input) - 1);
  std::vector<LabelList> hidden_rows, state_rows;
  for (int64_t layer = 0; layer < layers; ++layer) {
    std::vector<LabelList> own;
    for (int64_t direction = 0; direction < directions; ++direction) {
      const ValueId* first = &params[static_cast<size_t>(layer * directions + direction) * per_direction];
      Weights weights{first[0], first[1]};
      if (biased) weights.input_bias = first[2], weights.hidden_bias = first[3];
      if (projected) weights.projection = first[per_direction - 1];
      const Indices indices = link_direction(p, weights, features, kind.gates);
      hidden_rows.push_back(indices.hidden);
      state_rows.push_back(indices.state);
      own.push_back(indices.state);
    }
    features = joined(own);
  }
  const std::vector<ValueId> initial = initial_states(node);
  std::vector<bool> zero{link_state(p, node, initial[0], node.outputs[1], state_rows, true)};
  if (initial.size() > 1) zero.push_back(link_state(p, node, initial[1], node.outputs[2], hidden_rows, true));
  const bool stays = stays_zero(kind, zero, projected);
  set_zero(p, node.outputs[1], stays);
  if (initial.size() > 1) set_zero(p, node.outputs[2], zero.back());
  const int64_t last = p.rank(node.outputs[0]) - 1;
  const auto width = static_cast<int64_t>(features->size());
  if (width > 1) p.set(node.outputs[0], {{{last}, {width}, features, stays}});
}

/// One step: the new hidden state and, of an LSTM, the new cell state.
void propagate_cell(Propagation& p, const Node& node, const Kind& kind) {
  const ValueId input = operand(node);
  const Weights weights{node.arg("w_ih").as_value(), node.arg("w_hh").as_value(), optional_operand(node, "b_ih"),
                        optional_operand(node, "b_hh")};
  const LabelList features = p.isolate(input, p.rank(input) - 1);
  const Indices indices = link_direction(p, weights, features, kind.gates);
  const std::vector<ValueId> initial = initial_states(node);
  std::vector<bool> zero;
  for (size_t i = 0; i < initial.size(); ++i) {
    zero.push_back(link_state(p, node, initial[i], node.outputs[i], {indices.hidden}, false));
  }
  set_zero(p, node.outputs[0], stays_zero(kind, zero, false));
  if (initial.size() > 1) set_zero(p, node.outputs[1], zero.back());
}

}  // namespace

void add_recurrent_rules(Rules& rules) {
  const auto add = [&](const char* layers, const char* cell, Kind kind) {
    add_rules(rules, {layers}, [kind](Propagation& p, const Node& node) { propagate_layers(p, node, kind); });
    add_rules(rules, {cell}, [kind](Propagation& p, const Node& node) { propagate_cell(p, node, kind); });
  };
  add("aten.lstm.input", "aten.lstm_cell.default", {4, ZeroState::kMemory});
  add("aten.gru.input", "aten.gru_cell.default", {3, ZeroState::kHidden});
  add("aten.rnn_tanh.input", "aten.rnn_tanh_cell.default", {1, ZeroState::kNone});
  add("aten.rnn_relu.input", "aten.rnn_relu_cell.default", {1, ZeroState::kNone});
}

}  // namespace tinyml::analysis
