#include <tinyml/graph.h>

// Builds a graph of one operator and checks that it can be read back.
int main() {
  tinyml::Graph graph;
  const auto type = tinyml::TensorType::of(tinyml::ScalarType::kFloat32, {1, 3});
  const tinyml::ValueId x = graph.add_input("x", type);
  const tinyml::ValueId y = graph.add_operator("aten.relu.default", {{"self", x}}, type);
  graph.add_output({.value = y});
  return graph.node_count() == 1 && graph.value(y).producer == graph.first_node() ? 0 : 1;
}
