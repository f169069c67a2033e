#include "tinyml/lower.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "lower/dynamic/dynamic_model.h"
#include "lower/input_statistics.h"
#include "lower/lower_graph.h"
#include "lower/prepare.h"
#include "lower/preserve_tensors.h"
#include "lower/registry.h"
#include "lower/resolve_sizes.h"
#include "lower/signature.h"
#include "tflite/dynamic/example_sizes.h"
#include "tinyml/functionalize.h"

namespace tinyml {
namespace {

using lowering::depends_on_data;
using lowering::Lowering;
using lowering::TensorId;

constexpr const char* kUnsupportedRemedy =
    "decompose it before the conversion with ExportedProgram.run_decompositions(), or express it in the model by "
    "supported operators (tinyml.lowerable_operators())";

// Every problem once, however often the same line of the model meets it.
class Problems {
 public:
  void add(const Error& error, const Node& node) {
    for (Diagnostic diagnostic : error.diagnostics()) {
      if (diagnostic.module_path.empty() && diagnostic.where.empty()) {
        diagnostic.module_path = node.module_path();
        diagnostic.where = node.source();
      }
      add(std::move(diagnostic));
    }
  }
  void add(Diagnostic diagnostic) {
    if (seen_.insert(diagnostic.to_string()).second) diagnostics_.push_back(std::move(diagnostic));
  }
  void throw_if_any() const {
    if (diagnostics_.empty()) return;
    throw Error("the model cannot be converted to TFLite", diagnostics_);
  }

 private:
  std::vector<Diagnostic> diagnostics_;
  std::set<std::string> seen_;
};

void add_inputs(const Graph& graph, const LowerOptions& options, Lowering& lowering, Problems& problems) {
  for (const Input& input : graph.inputs()) {
    if (input.value == kNoValue) continue;
    const Value& value = graph.value(input.value);
    if (value.kind != ValueKind::kTensor) {
      problems.add({fmt::format("the input '{}' is a symbolic number, not a tensor", input.name),
                    "",
                    {},
                    "pass it as a constant when the model is captured"});
      continue;
    }
    try {
      const tflite::Type type = lowering::tflite_type(value.tensor.type);
      const tflite::Shape shape = lowering::tflite_shape(value.tensor.sizes());
      if (const auto found = options.input_statistics.find(input.name); found != options.input_statistics.end()) {
        if (type != tflite::Type::FLOAT32) throw Error("it holds integers, which are not normalised");
        lowering.bind(input.value,
                      lowering::add_normalized_input(lowering, input.name, value.tensor.sizes(), found->second));
        continue;
      }
      const TensorId id = lowering.subgraph().add_tensor(input.name, type, shape);
      lowering.subgraph().inputs.push_back(id);
      lowering.bind(input.value, id);
    } catch (const Error& error) {
      problems.add({fmt::format("the input '{}': {}", input.name, error.diagnostics()[0].what),
                    "",
                    {},
                    error.diagnostics()[0].remedy});
    }
  }
}

// The node where a size that depends on data comes into being is reported; those that inherit it are left out.
bool inherits_unknown_size(const Graph& graph, const Node& node) {
  bool unknown = false;
  for (const NamedArgument& arg : node.args) {
    arg.value.for_each_value([&](ValueId value) { unknown = unknown || depends_on_data(graph, value); });
  }
  return unknown;
}

// So that the nodes that read a refused one can still be looked at.
void bind_placeholders(const Graph& graph, const Node& node, Lowering& lowering) {
  for (const ValueId output : node.outputs) {
    if (output == kNoValue || lowering.is_bound(output) || graph.value(output).kind != ValueKind::kTensor) continue;
    const TensorType& type = graph.tensor_type(output);
    std::vector<int64_t> sizes = type.sizes();
    for (int64_t& size : sizes) size = std::max<int64_t>(size, 1);
    try {
      lowering.bind(output, lowering.add_tensor(lowering::tflite_type(type.type), sizes));
    } catch (const Error&) {  // the type is reported already, or has no tensor at all
      lowering.bind(output, lowering.add_tensor(tflite::Type::FLOAT32, sizes));
    }
  }
}

// A number of Python's: it has a value at the sizes at hand, see Lowering::symbols.
bool makes_numbers(const Graph& graph, const Node& node) {
  return std::all_of(node.outputs.begin(), node.outputs.end(), [&](ValueId output) {
    if (output == kNoValue) return true;
    const ValueKind kind = graph.value(output).kind;
    return kind == ValueKind::kSymInt || kind == ValueKind::kSymFloat || kind == ValueKind::kSymBool;
  });
}

void lower_node(NodeId id, const Graph& graph, Lowering& lowering, Problems& problems) {
  const Node& node = graph.node(id);
  if (!lowering.symbols.empty() && makes_numbers(graph, node)) return;
  lowering.enter(id);
  const lowering::Function function = lowering::registry().find(node.op);
  if (function == nullptr) {
    const lowering::Refusal* refusal = lowering::registry().find_refusal(node.op);
    std::string what = fmt::format("the operator {} is not supported", node.op);
    if (refusal != nullptr) what += ": " + refusal->reason;
    problems.add({std::move(what), node.module_path(), node.source(),
                  refusal != nullptr ? refusal->remedy : kUnsupportedRemedy});
  } else if (std::any_of(node.outputs.begin(), node.outputs.end(),
                         [&](ValueId output) { return depends_on_data(graph, output); })) {
    if (!inherits_unknown_size(graph, node)) {
      problems.add({fmt::format("the size of the result of {} depends on data", node.op), node.module_path(),
                    node.source(), "give the operator a result of fixed size, with torch.where or a mask"});
    }
  } else {
    try {
      function(lowering);
    } catch (const Error& error) {
      problems.add(error, node);
    }
  }
  bind_placeholders(graph, node, lowering);
}

void add_outputs(const Graph& graph, Lowering& lowering, Problems& problems) {
  for (const Output& output : graph.outputs()) {
    if (output.kind != OutputKind::kUser || output.value.is_none()) continue;
    if (!output.value.is_value() || graph.value(output.value.as_value()).kind != ValueKind::kTensor) {
      problems.add({"the model returns a number; a TFLite model returns tensors only",
                    "",
                    {},
                    "return tensors and None only, or wrap the number with torch.tensor"});
      continue;
    }
    lowering.subgraph().outputs.push_back(lowering.tensor_of(output.value.as_value()));
  }
}

}  // namespace

RecurrentForm parse_recurrent_form(const std::string& name) {
  if (name == "unrolled") return RecurrentForm::kUnrolled;
  if (name == "fused") return RecurrentForm::kFused;
  if (name == "while") return RecurrentForm::kWhile;
  throw Error(fmt::format("'{}' is no form of recurrent layers", name), "use unrolled, fused or while");
}

lowering::Lowered lowering::lower_graph(const Graph& normal, const LowerOptions& options, const Assignment& symbols) {
  Lowered result;
  result.graph = prepare(normal);
  Lowering lowering(result.graph, options);
  lowering.target = options.target;
  lowering.activations = options.activations;
  lowering.symbols = symbols;
  Problems problems;
  for (Diagnostic& diagnostic : check_mutations(normal)) problems.add(std::move(diagnostic));
  add_inputs(result.graph, options, lowering, problems);
  for (const NodeId id : result.graph.nodes()) lower_node(id, result.graph, lowering, problems);
  problems.throw_if_any();
  add_outputs(result.graph, lowering, problems);
  problems.throw_if_any();
  result.outputs = signature_output_names(result.graph);
  if (!options.output_names.empty() && options.output_names.size() != result.outputs.size()) {
    throw Error(
        fmt::format("{} output names for a model with {} outputs", options.output_names.size(), result.outputs.size()));
  }
  if (options.preserve_tensors) {
    for (std::string& name : preserve_tensors(result.graph, lowering)) result.outputs.push_back(std::move(name));
  }
  result.model = std::move(lowering.model);
  result.origins = std::move(lowering.origins);
  return result;
}

tflite::Model lower(const Graph& graph, const LowerOptions& options) {
  if (!lowering::has_symbols(graph)) {
    lowering::Lowered lowered = lowering::lower_graph(normalize(graph), options);
    lowering::add_signature(options, std::move(lowered.outputs), lowered.model);
    return std::move(lowered.model);
  }
  lowering::DynamicModel dynamic = lowering::lower_dynamic(graph, options);
  tflite::set_example_sizes(dynamic.model, dynamic.examples);
  return std::move(dynamic.model);
}

}  // namespace tinyml
