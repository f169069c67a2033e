#pragma once

#include <string>
#include <unordered_map>
#include <vector>

#include "archive/json_ref.h"
#include "archive/read_argument.h"
#include "archive/read_type.h"
#include "tinyml/graph.h"

namespace tinyml {

/// Reads one Graph object of the schema (the program's, or the body of a control-flow operator) into a Graph. Names of
/// values are defined before they are used, once.
class GraphReader {
 public:
  /// `depth` counts enclosing graphs. Problems of nodes are appended to `problems`.
  GraphReader(const JsonRef& graph, TypeReader& types, std::vector<Diagnostic>& problems, int depth);

  Graph& graph() { return graph_; }
  const ArgumentScope& scope() const { return scope_; }
  /// A placeholder or result of that name, typed by the graph's value tables.
  ValueId define(const JsonRef& name, ValueKind kind);
  /// The entry of "inputs" that names a value; kNoValue for a constant, which is stored in `constant`.
  ValueId define_input(const JsonRef& input, Argument& constant);
  void read_nodes();
  /// For a body: its inputs, nodes and outputs as they stand.
  void read_body();

 private:
  void read_node(const JsonRef& json);
  void read_outputs(const JsonRef& outputs, Node& node);
  ValueId define_output(const JsonRef& output);
  void add_args(const JsonRef& inputs, Node& node);

  JsonRef json_;
  TypeReader& types_;
  std::vector<Diagnostic>& problems_;
  int depth_;
  Graph graph_;
  ArgumentScope scope_;
  std::unordered_map<std::string, ValueId> names_;
};

}  // namespace tinyml
