#include "graph/structure_digest.h"

#include <fmt/format.h>

#include <map>

namespace tinyml {
namespace {

class Digester {
 public:
  Digester(const Graph& graph, const std::string& path) : graph_(graph), prefix_(path + ".") {}

  void add(NodeId id) {
    const Node& node = graph_.node(id);
    text_ += node.op + "(";
    for (const NamedArgument& arg : node.args) {
      text_ += arg.name + "=";
      add(arg.value);
    }
    text_ += ")\n";
    for (const ValueId output : node.outputs) names_.emplace(output, fmt::format("v{}", names_.size()));
  }

  /// FNV-1a.
  std::string digest() const {
    uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text_) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return fmt::format("{:016x}", hash);
  }

 private:
  void add(const Argument& argument) {
    if (argument.is_value()) {
      text_ += name_of(argument.as_value());
    } else if (argument.is_list()) {
      text_ += "[";
      for (const Argument& item : argument.as_list()) add(item);
      text_ += "]";
    } else if (argument.is_number()) {
      text_ += fmt::format("{}", argument.as_double());
    } else if (argument.is_string()) {
      text_ += argument.as_string();
    }
    text_ += ",";
  }

  const std::string& name_of(ValueId value) {
    const auto [entry, inserted] = names_.try_emplace(value);
    if (inserted) {
      const Binding* binding = graph_.binding_of(value);
      const bool own = binding != nullptr && binding->fqn.starts_with(prefix_);
      entry->second = own ? binding->fqn.substr(prefix_.size()) : fmt::format("v{}", names_.size() - 1);
    }
    return entry->second;
  }

  const Graph& graph_;
  std::string prefix_;
  std::string text_;
  std::map<ValueId, std::string> names_;
};

}  // namespace

std::string structure_digest(const Graph& graph, const std::vector<NodeId>& nodes, const std::string& path) {
  Digester digester(graph, path);
  for (const NodeId id : nodes) digester.add(id);
  return digester.digest();
}

}  // namespace tinyml
