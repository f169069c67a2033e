#include "quantize/lookups.h"

#include <algorithm>

#include "quantize/module_names.h"

namespace tinyml::quantization {
namespace {

/// The name of the argument that holds the rows; empty when the operator looks none up, or not by the first dimension.
std::string_view name_of_table(const Node& node) {
  const std::string name = base_name(node.op);
  if (name == "embedding" || name == "embedding_bag" || name == "_embedding_bag") return "weight";
  if (name == "index_select" && node.arg("dim").as_int() == 0) return "self";
  if (name == "index" && std::get<Argument::List>(node.arg("indices").data).size() == 1) return "self";
  return "";
}

}  // namespace

std::optional<size_t> table_of_rows(const Graph& graph, const Node& node) {
  const std::string_view name = name_of_table(node);
  if (name.empty() || !node.arg(name).is_value()) return std::nullopt;
  const ValueId table = node.arg(name).as_value();
  const TensorType& type = graph.tensor_type(table);
  if (graph.binding_of(table) == nullptr || type.type != ScalarType::kFloat32 || type.rank() != 2) return std::nullopt;
  return node.arg_index(name);
}

bool is_read_elsewhere(const Graph& graph, const Node& lookup) {
  if (lookup.op.find("embedding_bag") != std::string::npos) return true;
  const Binding& table = *graph.binding_of(lookup.args[*table_of_rows(graph, lookup)].value.as_value());
  if (graph.value(table.value).users.size() > 1) return true;
  return std::any_of(graph.bindings().begin(), graph.bindings().end(), [&](const Binding& other) {
    return other.value != table.value && !graph.is_unused(other.value) && are_tied(other, table);
  });
}

}  // namespace tinyml::quantization
