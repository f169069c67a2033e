// lstm, gru, rnn_tanh and rnn_relu, written out step by step: what tinyml.nn.QuantLSTM and its kind compute; and the
// cells lstm_cell, gru_cell, rnn_tanh_cell and rnn_relu_cell, one step.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "quantize/module_names.h"
#include "quantize/rewrite.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {
namespace {

/// Steps of all layers and directions together. Beyond, a step-by-step graph is unwieldy: the layer stays float.
constexpr int64_t kMostSteps = 2048;
constexpr const char* kStateFloat = "the state of recurrent layers is computed in float between integer products";

enum class Cell { kLstm, kGru, kTanh, kRelu };

std::optional<Cell> cell_of(const Node& node) {
  static const std::map<std::string, Cell, std::less<>> cells = {
      {"aten.lstm.input", Cell::kLstm},     {"aten.lstm_cell.default", Cell::kLstm},
      {"aten.gru.input", Cell::kGru},       {"aten.gru_cell.default", Cell::kGru},
      {"aten.rnn_tanh.input", Cell::kTanh}, {"aten.rnn_tanh_cell.default", Cell::kTanh},
      {"aten.rnn_relu.input", Cell::kRelu}, {"aten.rnn_relu_cell.default", Cell::kRelu},
  };
  const auto found = cells.find(node.op);
  return found == cells.end() ? std::nullopt : std::optional(found->second);
}

/// The tensors of one direction of one layer; none where the layer has none.
struct Weights {
  Argument input, hidden, input_bias, hidden_bias, projection;
};

class Expander {
 public:
  Expander(Graph& graph, NodeId id, Cell cell)
      : graph_(graph),
        id_(id),
        node_(graph.node(id)),
        cell_(cell),
        time_(node_.has_arg("batch_first") && node_.arg("batch_first").as_bool() ? 1 : 0) {}

  bool run() { return node_.has_arg("params") ? run_layers() : run_cell(); }

 private:
  struct ChainResult {
    ValueId sequence = kNoValue, hidden = kNoValue, memory = kNoValue;
  };

  bool run_layers() {
    if (!can_expand()) return false;
    claim_module();
    ValueId x = node_.arg("input").as_value();
    std::vector<ValueId> hidden;
    std::vector<ValueId> memory;
    for (int64_t layer = 0; layer < layers_; ++layer) {
      std::vector<ValueId> sequences;
      for (int64_t direction = 0; direction < directions_; ++direction) {
        const int64_t index = layer * directions_ + direction;
        suffix_ = fmt::format("_l{}{}", layer, direction == 1 ? "_reverse" : "");
        const auto [sequence, last, kept] = run_chain(x, index, direction == 1);
        sequences.push_back(sequence);
        hidden.push_back(last);
        memory.push_back(kept);
      }
      x = sequences[0];
      if (directions_ == 2) {
        suffix_ = fmt::format("_l{}", layer);
        x = mark(join(sequences, 2), "sequence");
      }
    }
    graph_.metadata(graph_.value(x).producer).other[std::string(kRecurrentOutput)] = "0";
    graph_.replace_all_uses(node_.outputs.at(0), x);
    finish(1, hidden);
    if (cell_ == Cell::kLstm) finish(2, memory);
    graph_.erase_node(id_);
    return true;
  }

  bool run_cell() {
    const ValueId x = node_.arg("input").as_value();
    if (graph_.tensor_type(x).rank() != 2 || graph_.tensor_type(x).type != ScalarType::kFloat32) return false;
    for (const char* name : {"w_ih", "w_hh", "b_ih", "b_hh"}) {
      const Argument& tensor = node_.arg(name);
      if (!tensor.is_none() && graph_.binding_of(tensor.as_value()) == nullptr) return false;
    }
    last_ = 1;
    set_sizes(node_.arg("w_hh").as_value());
    claim_module();
    const Argument& states = node_.arg("hx");
    const bool lstm = cell_ == Cell::kLstm;
    const ValueId given = lstm ? states.as_list().at(0).as_value() : states.as_value();
    // Rounded where it is read, like the input: each call of a cell's module is the same then.
    const ValueId hidden =
        mark(emit_float("aten.clone.default", {{"self", given}}, graph_.tensor_type(given)), "hidden");
    ChainResult before{kNoValue, given, lstm ? states.as_list().at(1).as_value() : kNoValue};
    const ValueId from_input = linear(x, node_.arg("w_ih"), node_.arg("b_ih"), "ih", "input_gates");
    const ValueId from_state = linear(hidden, node_.arg("w_hh"), node_.arg("b_hh"), "hh", "hidden_gates");
    const ChainResult after = step(from_input, from_state, before);
    graph_.replace_all_uses(node_.outputs.at(0), after.hidden);
    if (lstm && node_.outputs.at(1) != kNoValue) graph_.replace_all_uses(node_.outputs.at(1), after.memory);
    graph_.erase_node(id_);
    return true;
  }

  void set_sizes(ValueId hidden_weight) {
    gates_ = cell_ == Cell::kLstm ? 4 : (cell_ == Cell::kGru ? 3 : 1);
    size_ = graph_.tensor_type(hidden_weight).sizes().at(0) / gates_;
  }

  bool can_expand() {
    const TensorType& type = graph_.tensor_type(node_.arg("input").as_value());
    if (type.rank() != 3 || type.type != ScalarType::kFloat32 || node_.arg("train").as_bool()) return false;
    const Dim& steps = type.shape[static_cast<size_t>(time_)];
    if (!steps.is_static()) return false;
    steps_ = type.sizes()[static_cast<size_t>(time_)];
    layers_ = node_.arg("num_layers").as_int();
    directions_ = node_.arg("bidirectional").as_bool() ? 2 : 1;
    const Argument::List& params = node_.arg("params").as_list();
    const bool biased = node_.arg("has_biases").as_bool();
    const auto chains = static_cast<size_t>(layers_ * directions_);
    if (steps_ < 1 || steps_ * layers_ * directions_ > kMostSteps || params.empty() || params.size() % chains != 0) {
      return false;
    }
    const size_t each = params.size() / chains;
    const size_t plain = biased ? 4 : 2;
    if (each != plain && each != plain + 1) return false;
    for (const Argument& param : params) {
      if (!param.is_value() || graph_.binding_of(param.as_value()) == nullptr) return false;
    }
    for (size_t i = 0; i < chains; ++i) {
      const Argument* first = params.data() + i * each;
      Weights weights{first[0], first[1], {}, {}, {}};
      if (biased) {
        weights.input_bias = first[2];
        weights.hidden_bias = first[3];
      }
      if (each > plain) weights.projection = first[plain];
      weights_.push_back(std::move(weights));
    }
    set_sizes(weights_[0].hidden.as_value());
    return true;
  }

  /// A module of torch.nn that does nothing else (but make a state of zeros) becomes one of tinyml.nn; another becomes
  /// one of nobody's, which can have submodules.
  void claim_module() {
    const std::vector<ModuleCall> stack = node_.metadata.module_stack;
    if (stack.empty() || !stack.back().type.starts_with("torch.nn.modules.rnn.")) {
      prefix_ = graph_.value(node_.outputs.at(0)).name + "_";
      return;
    }
    const std::string key = stack.back().key;
    const std::string name{last_component(stack.back().type)};
    bool alone = name == "LSTM" || name == "GRU" || name == "RNN";
    std::vector<NodeId> inside;
    for (const NodeId id : graph_.nodes()) {
      const std::vector<ModuleCall>& calls = graph_.node(id).metadata.module_stack;
      const bool within = std::any_of(calls.begin(), calls.end(), [&](const ModuleCall& c) { return c.key == key; });
      if (!within) continue;
      inside.push_back(id);
      alone = alone && (id == id_ || graph_.node(id).op == "aten.zeros.default");
    }
    const std::string type = (alone ? "tinyml.nn.quant_recurrent.Quant" : "tinyml.rewritten.") + name;
    for (const NodeId id : inside) {
      for (ModuleCall& call : graph_.metadata(id).module_stack) {
        if (call.key == key) call.type = type;
      }
    }
    node_ = graph_.node(id_);
  }

  Metadata metadata() const {
    Metadata metadata;
    metadata.stack_trace = node_.metadata.stack_trace;
    metadata.module_stack = node_.metadata.module_stack;
    metadata.other[std::string(kRewrittenFrom)] = node_.op;
    return metadata;
  }

  TensorType resized(ValueId like, size_t axis, int64_t size) const {
    TensorType type = graph_.tensor_type(like);
    type.shape[axis] = Dim(size);
    type.strides.clear();
    type.requires_grad = false;
    return type;
  }

  ValueId emit(const char* op, std::vector<NamedArgument> args, TensorType type, Metadata metadata) {
    type.strides.clear();
    const ValueId value = graph_.add_operator(op, make_args(op, std::move(args)), std::move(type), id_, id_);
    graph_.metadata(graph_.value(value).producer) = std::move(metadata);
    return value;
  }

  /// An operator of the float part between two products.
  ValueId emit_float(const char* op, std::vector<NamedArgument> args, const TensorType& type) {
    Metadata own = metadata();
    own.other[std::string(kKeptFloat)] = kStateFloat;
    return emit(op, std::move(args), type, std::move(own));
  }

  ValueId linear(ValueId x, const Argument& weight, const Argument& bias, const char* which, const char* quantizer) {
    Metadata own = metadata();
    own.other[std::string(kWeightQuantizer)] = fmt::format("{}weight_{}{}_fq", prefix_, which, suffix_);
    own.other[std::string(kQuantizer)] = fmt::format("{}{}{}_fq", prefix_, quantizer, suffix_);
    const TensorType type = resized(x, last_, graph_.tensor_type(weight.as_value()).sizes().at(0));
    const std::string group = own.other.at(std::string(kQuantizer));
    const ValueId result =
        emit("aten.linear.default", {{"input", x}, {"weight", weight}, {"bias", bias}}, type, std::move(own));
    const std::string& leader = leaders_.try_emplace(group, graph_.value(result).name).first->second;
    graph_.metadata(graph_.value(result).producer).other[std::string(kLeader)] = leader;
    return result;
  }

  ValueId slice(ValueId x, int64_t axis, int64_t begin, int64_t count) {
    return emit("aten.slice.Tensor", {{"self", x}, {"dim", axis}, {"start", begin}, {"end", begin + count}},
                resized(x, static_cast<size_t>(axis), count), metadata());
  }

  ValueId join(const std::vector<ValueId>& parts, int64_t axis) {
    return emit("aten.cat.default", {{"tensors", list(parts)}, {"dim", axis}}, joined_type(parts, axis), metadata());
  }

  static Argument list(const std::vector<ValueId>& values) {
    Argument::List items;
    for (const ValueId value : values) items.emplace_back(value);
    return items;
  }

  TensorType joined_type(const std::vector<ValueId>& parts, int64_t axis) const {
    int64_t total = 0;
    for (const ValueId part : parts) total += graph_.tensor_type(part).sizes().at(static_cast<size_t>(axis));
    return resized(parts[0], static_cast<size_t>(axis), total);
  }

  ValueId binary(const char* op, ValueId a, ValueId b) {
    return emit_float(op, {{"self", a}, {"other", b}}, graph_.tensor_type(a));
  }
  ValueId unary(const char* op, ValueId x) { return emit_float(op, {{"self", x}}, graph_.tensor_type(x)); }

  std::vector<ValueId> split(ValueId x) {
    const int64_t parts = graph_.tensor_type(x).sizes().at(last_) / size_;
    Node node;
    node.op = "aten.split.Tensor";
    node.args = make_args(node.op, {{"self", x}, {"split_size", size_}, {"dim", static_cast<int64_t>(last_)}});
    node.returns_list = true;
    node.metadata = metadata();
    node.metadata.other[std::string(kKeptFloat)] = kStateFloat;
    const TensorType part = resized(x, last_, size_);
    for (int64_t i = 0; i < parts; ++i) node.outputs.push_back(graph_.add_value("split", part));
    std::vector<ValueId> outputs = node.outputs;
    graph_.add_node(std::move(node), id_);
    return outputs;
  }

  /// Names the FakeQuant of a value; values of one name share it, as h of all steps does.
  ValueId mark(ValueId value, const char* name) {
    graph_.metadata(graph_.value(value).producer).other[std::string(kQuantizer)] = prefix_ + name + suffix_ + "_fq";
    return value;
  }

  /// Of a state [layers * directions, N, width] that of one chain, one step on the time axis.
  ValueId initial(const Argument& states, int64_t index) {
    const ValueId all = states.as_value();
    ValueId one = emit_float("aten.slice.Tensor", {{"self", all}, {"dim", 0}, {"start", index}, {"end", index + 1}},
                             resized(all, 0, 1));
    return time_ == 1 ? swapped(one) : one;
  }

  ValueId swapped(ValueId x) {
    TensorType type = graph_.tensor_type(x);
    std::swap(type.shape[0], type.shape[1]);
    return emit_float("aten.transpose.int", {{"self", x}, {"dim0", 0}, {"dim1", 1}}, type);
  }

  ChainResult run_chain(ValueId x, int64_t index, bool backward) {
    const Weights& weights = weights_[static_cast<size_t>(index)];
    const ValueId projected = linear(x, weights.input, weights.input_bias, "ih", "input_gates");
    if (index == 0) graph_.metadata(graph_.value(projected).producer).other[std::string(kConstructor)] = constructor();
    const bool lstm = cell_ == Cell::kLstm;
    const Argument& states = node_.arg("hx");
    ChainResult state;
    state.hidden = mark(initial(lstm ? states.as_list().at(0) : states, index), "hidden");
    if (lstm) state.memory = initial(states.as_list().at(1), index);
    std::vector<ValueId> outputs(static_cast<size_t>(steps_));
    for (int64_t i = 0; i < steps_; ++i) {
      const int64_t now = backward ? steps_ - 1 - i : i;
      const ValueId from_input = slice(projected, time_, now, 1);
      const ValueId from_state = linear(state.hidden, weights.hidden, weights.hidden_bias, "hh", "hidden_gates");
      state = step(from_input, from_state, state);
      if (weights.projection.is_value()) {
        state.hidden = linear(mark(state.hidden, "output"), weights.projection, {}, "hr", "hidden");
      } else {
        mark(state.hidden, "hidden");
      }
      outputs[static_cast<size_t>(now)] = state.hidden;
    }
    state.sequence = join(outputs, time_);
    return state;
  }

  /// What tensors do not tell of the module.
  std::string constructor() const {
    std::string text;
    if (time_ == 1) text += ";batch_first=True";
    if (const double dropout = node_.arg("dropout").as_double(); dropout != 0) {
      text += fmt::format(";dropout={}", dropout);
    }
    if (cell_ == Cell::kRelu) text += ";nonlinearity=\"relu\"";
    return text;
  }

  ChainResult step(ValueId from_input, ValueId from_state, const ChainResult& before) {
    if (cell_ == Cell::kGru) return gru_step(from_input, from_state, before);
    const ValueId sum = binary("aten.add.Tensor", from_input, from_state);
    if (cell_ == Cell::kTanh) return {kNoValue, unary("aten.tanh.default", sum), kNoValue};
    if (cell_ == Cell::kRelu) return {kNoValue, unary("aten.relu.default", sum), kNoValue};
    const std::vector<ValueId> gates = split(unary("aten.sigmoid.default", sum));
    const ValueId candidate = unary("aten.tanh.default", float_slice(sum, 2 * size_, size_));
    const ValueId kept = binary("aten.mul.Tensor", gates[1], before.memory);
    const ValueId memory = binary("aten.add.Tensor", kept, binary("aten.mul.Tensor", gates[0], candidate));
    return {kNoValue, binary("aten.mul.Tensor", gates[3], unary("aten.tanh.default", memory)), memory};
  }

  ValueId float_slice(ValueId x, int64_t begin, int64_t count) {
    return emit_float("aten.slice.Tensor",
                      {{"self", x}, {"dim", static_cast<int64_t>(last_)}, {"start", begin}, {"end", begin + count}},
                      resized(x, last_, count));
  }

  ChainResult gru_step(ValueId from_input, ValueId from_state, const ChainResult& before) {
    const ValueId sum =
        binary("aten.add.Tensor", float_slice(from_input, 0, 2 * size_), float_slice(from_state, 0, 2 * size_));
    const std::vector<ValueId> gates = split(unary("aten.sigmoid.default", sum));
    const ValueId recalled = binary("aten.mul.Tensor", gates[0], float_slice(from_state, 2 * size_, size_));
    const ValueId fresh =
        unary("aten.tanh.default", binary("aten.add.Tensor", float_slice(from_input, 2 * size_, size_), recalled));
    const ValueId change = binary("aten.mul.Tensor", gates[1], binary("aten.sub.Tensor", before.hidden, fresh));
    return {kNoValue, binary("aten.add.Tensor", fresh, change), kNoValue};
  }

  void finish(size_t index, const std::vector<ValueId>& states) {
    const ValueId output = node_.outputs.at(index);
    if (output == kNoValue || (graph_.is_unused(output) && !graph_.is_output(output))) return;
    std::vector<ValueId> parts = states;
    if (time_ == 1) std::transform(parts.begin(), parts.end(), parts.begin(), [&](ValueId v) { return swapped(v); });
    const ValueId joined =
        emit_float("aten.cat.default", {{"tensors", list(parts)}, {"dim", 0}}, joined_type(parts, 0));
    graph_.metadata(graph_.value(joined).producer).other[std::string(kRecurrentOutput)] = std::to_string(index);
    graph_.replace_all_uses(output, joined);
  }

  Graph& graph_;
  NodeId id_;
  Node node_;
  Cell cell_;
  int64_t time_;
  size_t last_ = 2;  ///< The dimension of the features.
  int64_t steps_ = 0, layers_ = 0, directions_ = 0, gates_ = 0, size_ = 0;
  std::vector<Weights> weights_;
  std::map<std::string, std::string> leaders_;  ///< FakeQuant -> the first result that has it.
  std::string prefix_, suffix_;                 ///< Of the names of FakeQuants.
};

}  // namespace

int rewrite_recurrent(Graph& graph, const std::function<bool(const Node&)>& wanted) {
  int changes = 0;
  for (const NodeId id : graph.nodes()) {
    const std::optional<Cell> cell = cell_of(graph.node(id));
    if (cell && wanted(graph.node(id))) changes += Expander(graph, id, *cell).run() ? 1 : 0;
  }
  return changes;
}

}  // namespace tinyml::quantization
