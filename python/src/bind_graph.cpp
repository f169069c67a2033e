#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <set>
#include <string>
#include <vector>

#include "arrays.h"
#include "bindings.h"
#include "tinyml/functionalize.h"
#include "tinyml/graph.h"

namespace tinyml::python {

namespace nb = nanobind;

namespace {

nb::dict tensors_of(const Graph& graph, std::optional<BindingKind> kind) {
  nb::dict tensors;
  for (const Binding& binding : graph.bindings()) {
    if (kind && binding.kind != *kind) continue;
    tensors[nb::str(binding.fqn.c_str())] = to_array(binding.data);
  }
  return tensors;
}

std::vector<std::string> input_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Input& input : graph.inputs()) names.push_back(input.name);
  return names;
}

std::vector<std::string> output_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Output& output : graph.outputs()) {
    if (output.kind != OutputKind::kUser) continue;
    names.push_back(output.value.is_value() ? graph.value(output.value.as_value()).name : "");
  }
  return names;
}

/// Parameters that no operator reads and that are no output.
std::vector<std::string> unused_parameters(const Graph& graph) {
  std::set<ValueId> returned;
  for (const Output& output : graph.outputs()) {
    if (output.value.is_value()) returned.insert(output.value.as_value());
  }
  std::vector<std::string> names;
  for (const Binding& binding : graph.bindings()) {
    if (binding.kind != BindingKind::kParameter || !graph.value(binding.value).users.empty()) continue;
    if (!returned.contains(binding.value)) names.push_back(binding.fqn);
  }
  return names;
}

/// What Python sees of a node: a copy, since the graph may change.
struct NodeInfo {
  std::string op;
  std::string module_path;
  SourceLocation where;
  std::vector<std::string> outputs;
};

std::vector<NodeInfo> nodes_of(const Graph& graph) {
  std::vector<NodeInfo> nodes;
  for (NodeId id : graph.nodes()) {
    const Node& node = graph.node(id);
    NodeInfo info{node.op, node.module_path(), node.source(), {}};
    for (ValueId output : node.outputs) info.outputs.push_back(output == kNoValue ? "" : graph.value(output).name);
    nodes.push_back(std::move(info));
  }
  return nodes;
}

/// A copy whose tensors of these names have other contents; types are converted, shapes must agree.
Graph with_weights(const Graph& graph, const nb::dict& arrays) {
  Graph result = graph;
  for (const auto& [key, array] : arrays) {
    const auto name = nb::cast<std::string>(key);
    const Binding* binding = graph.find_binding(name);
    if (binding == nullptr) throw Error("the graph has no tensor '" + name + "'");
    const Tensor data = to_tensor(array);
    if (data.shape() != binding->data.shape()) {
      throw Error("the array for '" + name + "' has another shape than the graph's tensor");
    }
    result.set_binding_data(binding->value, data.to(binding->data.type()));
  }
  return result;
}

}  // namespace

void bind_graph(nb::module_& module) {
  nb::class_<NodeInfo>(module, "Node", "One operator call of a graph.")
      .def_ro("op", &NodeInfo::op, "Operator: 'aten.conv2d.default'.")
      .def_ro("module_path", &NodeInfo::module_path, "Dotted path of the module it was captured in, '' for the root.")
      .def_prop_ro("file", [](const NodeInfo& node) { return node.where.file; })
      .def_prop_ro("line", [](const NodeInfo& node) { return node.where.line; })
      .def_prop_ro("source", [](const NodeInfo& node) { return node.where.text; })
      .def_ro("outputs", &NodeInfo::outputs, "Names of the results; '' for an absent one.")
      .def("__repr__", [](const NodeInfo& node) { return "Node(" + node.op + ")"; });

  nb::class_<Graph>(module, "Graph", "A captured model: operators over values, with its weights.")
      .def("__copy__", [](const Graph& graph) { return Graph(graph); })
      .def(
          "copy", [](const Graph& graph) { return Graph(graph); },
          "A copy that shares the weights until one is written.")
      .def("__str__", [](const Graph& graph) { return to_string(graph); })
      .def("__repr__",
           [](const Graph& graph) {
             return "Graph(" + std::to_string(graph.node_count()) + " operators, " +
                    std::to_string(graph.bindings().size()) + " tensors)";
           })
      .def(
          "to_dot", [](const Graph& graph) { return to_dot(graph); }, "Graphviz text.")
      .def(
          "verify", [](const Graph& graph) { verify(graph); }, "Raises tinyml.Error listing every broken invariant.")
      .def(
          "normalize", [](const Graph& graph) { return normalize(graph); },
          "A copy in single assignment form: regions inlined, in-place operators and identities resolved.")
      .def_prop_ro("input_names", &input_names)
      .def_prop_ro("output_names", &output_names, "Names of the values returned to the user; '' for constants.")
      .def_prop_ro("nodes", &nodes_of, "The operator calls in execution order.")
      .def(
          "tensors", [](const Graph& graph) { return tensors_of(graph, std::nullopt); },
          "All parameters, buffers and constants by name, as read-only views of the graph's memory.")
      .def(
          "parameters", [](const Graph& graph) { return tensors_of(graph, BindingKind::kParameter); },
          "The parameters by name, as read-only views.")
      .def_prop_ro("unused_parameters", &unused_parameters, "Names of the parameters that nothing reads.")
      .def("with_weights", &with_weights, nb::arg("arrays"),
           "A copy in which the tensors of these names have the contents of arrays of the same shapes.")
      .def(
          "buffers", [](const Graph& graph) { return tensors_of(graph, BindingKind::kBuffer); },
          "The buffers by name, as read-only views.");
}

}  // namespace tinyml::python
