#include "tinyml/functionalize.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "graph/alias_rules.h"
#include "graph/in_place.h"
#include "graph/view_inverse.h"
#include "tinyml/schema.h"

namespace tinyml {
namespace {

constexpr const char* kCopy = "aten.copy_.default";
constexpr const char* kFillDiagonal = "aten.fill_diagonal_.default";
constexpr const char* kMaskedFill = "aten.masked_fill.Scalar";

/// A view operator's node and which of its results is meant.
struct ViewStep {
  NodeId node = kNoNode;
  size_t output = 0;
};

/// How a value lies in memory: reached from `base`, which owns it, by views. `current` holds the value's elements as of
/// the base's version `version`.
struct Alias {
  ValueId base = kNoValue;
  std::vector<ViewStep> views;
  size_t version = 0;
  ValueId current = kNoValue;
};

/// Memory: how often it was written, and the value of its owner after the last write.
struct Memory {
  size_t version = 0;
  ValueId current = kNoValue;
};

class Functionalizer {
 public:
  explicit Functionalizer(Graph graph) : graph_(std::move(graph)) {}

  Graph run() {
    refuse_unknown();
    for (NodeId id : graph_.nodes()) visit(id);
    finish();
    graph_.erase_dead_nodes();
    return std::move(graph_);
  }

 private:
  /// Every operator without a functional form at once.
  void refuse_unknown() const {
    std::vector<Diagnostic> problems;
    for (NodeId id : graph_.nodes()) {
      const Node& node = graph_.node(id);
      const OpSchema* schema = find_schema(node.op);
      if (schema == nullptr || !schema->is_mutating() || is_observer(node.op)) continue;
      if (node.op == kCopy || node.op == kFillDiagonal) continue;
      if (functional_operator(node.op) || view_operator(node.op)) continue;
      problems.push_back({fmt::format("the in-place operator {} has no functional form", node.op), node.module_path(),
                          node.source(), "use the operator that returns a new tensor instead"});
    }
    if (problems.size() == 1) throw Error(std::move(problems[0]));
    if (!problems.empty()) {
      const std::string summary = fmt::format("{} in-place operators cannot be resolved", problems.size());
      throw Error(summary, std::move(problems));
    }
  }

  Alias& alias_of(ValueId id) {
    const auto [entry, inserted] = aliases_.try_emplace(id);
    if (inserted) entry->second = {id, {}, 0, id};
    return entry->second;
  }

  Memory& memory_of(ValueId base) {
    const auto [entry, inserted] = memories_.try_emplace(base);
    if (inserted) entry->second.current = base;
    return entry->second;
  }

  /// Applies one view to another tensor of the same type; the original result where nothing changed.
  ValueId replay(const ViewStep& step, ValueId input, NodeId before) {
    const size_t argument = self_index(step.node);
    const Node& original = graph_.node(step.node);
    if (original.args[argument].value == Argument(input)) return original.outputs[step.output];
    Node node = original;
    node.args[argument].value = input;
    for (ValueId& output : node.outputs) {
      if (output != kNoValue) output = graph_.add_value(graph_.value(output));
    }
    const ValueId result = node.outputs[step.output];
    graph_.add_node(std::move(node), before);
    return result;
  }

  size_t self_index(NodeId id) const {
    const std::optional<size_t> argument = aliased_argument(graph_, graph_.node(id));
    TINYML_CHECK(argument.has_value());
    if (!graph_.node(id).args[*argument].value.is_value()) {
      const Node& node = graph_.node(id);
      throw Error({fmt::format("a tensor is written that shares memory with the results of {}", node.op),
                   node.module_path(), node.source(), "clone the tensors before they are written"});
    }
    return *argument;
  }

  /// The value with the elements that `id` has now.
  ValueId resolve(ValueId id, NodeId before) {
    if (aliases_.count(id) == 0 && memories_.count(id) == 0) return id;
    Alias& alias = alias_of(id);
    const Memory& memory = memory_of(alias.base);
    if (alias.version != memory.version) {
      alias.current = memory.current;
      for (const ViewStep& step : alias.views) alias.current = replay(step, alias.current, before);
      alias.version = memory.version;
    }
    return alias.current;
  }

  Argument resolve(const Argument& argument, NodeId before) {
    if (argument.is_value()) return resolve(argument.as_value(), before);
    if (!argument.is_list()) return argument;
    Argument::List items;
    for (const Argument& item : argument.as_list()) items.push_back(resolve(item, before));
    return items;
  }

  void visit(NodeId id) {
    const std::vector<NamedArgument> captured = graph_.node(id).args;
    for (size_t i = 0; i < captured.size(); ++i) {
      Argument resolved = resolve(captured[i].value, id);
      if (!(resolved == captured[i].value)) graph_.set_arg(id, i, std::move(resolved));
    }
    const Node& node = graph_.node(id);
    const OpSchema* schema = find_schema(node.op);
    if (schema != nullptr && schema->is_mutating()) {
      if (is_observer(node.op)) return;
      const bool has_result = node.outputs.size() == 1 && node.outputs[0] != kNoValue;
      if (!has_result || !captured[0].value.is_value() || !schema->arguments[0].type.mutated) {
        throw Error({fmt::format("{} does not write a single tensor", node.op), node.module_path(), node.source(),
                     "use the operator that returns a new tensor instead"});
      }
      if (const auto view = view_operator(node.op)) {
        rebind(id, *view, captured[0].value.as_value());
      } else {
        if (node.op == kFillDiagonal) mask_diagonal(id);
        write(id, captured[0].value.as_value());
      }
    } else if (const auto argument = aliased_argument(graph_, node)) {
      add_view(id, captured[*argument].value);
    }
  }

  void add_view(NodeId id, const Argument& source) {
    const Node& node = graph_.node(id);
    for (size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i] == kNoValue) continue;
      const Argument& viewed = source.is_list() ? source.as_list().at(i) : source;
      if (!viewed.is_value()) continue;
      Alias alias = alias_of(viewed.as_value());
      alias.views.push_back({id, i});
      alias.version = memory_of(alias.base).version;
      alias.current = node.outputs[i];
      aliases_[node.outputs[i]] = std::move(alias);
    }
  }

  /// The node makes `target` a view of itself: `view` computes it, and later readers of the one read the other.
  void rebind(NodeId id, const std::string& view, ValueId target) {
    set_functional(id, view);
    if (const Binding* binding = graph_.binding_of(target); binding != nullptr && view != "aten.detach.default") {
      const Node& node = graph_.node(id);
      throw Error({fmt::format("the shape of '{}' is changed in place, for all later calls too", binding->fqn),
                   node.module_path(), node.source(), "use the operator that returns a new tensor instead"});
    }
    add_view(id, Argument(target));
    aliases_[target] = aliases_[graph_.node(id).output()];
  }

  /// fill_diagonal_ as a masked_fill: the elements whose indices are all equal and, with `wrap`, those of a tall matrix
  /// where the diagonal starts again one row below its end.
  void mask_diagonal(NodeId id) {
    const Node& node = graph_.node(id);
    const Argument self = node.arg("self");
    const TensorType& type = graph_.tensor_type(self.as_value());
    if (!std::all_of(type.shape.begin(), type.shape.end(), [](const Dim& size) { return size.is_static(); })) {
      throw Error({"fill_diagonal_ of a tensor with dynamic sizes cannot be resolved", node.module_path(),
                   node.source(), "use torch.where with a mask of torch.arange comparisons"});
    }
    const std::vector<int64_t> sizes = type.sizes();
    if (sizes.size() < 2) {
      throw Error({"fill_diagonal_ needs two dimensions", node.module_path(), node.source(), "export the model again"});
    }
    int64_t step = 0;  // between neighbours on the diagonal
    for (const int64_t size : sizes) step = step * size + 1;
    Tensor mask(ScalarType::kBool, sizes);
    const int64_t shortest = *std::min_element(sizes.begin(), sizes.end());
    const bool wraps = sizes.size() == 2 && node.arg("wrap").as_bool();
    const int64_t end = wraps ? mask.numel() : std::min(mask.numel(), step * shortest);
    bool* elements = mask.mutable_data<bool>();
    for (int64_t at = 0; at < end; at += step) elements[at] = true;
    std::string name = "diagonal";
    for (int suffix = 1; graph_.find_binding(name) != nullptr; ++suffix) name = "diagonal_" + std::to_string(suffix);
    const ValueId value = graph_.add_binding(BindingKind::kConstant, name, std::move(mask));
    graph_.set_op(id, kMaskedFill,
                  make_args(kMaskedFill, {{"self", self}, {"mask", value}, {"value", node.arg("fill_value")}}));
  }

  /// The node writes `target`, its first argument before it was resolved.
  void write(NodeId id, ValueId target) {
    const NodeId after = graph_.next_node(id);
    ValueId written = kNoValue;
    if (graph_.node(id).op == kCopy) {
      written = copied_value(id, alias_of(target).views.empty(), after);
    } else {
      const std::string& op = graph_.node(id).op;
      const std::string functional = op == kMaskedFill ? op : *functional_operator(op);
      const ValueId output = graph_.node(id).output();
      TensorType type = graph_.tensor_type(output);
      type.type = functional_type(graph_, graph_.node(id), functional);
      const ScalarType kept = graph_.tensor_type(graph_.node(id).args[0].value.as_value()).type;
      set_functional(id, functional);
      graph_.set_tensor_type(output, type);
      written = type.type == kept ? output : convert(output, kept, after, id);
    }

    Alias& alias = alias_of(target);
    Memory& memory = memory_of(alias.base);
    std::vector<ValueId> inputs{memory.current};
    for (const ViewStep& step : alias.views) inputs.push_back(replay(step, inputs.back(), after));
    ValueId whole = written;
    for (size_t i = alias.views.size(); i-- > 0;) {
      const ViewStep& step = alias.views[i];
      whole = write_through_view(graph_, graph_.node(step.node), step.output, inputs[i], whole, after);
    }
    memory.current = whole;
    alias.version = ++memory.version;
    alias.current = written;
    if (const ValueId output = graph_.node(id).output(); output != target) aliases_[output] = alias;
  }

  void set_functional(NodeId id, const std::string& functional) {
    std::vector<NamedArgument> args = graph_.node(id).args;
    const OpSchema* schema = find_schema(functional);
    for (size_t i = 0; i < args.size(); ++i) args[i].name = schema->arguments[i].name;
    graph_.set_op(id, functional, std::move(args));
  }

  ValueId convert(ValueId id, ScalarType type, NodeId before, NodeId like) {
    TensorType converted = graph_.tensor_type(id);
    converted.type = type;
    return graph_.add_operator("aten.to.dtype", make_args("aten.to.dtype", {{"self", id}, {"dtype", type}}), converted,
                               before, like);
  }

  /// What `copy_` writes: its source, brought to the type and shape of the target.
  ValueId copied_value(NodeId id, bool is_owner, NodeId before) {
    const Node& node = graph_.node(id);
    const ValueId target = node.args[0].value.as_value();
    const Argument source = node.arg("src");
    const TensorType type = graph_.tensor_type(target);
    if (!source.is_value() || graph_.value(source.as_value()).kind != ValueKind::kTensor) {
      return graph_.add_operator(
          "aten.fill.Scalar", make_args("aten.fill.Scalar", {{"self", target}, {"value", source}}), type, before, id);
    }
    ValueId written = source.as_value();
    if (graph_.tensor_type(written).type != type.type) written = convert(written, type.type, before, id);
    if (graph_.tensor_type(written).shape != type.shape) {
      written = graph_.add_operator("aten.expand_as.default",
                                    make_args("aten.expand_as.default", {{"self", written}, {"other", target}}), type,
                                    before, id);
    }
    // The memory order shows only where the whole memory is replaced.
    const TensorType given = graph_.tensor_type(written);
    if (!is_owner || (given.strides == type.strides && given.device == type.device)) return written;
    return graph_.add_operator("aten.copy.default",
                               make_args("aten.copy.default", {{"self", target}, {"src", written}}), type, before, id);
  }

  void finish() {
    std::vector<Output> mutations;
    for (const auto& [base, memory] : memories_) {
      if (memory.current == base || graph_.value(base).producer != kNoNode) continue;
      mutations.push_back(mutation_of(base, memory.current));
    }
    std::vector<Output> outputs;
    for (Output output : graph_.outputs()) {
      output.value = resolve(output.value, kNoNode);
      const bool replaced = std::any_of(mutations.begin(), mutations.end(), [&](const Output& mutation) {
        return mutation.kind == output.kind && mutation.target == output.target;
      });
      if (!replaced) outputs.push_back(std::move(output));
    }
    outputs.insert(outputs.begin(), mutations.begin(), mutations.end());
    graph_.set_outputs(std::move(outputs));
  }

  /// What to do with the final elements of a placeholder that was written.
  Output mutation_of(ValueId placeholder, ValueId current) const {
    if (const Binding* binding = graph_.binding_of(placeholder)) {
      if (binding->kind == BindingKind::kConstant) {
        throw Error(fmt::format("the constant tensor '{}' is written in place", binding->fqn),
                    "register it with register_buffer, or clone it before it is written");
      }
      const bool buffer = binding->kind == BindingKind::kBuffer;
      return {current, buffer ? OutputKind::kBufferMutation : OutputKind::kParameterMutation, binding->fqn};
    }
    for (const Input& input : graph_.inputs()) {
      if (input.value == placeholder) return {current, OutputKind::kInputMutation, input.name};
    }
    throw Error(fmt::format("the value '{}' is written but nothing defines it", graph_.value(placeholder).name));
  }

  Graph graph_;
  std::map<ValueId, Alias> aliases_;    ///< By the value's id as captured.
  std::map<ValueId, Memory> memories_;  ///< By the value that owns the memory.
};

}  // namespace

Graph functionalize(Graph graph) { return Functionalizer(std::move(graph)).run(); }

}  // namespace tinyml
