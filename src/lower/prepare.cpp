#include "lower/prepare.h"

#include <fmt/format.h>

#include <utility>

#include "lower/resolve_sizes.h"
#include "tinyml/fold_constants.h"
#include "tinyml/functionalize.h"

namespace tinyml::lowering {
namespace {

bool ends_with(const std::string& text, std::string_view suffix) {
  return text.size() >= suffix.size() && text.compare(text.size() - suffix.size(), suffix.size(), suffix) == 0;
}

bool updates_statistics(const Graph& graph, const Output& output) {
  if (ends_with(output.target, "num_batches_tracked")) return true;
  if (!output.value.is_value()) return false;
  const NodeId producer = graph.value(output.value.as_value()).producer;
  if (producer == kNoNode) return graph.binding_of(output.value.as_value()) != nullptr;
  const std::string& op = graph.node(producer).op;
  return op.find("batch_norm") != std::string::npos || op.find("fused_moving_avg") != std::string::npos ||
         op.find("_fq_helper") != std::string::npos;
}

}  // namespace

Graph prepare(const Graph& graph) {
  Graph prepared = graph;
  std::vector<Output> outputs;
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kUser || output.kind == OutputKind::kLoss) outputs.push_back(output);
  }
  prepared.set_outputs(std::move(outputs));
  prepared.erase_dead_nodes();
  FoldOptions options;
  options.fold_parameters = true;
  options.fold_outputs = true;
  do {
    prepared = fold_constants(std::move(prepared), options);
  } while (inline_conditions(prepared));
  return resolve_sizes(std::move(prepared));
}

std::vector<Diagnostic> check_mutations(const Graph& graph) {
  std::vector<Diagnostic> problems;
  for (const Output& output : graph.outputs()) {
    if (output.kind == OutputKind::kUser || output.kind == OutputKind::kLoss) continue;
    if (updates_statistics(graph, output)) continue;
    Diagnostic problem{fmt::format("the model changes '{}' while it runs; a TFLite model has no state", output.target),
                       "",
                       {},
                       "take the old value as an input and return the new one as an output"};
    if (output.value.is_value()) {
      if (const NodeId producer = graph.value(output.value.as_value()).producer; producer != kNoNode) {
        problem.module_path = graph.node(producer).module_path();
        problem.where = graph.node(producer).source();
      }
    }
    problems.push_back(std::move(problem));
  }
  return problems;
}

}  // namespace tinyml::lowering
