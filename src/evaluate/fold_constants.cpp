#include "tinyml/fold_constants.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "tinyml/evaluate.h"

namespace tinyml {
namespace {

/// Operators with an evaluator whose result in training is another than in inference, or must be kept.
bool must_stay(const Node& node) {
  constexpr std::array<std::string_view, 8> kKept{
      "aten.fake_quantize_",   "aten._fake_quantize_", "aten.fused_moving_avg_obs_fake_quant.", "aten.dropout.",
      "aten.feature_dropout.", "aten.alpha_dropout.",  "aten.feature_alpha_dropout.",           "aten.native_dropout."};
  const auto starts_with = [&](std::string_view prefix) { return node.op.rfind(prefix, 0) == 0; };
  if (std::any_of(kKept.begin(), kKept.end(), starts_with)) return true;
  return node.has_arg("training") && node.arg("training").is_bool() && node.arg("training").as_bool();
}

Argument number_of(const Tensor& tensor) {
  if (tensor.type() == ScalarType::kBool) return tensor.data<bool>()[0];
  if (is_floating_point(tensor.type())) return tensor.to(ScalarType::kFloat64).data<double>()[0];
  return tensor.to(ScalarType::kInt64).data<int64_t>()[0];
}

class Folder {
 public:
  Folder(Graph graph, const FoldOptions& options) : graph_(std::move(graph)), fold_outputs_(options.fold_outputs) {
    std::set<std::string> updated;
    for (const Output& output : graph_.outputs()) {
      if (output.kind == OutputKind::kBufferMutation || output.kind == OutputKind::kParameterMutation) {
        updated.insert(output.target);
      }
    }
    for (const Binding& binding : graph_.bindings()) {
      const bool fixed = binding.kind != BindingKind::kParameter || options.fold_parameters;
      if (fixed && binding.data.defined() && updated.count(binding.fqn) == 0) known_[binding.value] = binding.data;
    }
  }

  Graph run() && {
    for (NodeId id : graph_.nodes()) fold(id);
    for (NodeId id : graph_.nodes()) {
      if (folded_.count(id) == 0) bind_arguments(id);
    }
    bind_outputs();
    graph_.erase_dead_nodes();
    return std::move(graph_);
  }

 private:
  void fold(NodeId id) {
    const Node& node = graph_.node(id);
    if (fold_size(node)) {
      folded_.insert(id);
      return;
    }
    if (must_stay(node) || !is_evaluable(node.op)) return;
    const bool returned = std::any_of(node.outputs.begin(), node.outputs.end(),
                                      [&](ValueId output) { return output != kNoValue && graph_.is_output(output); });
    if (returned && !fold_outputs_) return;
    std::vector<ValueId> order;
    std::vector<Tensor> inputs;
    bool constant = true;
    for (const NamedArgument& arg : node.args) {
      arg.value.for_each_value([&](ValueId value) {
        if (!constant || std::find(order.begin(), order.end(), value) != order.end()) return;
        const auto found = known_.find(value);
        constant = found != known_.end();
        if (!constant) return;
        order.push_back(value);
        inputs.push_back(found->second);
      });
    }
    if (!constant) return;
    std::vector<Tensor> results = evaluate_node(graph_, id, inputs);
    for (size_t i = 0; i < results.size(); ++i) {
      if (node.outputs[i] != kNoValue) known_[node.outputs[i]] = results[i].contiguous();
    }
    folded_.insert(id);
  }

  /// A symbolic number whose value does not depend on the inputs.
  bool fold_size(const Node& node) {
    if (node.outputs.size() != 1 || node.outputs[0] == kNoValue) return false;
    const Value& output = graph_.value(node.outputs[0]);
    if (output.kind != ValueKind::kSymInt || graph_.is_output(node.outputs[0])) return false;
    std::optional<int64_t> size;
    if (output.symbol && output.symbol->is_static()) size = output.symbol->hint();
    if (!size && node.op == "aten.sym_size.int" && node.arg("self").is_value() && node.arg("dim").is_int()) {
      const Shape& shape = graph_.tensor_type(node.arg("self").as_value()).shape;
      const int64_t dim = node.arg("dim").as_int();
      const int64_t at = dim < 0 ? dim + static_cast<int64_t>(shape.size()) : dim;
      if (at >= 0 && at < static_cast<int64_t>(shape.size()) && shape[static_cast<size_t>(at)].is_static()) {
        size = shape[static_cast<size_t>(at)].hint();
      }
    }
    if (size) known_[node.outputs[0]] = Tensor::scalar(*size);
    return size.has_value();
  }

  /// Makes a node that stays read the results of those that do not.
  void bind_arguments(NodeId id) {
    for (size_t i = 0; i < graph_.node(id).args.size(); ++i) {
      Argument argument = graph_.node(id).args[i].value;
      if (bind(argument)) graph_.set_arg(id, i, std::move(argument));
    }
  }

  void bind_outputs() {
    for (size_t i = 0; i < graph_.outputs().size(); ++i) {
      Output output = graph_.outputs()[i];
      if (bind(output.value)) graph_.set_output(i, std::move(output));
    }
  }

  bool bind(Argument& argument) {
    if (argument.is_list()) {
      bool changed = false;
      for (Argument& item : std::get<Argument::List>(argument.data)) changed |= bind(item);
      return changed;
    }
    if (!argument.is_value()) return false;
    const ValueId id = argument.as_value();
    const NodeId producer = graph_.value(id).producer;
    if (producer == kNoNode || folded_.count(producer) == 0) return false;
    const Tensor& result = known_.at(id);
    argument = graph_.value(id).kind == ValueKind::kTensor ? Argument(binding_for(id, result)) : number_of(result);
    return true;
  }

  ValueId binding_for(ValueId id, const Tensor& data) {
    const auto found = bindings_.find(id);
    if (found != bindings_.end()) return found->second;
    const std::string base = "folded_" + graph_.value(id).name;
    std::string fqn = base;
    for (int suffix = 1; graph_.find_binding(fqn) != nullptr; ++suffix) fqn = base + "_" + std::to_string(suffix);
    const ValueId binding = graph_.add_binding(BindingKind::kConstant, std::move(fqn), data);
    bindings_[id] = binding;
    return binding;
  }

  Graph graph_;
  bool fold_outputs_;
  std::map<ValueId, Tensor> known_;
  std::set<NodeId> folded_;
  std::map<ValueId, ValueId> bindings_;
};

}  // namespace

Graph fold_constants(Graph graph, const FoldOptions& options) { return Folder(std::move(graph), options).run(); }

}  // namespace tinyml
