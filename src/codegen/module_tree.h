// The modules of the generated model: what is registered where.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "codegen/call_tree.h"

namespace tinyml::codegen {

/// A parameter, buffer or constant registered directly in a module.
struct OwnTensor {
  std::string name;
  const Binding* binding = nullptr;
};

struct ModuleInfo {
  std::vector<std::string> children;  ///< Names, in the order of registration.
  std::vector<OwnTensor> tensors;
  size_t height = 0;  ///< 0 without children, else one more than the highest child.
};

class ModuleTree {
 public:
  ModuleTree(const Graph& graph, const Aliases& aliases, const CallTree& calls);

  const ModuleInfo& info(const std::string& path) const { return modules_.at(path); }
  /// Every path but the root's, outer modules before inner ones, in the order of registration.
  const std::vector<std::string>& paths() const { return paths_; }
  /// Whether the module's children are numbered and it holds nothing else but constants: reached by `[0]`.
  bool is_list(const std::string& path) const;
  /// Says that the module will be an nn.ModuleDict, whose children are reached by `["0"]` where they are no
  /// identifiers.
  void set_dictionary(const std::string& path) { dictionaries_.insert(path); }
  bool is_dictionary(const std::string& path) const { return dictionaries_.count(path) > 0; }
  /// Registers a captured constant in a module under a new name, which is returned.
  std::string add_constant(const std::string& path, const Binding& binding);
  /// Undoes add_constant for a module that turned out to run no code of its own.
  void drop_constants(const std::string& path);
  /// The expression for the child of that name of the module that `self` stands for.
  std::string access_child(const std::string& parent, const std::string& self, const std::string& name) const;
  /// The expression for a module or tensor inside `module`, from that module's point of view: "self.layers[0].weight".
  std::string access(const std::string& module, const std::string& path) const;

 private:
  void add_path(const std::string& path);
  void order_children(const std::string& path, const std::map<std::string, size_t>& by_parameter,
                      const std::map<std::string, size_t>& by_call);
  void visit(const std::string& path);

  std::map<std::string, ModuleInfo> modules_;
  std::vector<std::string> paths_;
  std::set<std::string> dictionaries_;
};

}  // namespace tinyml::codegen
