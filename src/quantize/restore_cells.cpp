#include "quantize/restore_cells.h"

#include <fmt/format.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "quantize/module_names.h"
#include "tinyml/schema.h"

namespace tinyml::quantization {
namespace {

const std::string kClasses = "torch.nn.modules.rnn.";

/// One step of a cell.
struct Step {
  const char* cell = "";  ///< The class in torch.nn.
  const char* op = "";
  std::string path;  ///< Of the module that has the parameters.
  const Node* input = nullptr;
  const Node* recurrent = nullptr;               ///< The products of the input and of the hidden state.
  ValueId hidden = kNoValue, memory = kNoValue;  ///< Before the step.
  ValueId next_hidden = kNoValue, next_memory = kNoValue;
  NodeId position = kNoNode;  ///< Behind what the step reads, before all that reads its results.
};

/// Matches rewrite_recurrent()'s operators from the result back. What is asked of nullptr is nullptr or kNoValue.
class CellMatcher {
 public:
  explicit CellMatcher(const Graph& graph) : graph_(graph) {}

  std::optional<Step> match(NodeId last) const {
    const Node& node = graph_.node(last);
    Step step;
    step.position = last;
    const bool found = node.op == "aten.mul.Tensor"     ? match_lstm(node, step)
                       : node.op == "aten.add.Tensor"   ? match_gru(node, step)
                       : node.op == "aten.tanh.default" ? match_simple(node, "aten.rnn_tanh_cell.default", step)
                       : node.op == "aten.relu.default" ? match_simple(node, "aten.rnn_relu_cell.default", step)
                                                        : false;
    return found && has_parameters(step) ? std::optional(step) : std::nullopt;
  }

 private:
  NodeId maker_id(const Argument& value) const {
    return value.is_value() ? graph_.value(value.as_value()).producer : kNoNode;
  }
  /// The node that makes the argument of that name, if it is that operator.
  const Node* maker(const Node* reader, std::string_view name, std::string_view op) const {
    const NodeId id = reader == nullptr ? kNoNode : maker_id(reader->arg(name));
    return id != kNoNode && graph_.node(id).op == op ? &graph_.node(id) : nullptr;
  }
  static ValueId operand(const Node* node, std::string_view name) {
    return node == nullptr || !node->arg(name).is_value() ? kNoValue : node->arg(name).as_value();
  }
  int64_t width(ValueId value) const {
    const TensorType& type = graph_.tensor_type(value);
    return type.rank() == 2 && type.shape[1].is_static() ? type.sizes()[1] : -1;
  }
  static bool is_of_columns(const Node* node) {
    return node != nullptr && (node->arg("dim") == Argument(1) || node->arg("dim") == Argument(-1));
  }

  /// The value whose columns from `begin` on, `count` of them, the argument is.
  ValueId columns(const Node* reader, std::string_view name, int64_t begin, int64_t count) const {
    const Node* slice = maker(reader, name, "aten.slice.Tensor");
    if (!is_of_columns(slice) || slice->arg("step") != Argument(1) || width(slice->output()) != count) return kNoValue;
    const Argument& start = slice->arg("start");
    return (start.is_none() ? Argument(0) : start) == Argument(begin) ? operand(slice, "self") : kNoValue;
  }
  /// The value of whose sigmoid the argument is part `index` of `count`.
  ValueId gate(const Node* reader, std::string_view name, size_t index, size_t count) const {
    const Node* split = maker(reader, name, "aten.split.Tensor");
    if (!is_of_columns(split) || split->outputs.size() != count || split->outputs[index] != operand(reader, name)) {
      return kNoValue;
    }
    return operand(maker(split, "self", "aten.sigmoid.default"), "self");
  }

  /// The two products; the hidden state is what the second reads.
  bool take_products(ValueId input, ValueId recurrent, Step& step) const {
    const auto linear = [&](ValueId value) -> const Node* {
      const NodeId id = value == kNoValue ? kNoNode : graph_.value(value).producer;
      return id != kNoNode && graph_.node(id).op == "aten.linear.default" ? &graph_.node(id) : nullptr;
    };
    step.input = linear(input);
    step.recurrent = linear(recurrent);
    if (step.input == nullptr || step.recurrent == nullptr) return false;
    const Node* copy = maker(step.recurrent, "input", "aten.clone.default");
    step.hidden = operand(copy == nullptr ? step.recurrent : copy, copy == nullptr ? "input" : "self");
    return step.hidden != kNoValue;
  }

  bool match_lstm(const Node& product, Step& step) const {
    const Node* squashed = maker(&product, "other", "aten.tanh.default");
    const Node* memory = maker(squashed, "self", "aten.add.Tensor");
    const Node* kept = maker(memory, "self", "aten.mul.Tensor");
    const Node* written = maker(memory, "other", "aten.mul.Tensor");
    const Node* candidate = maker(written, "other", "aten.tanh.default");
    const int64_t size = width(product.output());
    const ValueId sum = gate(&product, "self", 3, 4);
    if (sum == kNoValue || operand(kept, "other") == kNoValue || gate(kept, "self", 1, 4) != sum ||
        gate(written, "self", 0, 4) != sum || columns(candidate, "self", 2 * size, size) != sum) {
      return false;
    }
    step.cell = "LSTMCell";
    step.op = "aten.lstm_cell.default";
    step.memory = operand(kept, "other");
    step.next_hidden = product.output();
    step.next_memory = memory->output();
    step.position = graph_.value(kept->output()).producer;
    return take_sum(sum, step);
  }

  bool match_gru(const Node& total, Step& step) const {
    const Node* fresh = maker(&total, "self", "aten.tanh.default");
    const Node* change = maker(&total, "other", "aten.mul.Tensor");
    const Node* difference = maker(change, "other", "aten.sub.Tensor");
    const Node* before = maker(fresh, "self", "aten.add.Tensor");
    const Node* recalled = maker(before, "other", "aten.mul.Tensor");
    const int64_t size = width(total.output());
    const ValueId both = gate(recalled, "self", 0, 2);
    if (both == kNoValue || gate(change, "self", 1, 2) != both) return false;
    if (operand(difference, "other") != fresh->output()) return false;
    const NodeId sum_id = graph_.value(both).producer;
    if (sum_id == kNoNode || graph_.node(sum_id).op != "aten.add.Tensor") return false;
    const Node* sum = &graph_.node(sum_id);
    const ValueId input = columns(sum, "self", 0, 2 * size);
    const ValueId recurrent = columns(sum, "other", 0, 2 * size);
    if (columns(before, "self", 2 * size, size) != input || columns(recalled, "other", 2 * size, size) != recurrent) {
      return false;
    }
    step.cell = "GRUCell";
    step.op = "aten.gru_cell.default";
    step.next_hidden = total.output();
    return take_products(input, recurrent, step) && step.hidden == operand(difference, "self");
  }

  bool match_simple(const Node& last, const char* op, Step& step) const {
    step.cell = "RNNCell";
    step.op = op;
    step.next_hidden = last.output();
    return take_sum(last.arg("self").as_value(), step);
  }

  bool take_sum(ValueId value, Step& step) const {
    const NodeId id = graph_.value(value).producer;
    if (id == kNoNode || graph_.node(id).op != "aten.add.Tensor") return false;
    const Node& sum = graph_.node(id);
    return take_products(operand(&sum, "self"), operand(&sum, "other"), step);
  }

  /// Weights and biases are those of one module, under torch.nn's names, and of sizes that fit.
  bool has_parameters(Step& step) const {
    const Binding* weight = graph_.binding_of(operand(step.input, "weight"));
    constexpr std::string_view kName = ".weight_ih";
    if (weight == nullptr || !weight->fqn.ends_with(kName)) return false;
    step.path = weight->fqn.substr(0, weight->fqn.size() - kName.size());
    const auto is_own = [&](const Node* linear, const char* argument, const std::string& name) {
      const Binding* own = graph_.find_binding(step.path + "." + name);
      return operand(linear, argument) == (own == nullptr ? kNoValue : own->value);
    };
    if (!is_own(step.recurrent, "weight", "weight_hh") || !is_own(step.input, "bias", "bias_ih") ||
        !is_own(step.recurrent, "bias", "bias_hh") || operand(step.recurrent, "weight") == kNoValue) {
      return false;
    }
    return (operand(step.input, "bias") == kNoValue) == (operand(step.recurrent, "bias") == kNoValue) &&
           width(step.hidden) == width(step.next_hidden);
  }

  const Graph& graph_;
};

/// The step's operators are of that module's call, or of the code around it, where the module was a mere holder of
/// tensors.
bool is_inside(const Step& step) {
  const std::vector<ModuleCall>& stack = step.input->metadata.module_stack;
  return !stack.empty() && stack.back().path == step.path;
}

/// A call of the module from the code around it.
void enter_module(const Step& step, size_t number, std::vector<ModuleCall>& stack) {
  if (stack.empty() || (!stack.back().path.empty() && !step.path.starts_with(stack.back().path + "."))) return;
  stack.push_back(
      {fmt::format("{}_{}@{}", stack.back().key, last_component(step.path), number), step.path, kClasses + step.cell});
}

void replace(Graph& graph, const Step& step, size_t number) {
  Node node;
  node.op = step.op;
  Argument states = step.hidden;
  if (step.memory != kNoValue) states = Argument::List{Argument(step.hidden), Argument(step.memory)};
  node.args = make_args(node.op, {{"input", step.input->arg("input")},
                                  {"hx", states},
                                  {"w_ih", step.input->arg("weight")},
                                  {"w_hh", step.recurrent->arg("weight")},
                                  {"b_ih", step.input->arg("bias")},
                                  {"b_hh", step.recurrent->arg("bias")}});
  node.metadata = step.input->metadata;
  node.metadata.other.clear();
  if (!is_inside(step)) enter_module(step, number, node.metadata.module_stack);
  std::vector<ValueId> results = {step.next_hidden};
  if (step.memory != kNoValue) results.push_back(step.next_memory);
  for (const ValueId result : results) {
    TensorType type = graph.tensor_type(result);
    type.strides.clear();
    type.requires_grad = false;
    node.outputs.push_back(graph.add_value("cell", std::move(type)));
  }
  const std::vector<ValueId> made = node.outputs;
  graph.add_node(std::move(node), step.position);
  for (size_t i = 0; i < results.size(); ++i) graph.replace_all_uses(results[i], made[i]);
}

}  // namespace

void restore_cells(Graph& graph) {
  std::map<std::string, std::string> classes;  // Key of a module's call -> its class.
  size_t number = 0;
  for (const NodeId id : graph.nodes()) {
    const std::optional<Step> step = CellMatcher(graph).match(id);
    if (!step) continue;
    if (is_inside(*step)) classes[step->input->metadata.module_stack.back().key] = kClasses + step->cell;
    replace(graph, *step, number++);
  }
  graph.erase_dead_nodes();
  for (const NodeId id : graph.nodes()) {
    for (ModuleCall& call : graph.metadata(id).module_stack) {
      if (const auto found = classes.find(call.key); found != classes.end()) call.type = found->second;
    }
  }
}

}  // namespace tinyml::quantization
