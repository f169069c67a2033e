#include "archive/write_graph.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include "archive/metadata.h"
#include "archive/write_argument.h"
#include "archive/write_type.h"

namespace tinyml {
namespace {

constexpr int64_t kPositional = 1;
constexpr int64_t kKeyword = 2;

bool starts_with(std::string_view text, std::string_view start) { return text.substr(0, start.size()) == start; }

/// Operators that torch does not dispatch are named by their Python module.
std::string target_of(const std::string& op) {
  for (const char* module : {"_operator.", "math.", "torch.", "builtins.", "#"}) {
    if (starts_with(op, module)) return op;
  }
  return "torch.ops." + op;
}

class GraphWriter {
 public:
  GraphWriter(JsonWriter& json, const Graph& graph) : json_(json), graph_(graph) {
    for (const Input& input : graph.inputs()) define(input.value);
    for (const Binding& binding : graph.bindings()) define(binding.value);
    for (NodeId id : graph.nodes()) {
      for (ValueId output : graph.node(id).outputs) define(output);
    }
  }

  void write_nodes() {
    json_.key("nodes").begin_array();
    for (NodeId id : graph_.nodes()) write_node(graph_.node(id));
    json_.end_array();
  }

  void write_values() {
    json_.key("tensor_values").begin_object();
    for (ValueId id : values_) {
      if (graph_.value(id).kind != ValueKind::kTensor) continue;
      json_.key(graph_.value(id).name);
      write_tensor_type(json_, graph_.value(id).tensor);
    }
    json_.end_object();
    write_symbols("sym_int_values", ValueKind::kSymInt);
    write_symbols("sym_float_values", ValueKind::kSymFloat);
    write_symbols("sym_bool_values", ValueKind::kSymBool);
    json_.key("custom_obj_values").begin_object().end_object();
  }

 private:
  void define(ValueId id) {
    if (id == kNoValue) return;
    values_.push_back(id);
    names_.insert(graph_.value(id).name);
  }

  /// A name that no value has, for what needs one in Python: calls with several results, bodies of control flow.
  std::string fresh_name(std::string_view base) {
    std::string name(base);
    for (int suffix = 1; !names_.insert(name).second; ++suffix) name = fmt::format("{}_{}", base, suffix);
    return name;
  }

  void write_symbols(const char* key, ValueKind kind) {
    json_.key(key).begin_object();
    for (ValueId id : values_) {
      const Value& value = graph_.value(id);
      if (value.kind != kind) continue;
      if (!value.symbol) throw Error(fmt::format("the symbolic value '{}' has no expression", value.name));
      json_.key(value.name);
      write_dim(json_, *value.symbol);
    }
    json_.end_object();
  }

  void write_node(const Node& node) {
    json_.begin_object().key("target").string(target_of(node.op)).key("inputs").begin_array();
    write_args(node);
    json_.end_array().key("outputs").begin_array();
    write_outputs(node);
    json_.end_array().key("metadata").begin_object();
    for (const auto& [key, value] : format_metadata(node.metadata)) json_.key(key).string(value);
    json_.end_object().key("is_hop_single_tensor_return");
    const bool higher_order = starts_with(node.op, "higher_order.");
    if (higher_order) {
      json_.boolean(!node.returns_list);
    } else {
      json_.null();
    }
    json_.key("name");
    const bool single = node.outputs.size() == 1 && !node.returns_list && node.outputs[0] != kNoValue;
    if (single) {
      json_.string(graph_.value(node.outputs[0]).name);
    } else if (node.outputs.empty()) {
      json_.null();
    } else {
      const size_t start = node.op.find('.') + 1;
      json_.string(fresh_name(node.op.substr(start, node.op.find('.', start) - start)));
    }
    json_.end_object();
  }

  void write_arg(const NamedArgument& arg, const SchemaType* type, int64_t kind) {
    json_.begin_object().key("name").string(arg.name).key("arg");
    write_argument(json_, graph_, arg.value, type, [this] { return fresh_name("subgraph"); });
    json_.key("kind").number(kind).end_object();
  }

  void write_args(const Node& node) {
    const OpSchema* schema = find_schema(node.op);
    if (schema == nullptr) {
      for (const NamedArgument& arg : node.args) write_arg(arg, nullptr, arg.name.empty() ? kPositional : kKeyword);
      return;
    }
    size_t positional = 0;
    for (size_t i = 0; i < node.args.size(); ++i) {
      const SchemaArgument& argument = schema->arguments[i];
      if (!argument.keyword_only && !is_default(argument, node.args[i].value)) positional = i + 1;
    }
    for (size_t i = 0; i < node.args.size(); ++i) {
      const SchemaArgument& argument = schema->arguments[i];
      if (i < positional) {
        write_arg(node.args[i], &argument.type, kPositional);
      } else if (!is_default(argument, node.args[i].value)) {
        write_arg(node.args[i], &argument.type, kKeyword);
      }
    }
  }

  void write_outputs(const Node& node) {
    if (node.returns_list && !starts_with(node.op, "higher_order.")) {
      json_.begin_object().key("as_tensors").begin_array();
      for (ValueId output : node.outputs) {
        json_.begin_object().key("name").string(graph_.value(output).name).end_object();
      }
      json_.end_array().end_object();
      return;
    }
    for (ValueId output : node.outputs) {
      write_argument(json_, graph_, output == kNoValue ? Argument() : Argument(output));
    }
  }

  JsonWriter& json_;
  const Graph& graph_;
  std::vector<ValueId> values_;
  std::set<std::string, std::less<>> names_;
};

/// Torch wants the outputs that are written back before those of the user, in this order.
std::vector<const Output*> ordered_outputs(const Graph& graph) {
  std::vector<const Output*> outputs;
  for (const Output& output : graph.outputs()) outputs.push_back(&output);
  const auto rank = [](const Output* output) {
    switch (output->kind) {
      case OutputKind::kBufferMutation:
        return 0;
      case OutputKind::kParameterMutation:
        return 1;
      case OutputKind::kInputMutation:
        return 2;
      default:
        return 3;
    }
  };
  std::stable_sort(outputs.begin(), outputs.end(), [&](const Output* a, const Output* b) { return rank(a) < rank(b); });
  return outputs;
}

Argument argument_of(const Input& input) { return input.value == kNoValue ? input.constant : Argument(input.value); }

void write_arg_name(JsonWriter& json, const Graph& graph, ValueId value) {
  json.key("arg").begin_object().key("name").string(graph.value(value).name).end_object();
}

void write_input_specs(JsonWriter& json, const Graph& graph) {
  for (const Binding& binding : graph.bindings()) {
    const bool parameter = binding.kind == BindingKind::kParameter;
    const bool buffer = binding.kind == BindingKind::kBuffer;
    json.begin_object().key(parameter ? "parameter" : buffer ? "buffer" : "tensor_constant").begin_object();
    write_arg_name(json, graph, binding.value);
    json.key(parameter ? "parameter_name" : buffer ? "buffer_name" : "tensor_constant_name").string(binding.fqn);
    if (buffer) json.key("persistent").boolean(binding.persistent);
    json.end_object().end_object();
  }
  for (const Input& input : graph.inputs()) {
    json.begin_object();
    if (input.value != kNoValue) {
      json.key("user_input").begin_object().key("arg");
      write_argument(json, graph, Argument(input.value));
      json.end_object();
    } else {
      json.key("constant_input").begin_object().key("name").string(input.name).key("value");
      write_argument(json, graph, input.constant);
      json.end_object();
    }
    json.end_object();
  }
}

void write_output_spec(JsonWriter& json, const Graph& graph, const Output& output) {
  const auto mutation = [&](const char* tag, const char* target) {
    json.key(tag).begin_object();
    write_arg_name(json, graph, output.value.as_value());
    if (target != nullptr) json.key(target).string(output.target);
    json.end_object();
  };
  json.begin_object();
  switch (output.kind) {
    case OutputKind::kUser:
      json.key("user_output").begin_object().key("arg");
      write_argument(json, graph, output.value);
      json.end_object();
      break;
    case OutputKind::kLoss:
      mutation("loss_output", nullptr);
      break;
    case OutputKind::kBufferMutation:
      mutation("buffer_mutation", "buffer_name");
      break;
    case OutputKind::kParameterMutation:
      mutation("parameter_mutation", "parameter_name");
      break;
    case OutputKind::kInputMutation:
      mutation("user_input_mutation", "user_input_name");
      break;
  }
  json.end_object();
}

}  // namespace

void write_graph(JsonWriter& json, const Graph& graph, bool is_program) {
  GraphWriter writer(json, graph);
  json.begin_object().key("inputs").begin_array();
  for (const Binding& binding : graph.bindings()) write_argument(json, graph, Argument(binding.value));
  for (const Input& input : graph.inputs()) write_argument(json, graph, argument_of(input));
  json.end_array().key("outputs").begin_array();
  for (const Output* output : ordered_outputs(graph)) write_argument(json, graph, output->value);
  json.end_array();
  writer.write_nodes();
  writer.write_values();
  json.key("is_single_tensor_return").boolean(!is_program && graph.archive.returns_single_tensor).end_object();
}

void write_signature(JsonWriter& json, const Graph& graph) {
  json.begin_object().key("input_specs").begin_array();
  write_input_specs(json, graph);
  json.end_array().key("output_specs").begin_array();
  for (const Output* output : ordered_outputs(graph)) write_output_spec(json, graph, *output);
  json.end_array().end_object();
}

}  // namespace tinyml
