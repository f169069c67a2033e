#include "quantize/restore_recurrent.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <optional>
#include <set>
#include <string_view>
#include <vector>

#include "graph/node_notes.h"
#include "quantize/module_names.h"
#include "quantize/rewrite.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {
namespace {

constexpr std::string_view kOwnModules = "tinyml.nn.quant_recurrent.Quant";

/// One call of a module.
class Restorer {
 public:
  Restorer(Graph& graph, std::vector<NodeId> nodes, std::string path, std::string_view name)
      : graph_(graph), nodes_(std::move(nodes)), path_(std::move(path)), lstm_(name == "LSTM"), gru_(name == "GRU") {}

  /// False, and the graph is of no use any more, when the nodes are not the module's.
  bool run(double dropout) {
    if (!find_parameters()) return false;
    const NodeId first = layer_of("weight_ih_l0");
    const NodeId recurrent = layer_of("weight_hh_l0");
    if (first == kNoNode || recurrent == kNoNode) return false;
    const ValueId x = graph_.node(first).arg("input").as_value();
    const ValueId hidden = source_of(graph_.node(recurrent).arg("input").as_value());
    const ValueId memory = lstm_ ? first_memory(recurrent) : kNoValue;
    if (!is_state(hidden) || (lstm_ && !is_state(memory))) return false;
    const TensorType& type = graph_.tensor_type(x);
    if (type.rank() != 3 || !type.is_static()) return false;
    steps_ = type.sizes()[time()];
    find_results();
    place(first, x, hidden, memory, dropout);
    graph_.erase_dead_nodes();
    return !is_written_out();
  }

 private:
  size_t time() const { return batch_first_ ? 1 : 0; }
  size_t chains() const { return layers_ * (bidirectional_ ? 2 : 1); }
  std::string suffix(size_t chain) const {
    const size_t ways = bidirectional_ ? 2 : 1;
    return fmt::format("_l{}{}", chain / ways, chain % ways == 1 ? "_reverse" : "");
  }
  ValueId own(const std::string& name) const {
    const Binding* binding = graph_.find_binding(path_ + "." + name);
    return binding == nullptr ? kNoValue : binding->value;
  }

  bool find_parameters() {
    bidirectional_ = own("weight_ih_l0_reverse") != kNoValue;
    biased_ = own("bias_ih_l0") != kNoValue;
    const bool projects = own("weight_hr_l0") != kNoValue;
    while (own(fmt::format("weight_ih_l{}", layers_)) != kNoValue) ++layers_;
    for (size_t chain = 0; chain < chains(); ++chain) {
      std::vector<std::string> names = {"weight_ih", "weight_hh"};
      if (biased_) names.insert(names.end(), {"bias_ih", "bias_hh"});
      if (projects) names.emplace_back("weight_hr");
      for (const std::string& name : names) {
        const ValueId value = own(name + suffix(chain));
        if (value == kNoValue) return false;
        parameters_.emplace_back(value);
      }
    }
    return layers_ > 0;
  }

  const Node* producer(ValueId value) const {
    const NodeId id = value == kNoValue ? kNoNode : graph_.value(value).producer;
    return id == kNoNode || std::find(nodes_.begin(), nodes_.end(), id) == nodes_.end() ? nullptr : &graph_.node(id);
  }

  /// The first linear layer of the call with that weight.
  NodeId layer_of(const std::string& weight) const {
    const ValueId value = own(weight);
    const auto reads = [&](NodeId id) {
      const Node& node = graph_.node(id);
      return node.op == "aten.linear.default" && node.arg("weight").is_value() &&
             node.arg("weight").as_value() == value;
    };
    const auto found = std::find_if(nodes_.begin(), nodes_.end(), reads);
    return found == nodes_.end() ? kNoNode : *found;
  }

  /// The states that one chain's initial state is taken from.
  ValueId source_of(ValueId state) {
    for (const Node* node = producer(state); node != nullptr; node = producer(state)) {
      if (node->op == "aten.transpose.int") {
        batch_first_ = true;
      } else if (node->op != "aten.slice.Tensor" && node->op != "aten.clone.default" &&
                 node->op != "aten.narrow.default") {
        break;
      }
      state = node->args.at(0).value.as_value();
    }
    return state;
  }

  /// The state of the cell before the first step: what the forget gate multiplies.
  ValueId first_memory(NodeId recurrent) {
    const Node* gates = nullptr;
    for (ValueId value = graph_.node(recurrent).output(); gates == nullptr;) {
      const std::vector<NodeId>& users = graph_.value(value).users;
      const auto next = std::find_if(users.begin(), users.end(), [&](NodeId user) {
        const std::string& op = graph_.node(user).op;
        return op == "aten.add.Tensor" || op == "aten.sigmoid.default" || op == "aten.split.Tensor";
      });
      if (next == users.end()) return kNoValue;
      const Node& node = graph_.node(*next);
      if (node.op == "aten.split.Tensor") {
        gates = &node;
      } else {
        value = node.output();
      }
    }
    const ValueId forget = gates->outputs.size() == 4 ? gates->outputs[1] : kNoValue;
    if (forget == kNoValue || graph_.value(forget).users.size() != 1) return kNoValue;
    const Node& product = graph_.node(graph_.value(forget).users[0]);
    if (product.op != "aten.mul.Tensor" || !product.arg("other").is_value()) return kNoValue;
    return source_of(product.arg("other").as_value());
  }

  bool is_state(ValueId value) const {
    if (value == kNoValue) return false;
    const TensorType& type = graph_.tensor_type(value);
    return type.rank() == 3 && type.is_static() && type.sizes()[0] == static_cast<int64_t>(chains());
  }

  bool depends_on(ValueId value, NodeId ancestor) const {
    std::set<NodeId> seen;
    std::vector<ValueId> pending = {value};
    while (!pending.empty()) {
      const ValueId next = pending.back();
      pending.pop_back();
      if (producer(next) == nullptr) continue;
      const NodeId id = graph_.value(next).producer;
      if (id == ancestor) return true;
      if (!seen.insert(id).second) continue;
      for (const NamedArgument& arg : graph_.node(id).args) {
        arg.value.for_each_value([&](ValueId read) { pending.push_back(read); });
      }
    }
    return false;
  }

  /// The concatenations that make the call's results, those that are still there.
  void find_results() {
    const NodeId last_layer = layer_of("weight_hh" + suffix(chains() - 1));
    for (const NodeId id : nodes_) {
      const Node& node = graph_.node(id);
      if (node.op != "aten.cat.default") continue;
      const Argument::List& parts = node.arg("tensors").as_list();
      const int64_t axis = node.arg("dim").as_int();
      const ValueId part = parts.at(0).as_value();
      if (bidirectional_ && (axis == 2 || axis == -1)) {
        sequence_ = node.output();  // of the last layer in the end
      } else if (!bidirectional_ && axis == static_cast<int64_t>(time()) &&
                 parts.size() == static_cast<size_t>(steps_) && depends_on(part, last_layer)) {
        if (sequence_ == kNoValue || axis != 0) sequence_ = node.output();
        if (axis == 0 && chains() == 1 && steps_ == 1 && sequence_ != node.output()) take_state(part, node.output());
      } else if (axis == 0 && parts.size() == chains()) {
        take_state(part, node.output());
      }
    }
  }

  /// A sum is the state of a cell; the hidden state is a product, or a projection of one.
  void take_state(ValueId part, ValueId states) {
    const Node* maker = producer(part);
    if (maker != nullptr && maker->op == "aten.transpose.int") maker = producer(maker->arg("self").as_value());
    const bool sum = maker != nullptr && maker->op == "aten.add.Tensor";
    (lstm_ && sum ? memories_ : hiddens_) = states;
  }

  void place(NodeId before, ValueId x, ValueId hidden, ValueId memory, double dropout) {
    const bool relu =
        std::any_of(nodes_.begin(), nodes_.end(), [&](NodeId id) { return graph_.node(id).op == "aten.relu.default"; });
    Node node;
    node.op = lstm_  ? "aten.lstm.input"
              : gru_ ? "aten.gru.input"
              : relu ? "aten.rnn_relu.input"
                     : "aten.rnn_tanh.input";
    Argument states = hidden;
    if (lstm_) states = Argument::List{Argument(hidden), Argument(memory)};
    node.args = make_args(node.op, {{"input", x},
                                    {"hx", states},
                                    {"params", parameters_},
                                    {"has_biases", biased_},
                                    {"num_layers", static_cast<int64_t>(layers_)},
                                    {"dropout", dropout},
                                    {"train", false},
                                    {"bidirectional", bidirectional_},
                                    {"batch_first", batch_first_}});
    node.metadata = graph_.node(before).metadata;
    node.metadata.other.clear();
    TensorType sequence = graph_.tensor_type(x);
    sequence.strides.clear();
    const int64_t width = graph_.tensor_type(hidden).sizes()[2] * (bidirectional_ ? 2 : 1);
    sequence.shape[2] = Dim(width);
    std::vector<std::pair<ValueId, TensorType>> results = {{sequence_, sequence}, {hiddens_, plain_type(hidden)}};
    if (lstm_) results.emplace_back(memories_, plain_type(memory));
    for (const auto& [found, type] : results) node.outputs.push_back(graph_.add_value("recurrent", type));
    for (size_t i = 0; i < results.size(); ++i) {
      if (results[i].first != kNoValue) graph_.replace_all_uses(results[i].first, node.outputs[i]);
    }
    graph_.add_node(std::move(node), before);
  }

  TensorType plain_type(ValueId value) const {
    TensorType type = graph_.tensor_type(value);
    type.strides.clear();
    type.requires_grad = false;
    return type;
  }

  bool is_written_out() const {
    return std::any_of(nodes_.begin(), nodes_.end(),
                       [&](NodeId id) { return graph_.is_alive(id) && graph_.node(id).op == "aten.linear.default"; });
  }

  Graph& graph_;
  const std::vector<NodeId> nodes_;
  const std::string path_;
  const bool lstm_;
  const bool gru_;
  bool bidirectional_ = false, biased_ = false, batch_first_ = false;
  size_t layers_ = 0;
  int64_t steps_ = 0;
  Argument::List parameters_;
  ValueId sequence_ = kNoValue, hiddens_ = kNoValue, memories_ = kNoValue;
};

struct Call {
  std::string path, name;
  std::vector<NodeId> nodes;
  double dropout = 0;
};

/// "batch_first=True;dropout=0.5": 0.5.
double noted_dropout(const Node& node) {
  constexpr std::string_view kName = "dropout=";
  const std::string* text = note_of(node, kConstructor);
  const size_t at = text == nullptr ? std::string::npos : text->find(kName);
  return at == std::string::npos ? 0.0 : std::strtod(text->c_str() + at + kName.size(), nullptr);
}

std::map<std::string, Call> find_calls(const Graph& graph, const std::map<std::string, double>& dropout) {
  std::map<std::string, Call> calls;
  for (const NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    if (node.metadata.module_stack.empty()) continue;
    const ModuleCall& module = node.metadata.module_stack.back();
    if (!module.type.starts_with(kOwnModules)) continue;
    Call& call = calls[module.key];
    call.path = module.path;
    call.name = module.type.substr(kOwnModules.size());
    call.nodes.push_back(id);
    call.dropout = std::max(call.dropout, noted_dropout(node));
    if (const auto given = dropout.find(module.path); given != dropout.end()) call.dropout = given->second;
  }
  return calls;
}

}  // namespace

void restore_recurrent(Graph& graph, const std::map<std::string, double>& dropout) {
  for (const auto& [key, call] : find_calls(graph, dropout)) {
    Graph restored = graph;
    if (!Restorer(restored, call.nodes, call.path, call.name).run(call.dropout)) continue;
    graph = std::move(restored);
    for (const NodeId id : graph.nodes()) {
      for (ModuleCall& module : graph.metadata(id).module_stack) {
        if (module.key == key) module.type = "torch.nn.modules.rnn." + call.name;
      }
    }
  }
}

}  // namespace tinyml::quantization
