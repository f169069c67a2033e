#include "archive/read_graph.h"

#include <fmt/format.h>

#include <string_view>
#include <unordered_set>
#include <utility>

#include "archive/graph_reader.h"

namespace tinyml {
namespace {

struct InputSpec {
  std::string_view tag;
  JsonRef value;
};

BindingKind binding_kind(const InputSpec& spec) {
  if (spec.tag == "parameter") return BindingKind::kParameter;
  if (spec.tag == "buffer") return BindingKind::kBuffer;
  if (spec.tag == "tensor_constant") return BindingKind::kConstant;
  spec.value.fail(fmt::format("inputs of the kind '{}' are not supported", spec.tag));
}

const char* target_key(BindingKind kind) {
  switch (kind) {
    case BindingKind::kParameter:
      return "parameter_name";
    case BindingKind::kBuffer:
      return "buffer_name";
    case BindingKind::kConstant:
      break;
  }
  return "tensor_constant_name";
}

void read_binding(const InputSpec& spec, const JsonRef& input, GraphReader& reader, const PayloadReader& payload) {
  const BindingKind kind = binding_kind(spec);
  Argument constant;
  const ValueId value = reader.define_input(input, constant);
  if (value == kNoValue || reader.graph().value(value).kind != ValueKind::kTensor) {
    input.fail("expected a tensor: the signature says that this input holds weights");
  }
  const std::string& name = spec.value.at("arg").at("name").as_string();
  if (reader.graph().value(value).name != name) {
    spec.value.fail(fmt::format("the graph calls this input '{}'", reader.graph().value(value).name));
  }
  Binding binding;
  binding.fqn = spec.value.at(target_key(kind)).as_string();
  binding.value = value;
  binding.kind = kind;
  binding.persistent = kind != BindingKind::kBuffer || spec.value.at("persistent").as_bool();
  if (reader.graph().find_binding(binding.fqn) != nullptr) {
    spec.value.fail(fmt::format("'{}' is bound to two inputs", binding.fqn));
  }
  binding.data = payload(kind, binding.fqn, binding.persistent, spec.value);
  const TensorType& type = reader.graph().tensor_type(value);
  if (binding.data.type() != type.type || binding.data.shape() != type.sizes()) {
    spec.value.fail(fmt::format("the stored tensor '{}' has another type or shape than the graph says", binding.fqn));
  }
  reader.graph().add_binding(std::move(binding));
}

void read_input(const InputSpec& spec, const JsonRef& input, GraphReader& reader) {
  Input result;
  result.value = reader.define_input(input, result.constant);
  if (result.value != kNoValue) {
    result.name = reader.graph().value(result.value).name;
  } else if (spec.tag == "constant_input") {
    result.name = spec.value.at("name").as_string();
  }
  if (result.constant.is_list() || result.constant.is_graph())
    input.fail("expected a tensor, a number, a string or null");
  reader.graph().add_input(std::move(result));
}

void read_output(const JsonRef& spec, const JsonRef& value, GraphReader& reader) {
  struct Kind {
    std::string_view tag;
    OutputKind kind;
    const char* target;
  };
  constexpr Kind kKinds[] = {{"user_output", OutputKind::kUser, nullptr},
                             {"loss_output", OutputKind::kLoss, nullptr},
                             {"buffer_mutation", OutputKind::kBufferMutation, "buffer_name"},
                             {"parameter_mutation", OutputKind::kParameterMutation, "parameter_name"},
                             {"user_input_mutation", OutputKind::kInputMutation, "user_input_name"}};
  const auto [tag, body] = spec.tagged();
  for (const Kind& kind : kKinds) {
    if (kind.tag != tag) continue;
    Output output{read_argument(value, reader.scope()), kind.kind, {}};
    if (output.value.is_list() || output.value.is_graph()) value.fail("expected a tensor, a number, a string or null");
    if (kind.target != nullptr) {
      output.target = body.at(kind.target).as_string();
      if (!output.value.is_value()) value.fail("expected a value: the signature says that it is written back");
    }
    reader.graph().add_output(std::move(output));
    return;
  }
  body.fail(fmt::format("outputs of the kind '{}' are not supported", tag));
}

}  // namespace

Graph read_graph(const JsonRef& graph_module, const PayloadReader& payload) {
  TypeReader types;
  std::vector<Diagnostic> problems;
  const JsonRef graph = graph_module.at("graph");
  GraphReader reader(graph, types, problems, 0);

  const JsonRef input_specs = graph_module.at("signature").at("input_specs");
  const JsonRef inputs = graph.at("inputs");
  if (inputs.size() != input_specs.size()) inputs.fail("the graph has not as many inputs as its signature");
  for (size_t i = 0; i < inputs.size(); ++i) {
    const auto [tag, value] = input_specs[i].tagged();
    const InputSpec spec{tag, value};
    if (tag == "user_input" || tag == "constant_input") {
      read_input(spec, inputs[i], reader);
    } else {
      read_binding(spec, inputs[i], reader, payload);
    }
  }

  reader.read_nodes();

  const JsonRef output_specs = graph_module.at("signature").at("output_specs");
  const JsonRef outputs = graph.at("outputs");
  if (outputs.size() != output_specs.size()) outputs.fail("the graph has not as many outputs as its signature");
  for (size_t i = 0; i < outputs.size(); ++i) read_output(output_specs[i], outputs[i], reader);

  if (problems.size() == 1) throw Error(std::move(problems[0]));
  if (!problems.empty()) {
    const std::string summary = fmt::format("{} operators cannot be read", problems.size());
    throw Error(summary, std::move(problems));
  }
  return std::move(reader.graph());
}

}  // namespace tinyml
